//! A store of the first version, brought up to date while the power may go.

use std::path::Path;

use rusqlite::Connection;

const FIRST_VERSION: &str =
    include_str!("../../../../keyway-store-sqlite/migrations/0001_installation_keys_ledger.sql");
const APPLICATION_ID: i32 = 0x4b65_7977;

/// Makes such a store in `data_dir`, with its secret, as a kill left it: with a WAL. (Where SQLite makes
/// a new one, it syncs the directory, and the copy's name with it.)
pub(super) fn prepare(data_dir: &Path) -> rusqlite::Result<()> {
    std::fs::create_dir(data_dir).expect("a directory");
    std::fs::write(data_dir.join("secret.key"), "5e".repeat(32)).expect("a secret");
    let elsewhere = tempfile::tempdir().expect("a directory");
    let store = Connection::open(elsewhere.path().join("keyway.db"))?;
    store.pragma_update(None, "application_id", APPLICATION_ID)?;
    store.pragma_update(None, "journal_mode", "WAL")?;
    store.execute_batch(FIRST_VERSION)?;
    store.pragma_update(None, "user_version", 1)?;
    for name in ["keyway.db", "keyway.db-wal"] {
        std::fs::copy(elsewhere.path().join(name), data_dir.join(name)).expect("a copy");
    }
    Ok(())
}

/// What is wrong with what a power cut left: the store is an old one, or its copy is kept, whole.
pub(super) fn damage(data_dir: &Path) -> rusqlite::Result<Option<String>> {
    let version: i64 = look(&data_dir.join("keyway.db"), "PRAGMA user_version")?;
    let copy = data_dir.join("keyway.db.before-v2");
    if version == 1 {
        return Ok(None);
    }
    if !copy.exists() {
        return Ok(Some(format!("version {version} is there without a copy of version 1")));
    }
    let whole: String = look(&copy, "PRAGMA integrity_check")?;
    let kept: i64 = look(&copy, "PRAGMA user_version")?;
    let sound = whole == "ok" && kept == 1;
    Ok((!sound).then(|| format!("the copy of version 1 is version {kept}: {whole}")))
}

fn look<T: rusqlite::types::FromSql>(database: &Path, sql: &str) -> rusqlite::Result<T> {
    Connection::open(database)?.query_row(sql, [], |row| row.get(0))
}
