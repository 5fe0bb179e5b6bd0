//! A gateway in this process: a real store, a real socket, a provider.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use keyway_core::clock::Clock;
use keyway_core::id::WorkspaceId;
use keyway_core::key::{KeyKind, KeyName, NewKey, SecretRecord, Terms};
use keyway_core::money::Nanos;
use keyway_core::secret::{InstallationSecret, KEY_ENTROPY_BYTES, KeyPrefix, KeySecret};
use keyway_core::store::watched::Watched;
use keyway_core::store::{KeyCreation, Store};
use keyway_server::app::App;
use keyway_server::clock::SystemClock;
use keyway_server::config::Config;
use keyway_server::http::serve::serve;
use keyway_store_postgres::{PostgresOptions, PostgresStore, StoreTime};
use keyway_store_sqlite::{Durability, Holder, SqliteOptions, SqliteStore};
use keyway_testkit::{Ask, Crowd, Pace, Postgres, Told, Upstream};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::counter::Counter;

/// A thousand dollars: far from any limit.
const LIMIT: Nanos = Nanos::new(1_000_000_000_000);
const NANOS_PER_TOKEN: i64 = 1_009;
const GRACE: Duration = Duration::from_secs(5);

type Commits = Box<dyn Fn() -> u64 + Send + Sync>;

pub(crate) struct Place {
    pub(crate) name: &'static str,
    pub(crate) counter: Counter,
    pub(crate) upstream: Upstream,
    url: String,
    key: KeySecret,
    commits: Commits,
    stop: CancellationToken,
    serving: JoinHandle<io::Result<()>>,
    /// Outlive the gateway.
    _directory: Option<TempDir>,
    _server: Option<Postgres>,
}

impl Place {
    pub(crate) async fn on_sqlite() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let options = SqliteOptions {
            directory: directory.path().to_owned(),
            holder: Holder::Gateway,
            durability: Durability::Flush,
            fingerprint: [1; 32],
            new_workspace: WorkspaceId::from_random([7; 16]),
            now: SystemClock.now(),
        };
        let store = Arc::new(SqliteStore::open(&options).expect("a store"));
        let counted = Arc::clone(&store);
        let commits = Box::new(move || counted.commits());
        Self { _directory: Some(directory), ..Self::on("SQLite", store, commits).await }
    }

    pub(crate) async fn on_postgres() -> Self {
        let server = tokio::task::block_in_place(|| Postgres::start(&[]));
        let options = PostgresOptions {
            url: tokio::task::block_in_place(|| server.database("hot_path")),
            fingerprint: [1; 32],
            new_workspace: WorkspaceId::from_random([7; 16]),
            now: SystemClock.now(),
            time: StoreTime::Database,
        };
        let store = Arc::new(PostgresStore::open(&options).await.expect("a store"));
        let counted = Arc::clone(&store);
        let commits = Box::new(move || counted.commits());
        Self { _server: Some(server), ..Self::on("PostgreSQL", store, commits).await }
    }

    async fn on(name: &'static str, store: Arc<dyn Store>, commits: Commits) -> Self {
        let installation = InstallationSecret::new(&[7; 32]);
        let key = make_key(store.as_ref(), &installation).await;
        let upstream = Upstream::start(Pace::default());
        let no_variables = |_: &str| None;
        let config = Config::parse(
            &upstream.config(NANOS_PER_TOKEN),
            Path::new("keyway.toml"),
            &no_variables,
        );
        let counter = Counter::new();
        let watched: Arc<dyn Store> = Arc::new(Watched::new(store, counter.clone()));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let config = config.expect("a configuration");
        let (secrets, node) = (installation.into(), "one".to_owned());
        let app = App::start(&config, watched, secrets, clock, url.clone(), node);
        let app = app.await.expect("it starts");
        let stop = CancellationToken::new();
        #[expect(clippy::disallowed_methods, reason = "`close` waits for it")]
        let serving = tokio::spawn(serve(app, listener, stop.clone(), GRACE));
        Self {
            name,
            counter,
            upstream,
            url,
            key,
            commits,
            stop,
            serving,
            _directory: None,
            _server: None,
        }
    }

    /// Sends `requests`, so many of them at a time.
    pub(crate) async fn ask(&self, requests: u64, at_a_time: u64, ask: Ask) -> Told {
        let at_a_time = usize::try_from(at_a_time).expect("a few");
        let crowd = Crowd::new(std::slice::from_ref(&self.url), self.key.expose());
        crowd.requests(requests, at_a_time).asking(1, move |_, _| ask).run().await
    }

    /// Transactions that the store's writer has committed.
    pub(crate) fn commits(&self) -> u64 {
        (self.commits)()
    }

    pub(crate) async fn close(self) {
        self.stop.cancel();
        self.serving.await.expect("it does not panic").expect("it ends in good order");
    }
}

async fn make_key(store: &dyn Store, installation: &InstallationSecret) -> KeySecret {
    let secret = KeySecret::mint(&KeyPrefix::default(), &[3; KEY_ENTROPY_BYTES]);
    let name = KeyName::new("hot").expect("a name");
    let terms = Terms { limit: Some(LIMIT), ..Terms::default() };
    let kind = KeyKind::Inference;
    let key = NewKey { kind, terms, ..NewKey::management(name, store.default_workspace()) };
    let record = SecretRecord::minted(&secret, installation);
    let creation = KeyCreation { key, secret: record, idempotency: None };
    store.key_create(creation, SystemClock.now()).await.expect("it is made");
    secret
}
