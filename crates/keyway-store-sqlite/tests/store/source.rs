//! What is read out of a store that is moved.

use keyway_core::store::transfer::{TABLES, Value};
use keyway_store_sqlite::{OpenError, SqliteSource};
use rusqlite::Connection;

use crate::support::{TempStore, options};
use crate::upgrade::{make_old, migrations};

/// Only of use to the nodes of the store itself.
const LEFT_BEHIND: [&str; 5] = ["change_log", "installation", "lease", "node", "sqlite_sequence"];

#[tokio::test]
async fn every_table_is_moved_or_known_to_stay() {
    let store = TempStore::new();
    store.close().await;
    let database = Connection::open(store.directory().join("keyway.db")).expect("the database");
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
    let mut statement = database.prepare(sql).expect("SQL");
    let tables = statement.query_map([], |row| row.get(0)).expect("rows");
    let tables: Vec<String> = tables.collect::<Result<_, _>>().expect("text");
    let mut known: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
    known.extend(LEFT_BEHIND);
    known.sort_unstable();
    assert_eq!(tables, known, "a new table is added to one of the two lists");
}

#[test]
fn what_a_crash_left_is_settled_first_and_pages_hold_all_rows() {
    let directory = tempfile::tempdir().expect("a directory");
    let nothing = SqliteSource::open(&options(directory.path()));
    assert!(matches!(nothing, Err(OpenError::Nothing(_))), "{nothing:?}");
    make_old(directory.path(), &migrations(), 1);
    let source = SqliteSource::open(&options(directory.path())).expect("an installation");
    let table = TABLES.into_iter().find(|table| table.name == "account_window").expect("known");
    let columns = source.columns(table).expect("readable");
    let all = source.rows(table, &columns, &[], 100).expect("readable");
    let mut paged = Vec::new();
    loop {
        let page = source.rows(table, &columns, &key(&paged), 3).expect("readable");
        if page.is_empty() {
            break;
        }
        paged.extend(page);
    }
    assert_eq!((paged.len(), &paged), (8, &all), "two accounts, four windows each");
    let figures = source.figures(table, &columns).expect("readable");
    let spent = figures.iter().find(|figure| figure.what == "spent_nanos").expect("it is summed");
    assert_eq!(spent.amount, 8 * 470, "the cut one is charged");
    let generations = TABLES.into_iter().find(|table| table.name == "generation").expect("known");
    let columns = source.columns(generations).expect("readable");
    let figures = source.figures(generations, &columns).expect("readable");
    let reserved = figures.iter().find(|figure| figure.what == "reserved_nanos").expect("summed");
    assert_eq!(reserved.amount, 2 * i128::from(i64::MAX), "more than SQLite itself can add up");
    source.close().expect("writable");
}

/// Of the last row: account, kind and start.
fn key(rows: &[Vec<Value>]) -> Vec<Value> {
    rows.last().map_or_else(Vec::new, |row| row[..3].to_vec())
}
