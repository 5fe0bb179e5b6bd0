//! The schema: numbered files, each applied once, in one transaction.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior};

use crate::open::{OpenError, create_private};

/// Version N is the Nth. A released file is never edited; a change is a new one.
pub(crate) const MIGRATIONS: [&str; 11] = [
    include_str!("../migrations/0001_installation_keys_ledger.sql"),
    include_str!("../migrations/0002_nodes_leases_changes.sql"),
    include_str!("../migrations/0003_budgets_activity.sql"),
    include_str!("../migrations/0004_endings.sql"),
    include_str!("../migrations/0005_pruning.sql"),
    include_str!("../migrations/0006_rate_limits.sql"),
    include_str!("../migrations/0007_credentials.sql"),
    include_str!("../migrations/0008_kinds_of_tokens.sql"),
    include_str!("../migrations/0009_credits.sql"),
    include_str!("../migrations/0010_courses_contents.sql"),
    include_str!("../migrations/0011_cheaper_checks.sql"),
];

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

/// `keyway.db.before-v2` is the database as it was under version 1. It is whole or not there.
fn keep_copy(connection: &Connection, database: &Path, found: usize) -> Result<(), OpenError> {
    let copy = beside(database, &format!(".before-v{}", found + 1));
    let partial = beside(&copy, ".partial");
    let name = partial.to_str().ok_or_else(|| OpenError::Path(partial.clone()))?;
    let failed = |error| OpenError::Directory(copy.clone(), error);
    if partial.exists() {
        fs::remove_file(&partial).map_err(failed)?;
    }
    // Made before SQLite fills it, because SQLite would let others read it.
    let file = create_private(&partial).map_err(failed)?;
    connection.execute("VACUUM INTO ?1", [name])?;
    file.sync_all().map_err(failed)?;
    fs::rename(&partial, &copy).map_err(failed)?;
    // Before the schema changes, or a loss of power could leave the new one without the copy.
    let directory = database.parent().unwrap_or(Path::new("."));
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)?;
    tracing::info!(copy = %copy.display(), "a copy of the store is kept");
    Ok(())
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const FIRST: &str = "CREATE TABLE one (value INTEGER); INSERT INTO one VALUES (7);";
    const SECOND: &str = "ALTER TABLE one RENAME TO two;";

    fn version(connection: &Connection) -> u32 {
        let version = connection.query_row("PRAGMA user_version", [], |row| row.get(0));
        version.expect("a version")
    }

    #[test]
    fn an_older_database_is_kept_before_it_is_changed() {
        let directory = tempfile::tempdir().expect("a directory");
        let database = directory.path().join("keyway.db");
        let mut connection = Connection::open(&database).expect("a database");
        connection.pragma_update(None, "journal_mode", "WAL").expect("WAL");
        migrate(&mut connection, &database, &[FIRST]).expect("the first version");
        assert!(!beside(&database, ".before-v1").exists(), "nothing was there to be kept");
        // What an earlier try left half done is no obstacle.
        fs::write(beside(&database, ".before-v2.partial"), "half a copy").expect("writable");

        migrate(&mut connection, &database, &[FIRST, SECOND]).expect("the second version");
        assert_eq!(version(&connection), 2);
        let path = beside(&database, ".before-v2");
        let mode = fs::metadata(&path).expect("the copy").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let copy = Connection::open(&path).expect("the copy");
        assert_eq!(version(&copy), 1);
        assert_eq!(copy.query_row("SELECT value FROM one", [], |row| row.get(0)), Ok(7));
    }

    #[test]
    fn a_migration_that_fails_changes_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let database = directory.path().join("keyway.db");
        let mut connection = Connection::open(&database).expect("a database");
        migrate(&mut connection, &database, &[FIRST]).expect("the first version");
        let broken = "CREATE TABLE three (value INTEGER); INSERT INTO nowhere VALUES (1);";
        let refused = migrate(&mut connection, &database, &[FIRST, SECOND, broken]);
        assert!(matches!(refused, Err(OpenError::Sqlite(_))), "{refused:?}");
        assert_eq!(version(&connection), 2);
        let tables = "SELECT group_concat(name) FROM sqlite_schema";
        assert_eq!(connection.query_row(tables, [], |row| row.get(0)), Ok("two".to_owned()));
        migrate(&mut connection, &database, &[FIRST, SECOND, FIRST]).expect("the third version");
        assert_eq!(version(&connection), 3);
    }

    #[test]
    fn a_newer_schema_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let database = directory.path().join("keyway.db");
        let mut connection = Connection::open(&database).expect("a database");
        migrate(&mut connection, &database, &[FIRST, SECOND]).expect("the second version");
        let refused = migrate(&mut connection, &database, &[FIRST]);
        assert!(matches!(refused, Err(OpenError::NewerSchema { found: 2, known: 1 })));
    }
}
