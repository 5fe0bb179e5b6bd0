//! Many calls at a time.

use std::fs;
use std::sync::Arc;

use keyway_core::id::GenerationId;
use keyway_core::key::KeyRecord;
use keyway_core::ledger::{Metered, Settlement};
use keyway_core::money::Nanos;
use keyway_core::store::contract::fixture;
use keyway_core::store::{Settled, Store};
use tokio::task::JoinSet;

use crate::support::TempStore;

/// What the WAL may grow to with nobody reading for long: 4 MiB that are due to be moved, and what
/// one commit adds.
const WAL_BYTES_MAX: u64 = 24 * 1024 * 1024;
/// Calls that go on at a time.
const AT_A_TIME: u64 = 500;

fn settlement(number: u64, key: &KeyRecord) -> Settlement {
    let mut request = Metered::clone(&fixture::metered(0, key, fixture::now()));
    let mut random = [0; 10];
    random[2..].copy_from_slice(&number.to_be_bytes());
    request.id = GenerationId::new(request.admitted_at, random);
    fixture::charged(&Arc::new(request), 1)
}

/// Settles these requests all at once.
async fn settle_all(store: &Arc<TempStore>, key: &KeyRecord, numbers: std::ops::Range<u64>) {
    let mut settling = JoinSet::new();
    for number in numbers {
        let (store, settlement) = (Arc::clone(store), settlement(number, key));
        settling.spawn(async move { store.settle(settlement).await });
    }
    for settled in settling.join_all().await {
        assert_eq!(settled, Ok(Settled::Applied));
    }
}

#[tokio::test]
async fn calls_that_wait_share_a_commit() {
    let store = Arc::new(TempStore::new());
    fixture::begin(&**store).await;
    let key = fixture::create(&**store, fixture::inference(&**store, "busy")).await;
    let before = store.commits();
    settle_all(&store, &key, 0..AT_A_TIME).await;
    let commits = store.commits() - before;
    assert!(commits <= AT_A_TIME / 10, "{commits} commits for {AT_A_TIME} calls");
    let spent = store.balance(key.account).await.expect("readable")[0].spend.spent;
    assert_eq!(spent, Nanos::new(500));
}

#[tokio::test]
async fn the_wal_stays_small_under_load() {
    let store = Arc::new(TempStore::new());
    fixture::begin(&**store).await;
    let key = fixture::create(&**store, fixture::inference(&**store, "busy")).await;
    let wal = store.directory().join("keyway.db-wal");
    for begin in (0..50_000).step_by(500) {
        settle_all(&store, &key, begin..begin + AT_A_TIME).await;
        let bytes = fs::metadata(&wal).expect("the WAL").len();
        assert!(bytes <= WAL_BYTES_MAX, "{bytes} bytes after {begin} calls");
    }
    let spent = store.balance(key.account).await.expect("readable")[0].spend.spent;
    assert_eq!(spent, Nanos::new(50_000));
}

/// One call that breaks a rule does not undo those that share its commit.
#[tokio::test]
async fn a_refused_call_leaves_its_neighbours_alone() {
    let store = Arc::new(TempStore::new());
    fixture::begin(&**store).await;
    let key = fixture::create(&**store, fixture::inference(&**store, "busy")).await;
    let mut nobodys = key.clone();
    nobodys.id.0 += 1;
    let mut settling = JoinSet::new();
    for number in 0..AT_A_TIME {
        let of = if number % 5 == 0 { &nobodys } else { &key };
        let (store, settlement) = (Arc::clone(&store), settlement(number, of));
        settling.spawn(async move { store.settle(settlement).await.is_ok() });
    }
    let applied = settling.join_all().await.into_iter().filter(|is_ok| *is_ok).count();
    assert_eq!(applied, 400);
    let spent = store.balance(key.account).await.expect("readable")[0].spend.spent;
    assert_eq!(spent, Nanos::new(400));
}
