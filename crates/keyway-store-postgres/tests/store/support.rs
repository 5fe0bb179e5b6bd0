//! One server for all tests of this file, a database for each.

use std::ops::Deref;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use keyway_core::clock::Timestamp;
use keyway_core::id::WorkspaceId;
use keyway_store_postgres::{PostgresOptions, PostgresStore, StoreTime};
use keyway_testkit::Postgres;
use tokio_postgres::{Client, NoTls};

static SERVER: LazyLock<Postgres> = LazyLock::new(|| Postgres::start(&[]));
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// A store in a new database.
pub(crate) struct TempStore {
    store: PostgresStore,
}

impl TempStore {
    pub(crate) async fn new() -> Self {
        let options = options(&new_database());
        Self { store: PostgresStore::open(&options).await.expect("a store") }
    }
}

impl Deref for TempStore {
    type Target = PostgresStore;

    fn deref(&self) -> &PostgresStore {
        &self.store
    }
}

pub(crate) fn new_database() -> String {
    let number = DATABASES.fetch_add(1, Ordering::Relaxed);
    SERVER.database(&format!("store_{number}"))
}

pub(crate) fn options(url: &str) -> PostgresOptions {
    PostgresOptions {
        url: url.to_owned(),
        fingerprint: [1; 32],
        new_workspace: WorkspaceId::from_random([7; 16]),
        now: Timestamp::default(),
        time: StoreTime::Caller,
    }
}

pub(crate) async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("a connection");
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    tokio::spawn(connection);
    client
}
