//! Opening: lock, file, settings, schema, secret.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use keyway_core::clock::Timestamp;
use keyway_core::id::WorkspaceId;
use rusqlite::{Connection, ErrorCode, OpenFlags, params};
use thiserror::Error;
use uuid::Uuid;

use crate::lock::{DirectoryLock, Holder, LockError};
use crate::migrate::{MIGRATIONS, migrate};

pub(crate) const DATABASE_FILE: &str = "keyway.db";
/// "Keyw", so that `file` and this program know the database from others.
const APPLICATION_ID: i32 = 0x4b65_7977;
/// Older versions can corrupt a database in WAL mode when two checkpoints meet.
const SQLITE_VERSION_MIN: i32 = 3_051_003;
/// How long another process may hold the database before a call fails; nobody but an operator's own
/// tool does.
const BUSY_TIMEOUT: Duration = Duration::from_millis(500);
/// Statements that a connection keeps prepared.
const STATEMENTS_MAX: usize = 64;
/// The WAL file is cut back to this when it is begun anew: more than it mostly has by then, because to cut
/// it and to let it grow again takes milliseconds.
const WAL_BYTES_KEPT: i64 = 32 * 1024 * 1024;

/// What an answer of the store outlives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The loss of power: every commit is flushed.
    Flush,
    /// The end of the process, by `kill -9` too.
    Process,
}

/// How to open a store.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    pub directory: PathBuf,
    /// Who opens it.
    pub holder: Holder,
    pub durability: Durability,
    /// Of the installation's secret.
    pub fingerprint: [u8; 32],
    /// The default workspace, where the installation is new.
    pub new_workspace: WorkspaceId,
    pub now: Timestamp,
}

/// Why a store cannot be opened, and what to do.
#[derive(Debug, Error)]
pub enum OpenError {
    #[error(
        "the data directory {directory} is in use by {holder}: stop it, or name another directory"
    )]
    Locked { directory: PathBuf, holder: String },
    #[error("cannot use the data directory {0}: {1}")]
    Directory(PathBuf, #[source] io::Error),
    #[error("there is no installation in {0}: name the data directory that the gateway was run on")]
    Nothing(PathBuf),
    #[error("the path {0} is not UTF-8")]
    Path(PathBuf),
    #[error("{0} is not a database of Keyway: move it away, or name another directory")]
    Foreign(PathBuf),
    #[error(
        "the store has schema version {found}, and this program knows versions up to {known}: run the \
         version of Keyway that made it, or a newer one"
    )]
    NewerSchema { found: usize, known: usize },
    #[error(
        "the store belongs to another installation secret: restore the secret.key that it was made \
         with, or name it in KEYWAY_SECRET_FILE"
    )]
    OtherSecret,
    #[error("SQLite {0} can lose data in WAL mode; 3.51.3 or newer is needed")]
    OldSqlite(&'static str),
    #[error("cannot open the store: {0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error("cannot start the store's writer: {0}")]
    Thread(#[source] io::Error),
}

/// A database that is ready to be written.
pub(crate) struct Opened {
    pub(crate) lock: DirectoryLock,
    pub(crate) connection: Connection,
    pub(crate) database: PathBuf,
    pub(crate) default_workspace: WorkspaceId,
    /// Whether the last run closed the store.
    pub(crate) was_clean: bool,
}

pub(crate) fn open(options: &SqliteOptions) -> Result<Opened, OpenError> {
    if rusqlite::version_number() < SQLITE_VERSION_MIN {
        return Err(OpenError::OldSqlite(rusqlite::version()));
    }
    let directory = &options.directory;
    let lock =
        DirectoryLock::take(directory, options.holder, options.now).map_err(
            |error| match error {
                LockError::Held(holder) => {
                    OpenError::Locked { directory: directory.clone(), holder }
                }
                LockError::Io(error) => OpenError::Directory(directory.clone(), error),
            },
        )?;
    let database = directory.join(DATABASE_FILE);
    create_private(&database).map_err(|error| OpenError::Directory(directory.clone(), error))?;
    let mut connection = open_writer(&database, options.durability)?;
    migrate(&mut connection, &database, &MIGRATIONS)?;
    let (default_workspace, was_clean) = settle_in(&connection, options)?;
    Ok(Opened { lock, connection, database, default_workspace, was_clean })
}

/// The connection that writes. The database is there: a directory that was moved away is not
/// replaced by an empty one.
pub(crate) fn open_writer(
    database: &Path,
    durability: Durability,
) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(database, flags)?;
    configure(&connection)?;
    claim(&connection, database)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", WAL_BYTES_KEPT)?;
    let synchronous = match durability {
        Durability::Flush => "FULL",
        Durability::Process => "NORMAL",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    Ok(connection)
}

/// A connection that only reads.
pub(crate) fn open_reader(database: &Path) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(database, flags)?;
    configure(&connection)?;
    Ok(connection)
}

/// Opens a file that only this user may read, made where it is not there.
pub(crate) fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn configure(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)
}

/// Marks a new database as Keyway's; refuses one that is somebody else's.
fn claim(connection: &Connection, database: &Path) -> Result<(), OpenError> {
    let id = connection.query_row("PRAGMA application_id", [], |row| row.get(0));
    if let Err(error) = &id
        && error.sqlite_error_code() == Some(ErrorCode::NotADatabase)
    {
        return Err(OpenError::Foreign(database.to_owned()));
    }
    let id: i32 = id?;
    let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0))?;
    match (id, pages) {
        (APPLICATION_ID, _) => Ok(()),
        (0, 0) => Ok(connection.pragma_update(None, "application_id", APPLICATION_ID)?),
        _ => Err(OpenError::Foreign(database.to_owned())),
    }
}

/// Compares the secret's fingerprint, and notes that the store is in use.
fn settle_in(
    connection: &Connection,
    options: &SqliteOptions,
) -> Result<(WorkspaceId, bool), OpenError> {
    let workspace = options.new_workspace.0.as_bytes();
    connection.execute(
        "INSERT INTO installation (one, fingerprint, default_workspace, created_at, clean)
         VALUES (1, ?1, ?2, ?3, 1) ON CONFLICT (one) DO NOTHING",
        params![options.fingerprint, workspace, options.now.as_micros()],
    )?;
    let (fingerprint, workspace, clean): ([u8; 32], [u8; 16], bool) = connection.query_row(
        "SELECT fingerprint, default_workspace, clean FROM installation",
        [],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    if fingerprint != options.fingerprint {
        return Err(OpenError::OtherSecret);
    }
    connection.execute("UPDATE installation SET clean = 0", [])?;
    Ok((WorkspaceId(Uuid::from_bytes(workspace)), clean))
}
