//! The schema: numbered files, each applied once, in one transaction.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::open::OpenError;

/// Version N is the Nth. A released file is never edited; a change is a new one.
pub(crate) const MIGRATIONS: [&str; 1] =
    [include_str!("../migrations/0001_installation_keys_ledger.sql")];

/// Brings the schema up to the last of `migrations`. A copy of an older database is kept beside it.
pub(crate) fn migrate(
    connection: &mut Connection,
    database: &Path,
    migrations: &[&str],
) -> Result<(), OpenError> {
    let found: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let found = found as usize;
    if found > migrations.len() {
        return Err(OpenError::NewerSchema { found, known: migrations.len() });
    }
    if found == migrations.len() {
        return Ok(());
    }
    if found > 0 {
        keep_copy(connection, database, found)?;
    }
    for (version, sql) in (1_u32..).zip(migrations).skip(found) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
        tracing::info!(version, "the store's schema was brought up to date");
    }
    Ok(())
}

/// `keyway.db.before-v2` is the database as it was under version 1.
fn keep_copy(connection: &Connection, database: &Path, found: usize) -> Result<(), OpenError> {
    let mut copy = database.as_os_str().to_owned();
    copy.push(format!(".before-v{}", found + 1));
    let copy = Path::new(&copy);
    if copy.exists() {
        // An earlier try got this far; what it kept is as good.
        return Ok(());
    }
    let target = copy.to_str().ok_or_else(|| OpenError::Path(copy.to_owned()))?;
    connection.execute("VACUUM INTO ?1", [target])?;
    tracing::info!(copy = target, "a copy of the store is kept");
    Ok(())
}
