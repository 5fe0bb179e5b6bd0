//! An installation of an older version is brought up to date, whichever version it was.

use std::fs;
use std::path::Path;

use keyway_core::store::contract::upgrade::{check, fill};
use keyway_store_sqlite::SqliteStore;
use rusqlite::Connection;

use crate::support::options;

const APPLICATION_ID: i32 = 0x4b65_7977;

/// As they were released, in their order.
pub(crate) fn migrations() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let files = fs::read_dir(folder).expect("the migrations").flatten();
    let mut paths: Vec<_> = files.map(|file| file.path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read_to_string(path).expect("text")).collect()
}

fn database(directory: &Path) -> Connection {
    Connection::open(directory.join("keyway.db")).expect("the database")
}

/// In use since the first version, and brought up to `version` since.
pub(crate) fn make_old(directory: &Path, migrations: &[String], version: usize) {
    let connection = database(directory);
    connection.pragma_update(None, "application_id", APPLICATION_ID).expect("writable");
    let literal = |digits: &str| format!("X'{digits}'");
    connection.execute_batch(&migrations[0]).expect("the first version");
    connection.execute_batch(&fill(include_str!("version_1.sql"), literal)).expect("its rows");
    for migration in &migrations[1..version] {
        connection.execute_batch(migration).expect("a later version");
    }
    let version = i64::try_from(version).expect("small");
    connection.pragma_update(None, "user_version", version).expect("writable");
}

/// Everything that the schema says, and what SQLite has to say of the rest.
fn dump(connection: &Connection) -> Vec<String> {
    let sql = "SELECT concat_ws(' ', type, name, tbl_name, sql) FROM sqlite_schema
               UNION ALL SELECT 'version ' || user_version FROM pragma_user_version
               UNION ALL SELECT 'integrity ' || integrity_check FROM pragma_integrity_check
               UNION ALL SELECT 'broken reference in ' || \"table\" FROM pragma_foreign_key_check
               ORDER BY 1";
    let mut statement = connection.prepare(sql).expect("SQL");
    let lines = statement.query_map([], |row| row.get(0)).expect("rows");
    lines.collect::<Result<_, _>>().expect("text")
}

#[tokio::test]
async fn an_upgrade_of_any_version_is_a_fresh_installation_with_what_was_there() {
    let fresh = tempfile::tempdir().expect("a directory");
    SqliteStore::open(&options(fresh.path())).expect("a store").close().await;
    let fresh = dump(&database(fresh.path()));
    assert!(fresh.contains(&"integrity ok".to_owned()), "{fresh:#?}");
    let migrations = migrations();
    assert!(fresh.contains(&format!("version {}", migrations.len())), "each has its number");
    for version in 1..=migrations.len() {
        let directory = tempfile::tempdir().expect("a directory");
        make_old(directory.path(), &migrations, version);
        let store =
            SqliteStore::open(&options(directory.path())).expect("it is brought up to date");
        check(&store).await;
        store.close().await;
        assert_eq!(dump(&database(directory.path())), fresh, "from version {version}");
    }
}
