//! What is opened, what is refused, and what the refusal says.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use keyway_core::id::WorkspaceId;
use keyway_core::store::Store;
use keyway_store_sqlite::{OpenError, SqliteOptions, SqliteStore};
use rusqlite::Connection;

use crate::support::{TempStore, options, workspace};

fn refusal(options: &SqliteOptions) -> OpenError {
    SqliteStore::open(options).expect_err("it is refused")
}

fn database(directory: &Path) -> Connection {
    Connection::open(directory.join("keyway.db")).expect("the database")
}

#[tokio::test]
async fn a_directory_has_one_holder_and_the_second_learns_who() {
    let store = TempStore::new();
    let refused = refusal(&options(store.directory()));
    assert!(matches!(refused, OpenError::Locked { .. }), "{refused:?}");
    let holder =
        format!("in use by keyway gateway process {} since 2026-07-15T", std::process::id());
    assert!(refused.to_string().contains(&holder), "{refused}");
    store.close().await;
    SqliteStore::open(&options(store.directory())).expect("it was given back").close().await;
}

#[tokio::test]
async fn what_a_new_installation_is_stays() {
    let store = TempStore::new();
    store.close().await;
    let mut other = options(store.directory());
    other.new_workspace = WorkspaceId::from_random([8; 16]);
    let again = SqliteStore::open(&other).expect("a store");
    assert_eq!(again.default_workspace(), workspace());
    again.close().await;
}

#[tokio::test]
async fn nobody_else_may_read_the_files() {
    let store = TempStore::new();
    store.probe().await.expect("writable");
    let mut names = Vec::new();
    for file in fs::read_dir(store.directory()).expect("a directory") {
        let file = file.expect("a file");
        let mode = file.metadata().expect("its mode").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?}", file.file_name());
        names.push(file.file_name().into_string().expect("a name"));
    }
    names.sort();
    assert_eq!(names, ["keyway.db", "keyway.db-shm", "keyway.db-wal", "keyway.lock"]);
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let store = TempStore::new();
    store.close().await;
    database(store.directory()).pragma_update(None, "user_version", 99).expect("writable");
    let refused = refusal(&options(store.directory()));
    assert!(matches!(refused, OpenError::NewerSchema { found: 99, .. }), "{refused:?}");
    assert!(refused.to_string().contains("99"), "{refused}");
}

#[tokio::test]
async fn another_secret_is_refused_and_changes_nothing() {
    let store = TempStore::new();
    store.close().await;
    let mut other = options(store.directory());
    other.fingerprint = [2; 32];
    let refused = refusal(&other);
    assert!(matches!(refused, OpenError::OtherSecret), "{refused:?}");
    let clean =
        database(store.directory())
            .query_row("SELECT clean FROM installation", [], |row| row.get::<_, bool>(0));
    assert_eq!(clean, Ok(true));
    SqliteStore::open(&options(store.directory())).expect("its own secret").close().await;
}

#[test]
fn what_is_not_keyways_is_refused_and_left_alone() {
    let text =
        |path: &Path| fs::write(path, "This is not a database, however long it is. ".repeat(99));
    let tables = |path: &Path| {
        let connection = Connection::open(path).expect("a database");
        connection.execute_batch("CREATE TABLE somebody (elses INTEGER)").expect("writable");
        Ok(())
    };
    for make in [text, tables as fn(&Path) -> std::io::Result<()>] {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("keyway.db");
        make(&path).expect("a file");
        let before = fs::read(&path).expect("the file");
        let refused = refusal(&options(directory.path()));
        assert!(matches!(refused, OpenError::Foreign(_)), "{refused:?}");
        assert!(refused.to_string().contains("keyway.db"), "{refused}");
        assert_eq!(fs::read(&path).expect("the file"), before);
    }
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let refused = refusal(&options(Path::new("/nowhere/at/all")));
    assert!(refused.to_string().contains("/nowhere/at/all"), "{refused}");
}
