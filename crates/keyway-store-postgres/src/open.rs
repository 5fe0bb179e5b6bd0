//! Opening: connect, look whom to, schema, secret.

use std::path::PathBuf;
use std::time::Duration;

use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime,
    TimeoutType,
};
use keyway_core::clock::Timestamp;
use keyway_core::id::WorkspaceId;
use thiserror::Error;
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;
use uuid::Uuid;

use crate::clock::StoreTime;
use crate::history::History;
use crate::migrate::migrate;
use crate::tls;
use crate::url::Destination;

/// Connections of one node.
const CONNECTIONS_MAX: usize = 16;
/// Further ones, by which it is heard of and hears of the others: a poll that waits behind requests is
/// late when it matters most. One polls, one tells, one ends those that fell silent.
const WATCH_CONNECTIONS_MAX: usize = 3;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A node that falls silent in the middle of a transaction must not keep what it locked: others could
/// neither end it nor change the keys that it leases for.
const SESSION: &str = "SET idle_in_transaction_session_timeout = '300ms'";

/// Who opens the store holds up nobody who serves, and may be slow.
const OPENING: &str = "SET idle_in_transaction_session_timeout = '10s'";

/// How to open a store.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// `postgres://user:password@host:port/database`, with `sslmode` and `sslrootcert` as libpq has
    /// them; without, certificates are checked but on this machine.
    pub url: String,
    /// Of the installation's secret.
    pub fingerprint: [u8; 32],
    /// The default workspace, where the installation is new.
    pub new_workspace: WorkspaceId,
    pub now: Timestamp,
    pub time: StoreTime,
}

