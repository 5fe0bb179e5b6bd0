//! What outlives an end that nobody announced, and what an announced one leaves.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use keyway_core::key::{KeyKind, KeyPatch, KeyRecord};
use keyway_core::ledger::{Ending, Metered};
use keyway_core::money::Nanos;
use keyway_core::store::contract::fixture;
use keyway_core::store::{Settled, Store, StoreError};
use keyway_store_sqlite::{OpenError, SqliteStore};
use rusqlite::Connection;
use tokio::time::Instant;

use crate::support::{TempStore, options};

fn is_clean(directory: &Path) -> bool {
    let connection = Connection::open(directory.join("keyway.db")).expect("the database");
    let clean = connection.query_row("SELECT clean FROM installation", [], |row| row.get(0));
    clean.expect("an installation")
}

/// A key, one request that was charged 40 and one that was only marked, up to 50.
async fn work(store: &SqliteStore) -> KeyRecord {
    fixture::begin(store).await;
    let key = fixture::create(store, fixture::inference(store, "used")).await;
    let [settled, marked] = [1, 2].map(|number| fixture::metered(number, &key, fixture::now()));
    store.settle(fixture::charged(&settled, 40)).await.expect("writable");
    store.mark(fixture::marked(&marked, 50)).await.expect("writable");
    key
}

async fn is_all_there(store: &SqliteStore, key: &KeyRecord) {
    let now = fixture::now();
    let joined = store.node_join("contract", now).await.expect("writable");
    assert_eq!(joined.recovered, 1);
    let found = fixture::get(store, key.hash, now).await.expect("the key");
    assert_eq!(found.spend.windows.map(|window| window.spent), [Nanos::new(90); 4]);
    let [settled, marked] = [1, 2].map(|number| fixture::metered(number, key, now));
    let mut again = Metered::clone(&settled);
    again.epoch = joined.epoch;
    let again = store.settle(fixture::charged(&Arc::new(again), 40)).await;
    assert_eq!(again, Ok(Settled::Repeated));
    let crashed = store.generation(marked.id).await.expect("readable").expect("it was marked");
    assert_eq!(crashed.settlement.map(|charge| charge.ending), Some(Ending::Crashed));
}

#[tokio::test]
async fn everything_that_was_answered_outlives_a_kill() {
    let store = TempStore::new();
    let key = work(&store).await;
    // What a kill leaves: the files as they are at this moment.
    let copy = tempfile::tempdir().expect("a directory");
    for name in ["keyway.db", "keyway.db-wal"] {
        fs::copy(store.directory().join(name), copy.path().join(name)).expect("a copy");
    }
    let survivor = SqliteStore::open(&options(copy.path())).expect("it is recovered");
    is_all_there(&survivor, &key).await;
    survivor.close().await;
    assert!(is_clean(copy.path()));
}

#[tokio::test]
async fn a_store_that_is_dropped_is_whole_and_known_as_not_closed() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = SqliteStore::open(&options(directory.path())).expect("a store");
    let key = work(&store).await;
    drop(store);
    assert!(!is_clean(directory.path()));
    // The writer gives the directory back when it is done.
    let until = Instant::now() + Duration::from_secs(10);
    let again = loop {
        match SqliteStore::open(&options(directory.path())) {
            Err(OpenError::Locked { .. }) if Instant::now() < until => std::thread::yield_now(),
            opened => break opened.expect("it was given back"),
        }
    };
    is_all_there(&again, &key).await;
    again.close().await;
    assert!(is_clean(directory.path()));
}

#[tokio::test]
async fn a_closed_store_answers_that_it_is_unavailable() {
    let store = TempStore::new();
    let key = work(&store).await;
    store.close().await;
    store.close().await;
    let wal = fs::metadata(store.directory().join("keyway.db-wal"));
    assert!(wal.is_err() || wal.is_ok_and(|wal| wal.len() == 0), "the WAL was not emptied");
    let now = fixture::now();
    let request = fixture::metered(3, &key, now);
    let answers = [
        store.probe().await.err(),
        store.key_get(KeyKind::Inference, key.hash, now).await.err(),
        store.key_list(fixture::everything(&*store), now).await.err(),
        store.key_create(fixture::inference(&*store, "late"), now).await.err(),
        store.key_update(key.hash, KeyPatch::default(), now).await.err(),
        store.key_delete(KeyKind::Inference, key.hash, now).await.err(),
        store.secret_find(key.hash, now).await.err(),
        store.balance(key.account).await.err(),
        store.mark(fixture::marked(&request, 1)).await.err(),
        store.settle(fixture::charged(&request, 1)).await.err(),
        store.node_join("late", now).await.err(),
        store.node_poll(fixture::EPOCH, 0, now).await.err(),
    ];
    for answer in answers {
        assert!(matches!(answer, Some(StoreError::Unavailable(_))), "{answer:?}");
    }
}