/// Why a store cannot be opened, and what to do. The URL is not repeated: a password may be in it.
#[derive(Debug, Error)]
pub enum OpenError {
    #[error("the store's URL cannot be used: {0}")]
    Url(String),
    #[error("{0}, which sslrootcert names in the store's URL, cannot be used: {1}")]
    RootCertificate(PathBuf, String),
    #[error("cannot connect to the store: {0}")]
    Connect(String),
    #[error("the store is a standby, which cannot be written: name the primary")]
    Standby,
    #[error("the database runs with fsync = off and loses charges when it crashes: switch it on")]
    NoFsync,
    #[error(
        "the store has schema version {found}, and this program knows versions up to {known}: run the \
         version of Keyway that made it, or a newer one"
    )]
    NewerSchema { found: usize, known: usize },
    #[error(
        "the store belongs to another installation secret: give this node the one it was made with"
    )]
    OtherSecret,
    #[error(
        "an installation is on its way into this database, and not all of it has arrived: run \
         `keyway store migrate` again, which goes on where it was"
    )]
    Unfinished,
    #[error("cannot open the store: {0}")]
    Postgres(#[from] tokio_postgres::Error),
    #[error("cannot start the store's writer: {0}")]
    Thread(#[source] std::io::Error),
}

pub(crate) struct Opened {
    pub(crate) pool: Pool,
    /// For what a node tells and asks of the others.
    pub(crate) watch: Pool,
    /// For the ledger's writes: one connection, whose statements stay prepared.
    pub(crate) ledger: Pool,
    pub(crate) default_workspace: WorkspaceId,
    pub(crate) history: History,
}

pub(crate) async fn open(options: &PostgresOptions) -> Result<Opened, OpenError> {
    let (config, connector) = read_url(&options.url)?;
    let watch = pool(config.clone(), connector.clone(), WATCH_CONNECTIONS_MAX)?;
    let ledger = pool(config.clone(), connector.clone(), 1)?;
    let pool = pool(config, connector, CONNECTIONS_MAX)?;
    let mut client = prepare(&pool).await?;
    let default_workspace = settle_in(&mut client, options).await?;
    let history = History::find(&client).await?;
    client.batch_execute(SESSION).await?;
    drop(client);
    Ok(Opened { pool, watch, ledger, default_workspace, history })
}

/// One connection to the database at `url`, whose schema is brought up to date.
pub(crate) async fn connect(url: &str) -> Result<Object, OpenError> {
    let (config, connector) = read_url(url)?;
    prepare(&pool(config, connector, 1)?).await
}

fn read_url(url: &str) -> Result<(Config, MakeRustlsConnect), OpenError> {
    let destination = Destination::parse(url)?;
    let connector = tls::connector(&destination)?;
    let mut config = destination.config;
    config.connect_timeout(CONNECT_TIMEOUT).application_name("keyway");
    if config.get_hosts().len() > 1 {
        // Whichever is the primary now; the others could tell of a moment ago.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
    Ok((config, connector))
}

async fn prepare(pool: &Pool) -> Result<Object, OpenError> {
    let mut client = pool.get().await.map_err(|error| not_connected(&error))?;
    check_server(&client).await?;
    client.batch_execute(OPENING).await?;
    migrate(&mut client).await?;
    Ok(client)
}

fn pool(
    config: Config,
    connector: MakeRustlsConnect,
    connections_max: usize,
) -> Result<Pool, OpenError> {
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    Pool::builder(Manager::from_config(config, connector, recycling))
        .max_size(connections_max)
        .wait_timeout(Some(CONNECT_TIMEOUT))
        .create_timeout(Some(CONNECT_TIMEOUT))
        .recycle_timeout(Some(CONNECT_TIMEOUT))
        .runtime(Runtime::Tokio1)
        .post_create(Hook::async_fn(|client, _| {
            Box::pin(async { client.batch_execute(SESSION).await.map_err(HookError::Backend) })
        }))
        .build()
        .map_err(|error| OpenError::Connect(error.to_string()))
}

fn not_connected(error: &PoolError) -> OpenError {
    OpenError::Connect(match error {
        PoolError::Backend(error) => tls::explain(error),
        PoolError::Timeout(TimeoutType::Create) => "it does not answer".to_owned(),
        error => error.to_string(),
    })
}

/// A charge that was answered has to be on a disk, and on the server that is asked next.
async fn check_server(client: &Client) -> Result<(), OpenError> {
    let standby: bool = client.query_one("SELECT pg_is_in_recovery()", &[]).await?.get(0);
    if standby {
        return Err(OpenError::Standby);
    }
    let setting = async |name: &str| -> Result<Option<String>, OpenError> {
        let row = client.query_one("SELECT current_setting($1, true)", &[&name]).await?;
        Ok(row.get(0))
    };
    if setting("fsync").await?.as_deref() == Some("off") {
        return Err(OpenError::NoFsync);
    }
    if setting("synchronous_commit").await?.as_deref() == Some("off") {
        tracing::warn!(
            "synchronous_commit is off: charges of the last moments are lost in a crash of the database"
        );
    }
    Ok(())
}

/// Compares the secret's fingerprint; the first node leaves its own.
async fn settle_in(
    client: &mut Client,
    options: &PostgresOptions,
) -> Result<WorkspaceId, OpenError> {
    let workspace: &[u8] = options.new_workspace.0.as_bytes();
    let transaction = client.transaction().await?;
    // Held until the commit: no other installation begins to arrive meanwhile.
    transaction.query_one("SELECT 1 FROM schema_version FOR UPDATE", &[]).await?;
    if transaction.query_opt("SELECT 1 FROM transfer", &[]).await?.is_some() {
        return Err(OpenError::Unfinished);
    }
    transaction
        .execute(
            "INSERT INTO installation (one, fingerprint, default_workspace, created_at)
             VALUES (1, $1, $2, $3) ON CONFLICT (one) DO NOTHING",
            &[&options.fingerprint.as_slice(), &workspace, &options.now.as_micros()],
        )
        .await?;
    let sql = "SELECT fingerprint, default_workspace FROM installation";
    let row = transaction.query_one(sql, &[]).await?;
    transaction.commit().await?;
    let (fingerprint, workspace): (&[u8], &[u8]) = (row.get(0), row.get(1));
    if fingerprint != options.fingerprint {
        return Err(OpenError::OtherSecret);
    }
    Ok(WorkspaceId(Uuid::from_slice(workspace).unwrap_or_default()))
}
