//! What is taken away, what has to stay, and what is remembered of what went.

use super::fixture::{EPOCH, at, charged, create, get, inference, metered, now};
use crate::budget::WindowKind;
use crate::clock::Timestamp;
use crate::id::{AccountId, Epoch};
use crate::key::{KeyKind, KeyPatch, KeyRecord};
use crate::ledger::{AccountState, Draw, LeaseCall, Settlement, Slice};
use crate::money::Nanos;
use crate::store::{
    Idempotency, KEPT_SECONDS, KeyCreated, NodeEnd, Poll, Settled, Store, StoreError,
};

async fn prune(store: &dyn Store, epoch: Epoch, now: Timestamp) -> u64 {
    store.prune(epoch, now).await.expect("writable")
}

async fn poll(store: &dyn Store, epoch: Epoch, since: i64) -> Poll {
    store.node_poll(epoch, since, now()).await.expect("readable")
}

/// A change to the key at `time`.
async fn change(store: &dyn Store, key: &KeyRecord, time: Timestamp) {
    let patch = KeyPatch { disabled: Some(true), ..KeyPatch::default() };
    store.key_update(key.hash, patch, time).await.expect("writable").expect("the key is there");
}

fn tomorrow() -> Timestamp {
    now().plus_seconds(KEPT_SECONDS + 1)
}

pub(super) async fn changes_that_all_have_applied_go_after_a_day(store: &dyn Store) {
    let key = create(store, inference(store, "changed")).await;
    let other = store.node_join("other", now()).await.expect("writable").epoch;
    for time in [now(), now(), tomorrow(), now()] {
        change(store, &key, time).await;
    }
    store.node_beat(EPOCH, 4, tomorrow()).await.expect("writable");
    assert_eq!(prune(store, EPOCH, tomorrow()).await, 0, "the other has applied nothing");
    store.node_beat(other, 1, tomorrow()).await.expect("writable");
    assert_eq!(prune(store, EPOCH, tomorrow()).await, 1);
    store.node_beat(other, 4, tomorrow()).await.expect("writable");
    assert_eq!(prune(store, EPOCH, now().plus_seconds(KEPT_SECONDS)).await, 0, "not a day old");
    // The fourth is as old, but behind one that is kept: what is kept has no gaps.
    assert_eq!(prune(store, EPOCH, tomorrow()).await, 1);
    let kept: Vec<i64> = poll(store, EPOCH, 2).await.changes.iter().map(|kept| kept.seq).collect();
    assert_eq!(kept, [3, 4]);
    assert_eq!(prune(store, EPOCH, tomorrow().plus_seconds(KEPT_SECONDS + 1)).await, 2);
    change(store, &key, now()).await;
    assert_eq!(poll(store, EPOCH, 4).await.head, 5, "numbers go on");
}

pub(super) async fn who_missed_what_went_is_told(store: &dyn Store) {
    let key = create(store, inference(store, "changed")).await;
    for time in [now(), now(), tomorrow()] {
        change(store, &key, time).await;
    }
    assert!(!poll(store, EPOCH, 0).await.forgotten);
    store.node_beat(EPOCH, 3, tomorrow()).await.expect("writable");
    assert_eq!(prune(store, EPOCH, tomorrow()).await, 2);
    let forgotten = async |since| poll(store, EPOCH, since).await.forgotten;
    assert!(forgotten(0).await && forgotten(1).await);
    assert!(!forgotten(2).await && !forgotten(3).await);
    assert!(forgotten(4).await, "what is ahead of the store is of another past");
    prune(store, EPOCH, tomorrow().plus_seconds(KEPT_SECONDS + 1)).await;
    assert!(forgotten(2).await && !forgotten(3).await);
}

pub(super) async fn ended_runs_go_and_their_numbers_stay_used(store: &dyn Store) {
    let key = create(store, inference(store, "used")).await;
    let second = store.node_join("second", now()).await.expect("writable").epoch;
    store.node_end(second, NodeEnd::Left, now()).await.expect("writable");
    assert_eq!(prune(store, EPOCH, now().plus_seconds(KEPT_SECONDS)).await, 0, "not a day old");
    assert_eq!(prune(store, EPOCH, tomorrow()).await, 1, "the live one stays");
    assert_eq!(store.node_beat(second, 0, now()).await, Err(StoreError::Fenced));
    assert_eq!(store.node_end(second, NodeEnd::Left, now()).await, Ok(None));
    let request = metered(1, &key, now());
    let mut late = crate::ledger::Metered::clone(&request);
    late.epoch = second;
    let late = Settlement { request: std::sync::Arc::new(late), ..charged(&request, 40) };
    assert_eq!(store.settle(late).await, Err(StoreError::Fenced));
    let third = store.node_join("second", tomorrow()).await.expect("writable").epoch;
    assert_eq!(third, Epoch(second.0 + 1));
}

pub(super) async fn an_ended_run_takes_nothing_away(store: &dyn Store) {
    let second = store.node_join("second", now()).await.expect("writable").epoch;
    store.node_end(second, NodeEnd::Left, now()).await.expect("writable");
    assert_eq!(store.prune(second, tomorrow()).await, Err(StoreError::Fenced));
}

fn slice(key: &KeyRecord) -> Slice {
    let kind = WindowKind::Total;
    Slice { account: key.account, kind, starts_at: kind.starts_at(now()) }
}

fn call(key: &KeyRecord, seq: i64, give_back: i64, want: i64) -> LeaseCall {
    LeaseCall {
        epoch: EPOCH,
        slice: slice(key),
        seq,
        give_back: Nanos::new(give_back),
        least: Nanos::new(want),
        want: Nanos::new(want),
        ahead: Nanos::ZERO,
        share: 1,
    }
}

async fn limited(store: &dyn Store, name: &str) -> KeyRecord {
    let mut creation = inference(store, name);
    creation.key.terms.limit = Some(Nanos::new(100));
    create(store, creation).await
}

/// What is granted, and what is leased then.
async fn lease(store: &dyn Store, call: LeaseCall) -> (i64, i64) {
    let leased = store.lease(call, now()).await.expect("answered");
    (leased.granted.get(), leased.figures.leased.get())
}

pub(super) async fn no_call_is_made_again_when_its_lease_went(store: &dyn Store) {
    let [key, other] = [limited(store, "one").await, limited(store, "other").await];
    assert_eq!(lease(store, call(&key, 7, 0, 60)).await, (60, 60));
    assert_eq!(lease(store, call(&key, 8, 60, 0)).await, (0, 0));
    assert_eq!(prune(store, EPOCH, now()).await, 1);
    // Late, and again: neither granted anew, nor a mistake.
    assert_eq!(lease(store, call(&key, 7, 0, 60)).await, (0, 0));
    assert_eq!(lease(store, call(&key, 8, 60, 0)).await, (0, 0));
    // One that is not late, and looks as if it were, is asked again.
    assert_eq!(lease(store, call(&other, 6, 0, 60)).await, (0, 0));
    assert_eq!(lease(store, call(&other, 9, 0, 60)).await, (60, 60));
    assert_eq!(lease(store, call(&key, 10, 0, 60)).await, (60, 60));
    assert_eq!(lease(store, call(&key, 10, 0, 60)).await, (60, 60));
}

pub(super) async fn a_lease_that_was_spent_goes_and_one_that_was_not_stays(store: &dyn Store) {
    let key = limited(store, "spent").await;
    let second = store.node_join("second", now()).await.expect("writable").epoch;
    assert_eq!(lease(store, call(&key, 1, 0, 60)).await, (60, 60));
    let seconds = LeaseCall { epoch: second, ..call(&key, 1, 0, 0) };
    assert_eq!(lease(store, seconds).await, (0, 60));
    assert_eq!(prune(store, EPOCH, now()).await, 0, "the empty one is the other's");
    let draws = vec![Draw { slice: slice(&key), amount: Nanos::new(60) }];
    let settlement = Settlement { draws, ..charged(&metered(1, &key, now()), 60) };
    assert_eq!(store.settle(settlement.clone()).await, Ok(Settled::Applied));
    assert_eq!(prune(store, EPOCH, now()).await, 1);
    assert_eq!(prune(store, second, now()).await, 1);
    assert_eq!(store.settle(settlement).await, Ok(Settled::Repeated));
    let shown = get(store, key.hash, now()).await.expect("the key is there");
    assert_eq!(shown.spend.windows[0].spent.get(), 60, "what was charged stays");
    assert_eq!(lease(store, call(&key, 2, 0, 40)).await, (40, 40));
}

pub(super) async fn creations_are_forgotten_after_their_day(store: &dyn Store) {
    let mut creation = inference(store, "made");
    let (key, body, salt) = ([1; 32], [2; 32], [3; 16]);
    let actor = crate::id::KeyId(1);
    creation.idempotency = Some(Idempotency { actor, key, body, salt, answer: "{}".to_owned() });
    create(store, creation.clone()).await;
    assert_eq!(prune(store, EPOCH, at("2026-07-16T11:59:59Z")).await, 0);
    let again = store.key_create(creation, now()).await;
    assert!(matches!(again, Ok(KeyCreated::Replayed { .. })), "{again:?}");
    assert_eq!(prune(store, EPOCH, at("2026-07-16T12:00:00Z")).await, 1);
}

pub(super) async fn what_accounts_are_now_is_told(store: &dyn Store) {
    let [one, other] = [limited(store, "one").await, limited(store, "other").await];
    change(store, &other, now()).await;
    let gone = limited(store, "gone").await;
    store.key_delete(KeyKind::Inference, gone.hash, now()).await.expect("writable");
    let asked = [gone.account, AccountId(999), one.account, other.account];
    let mut states = store.account_states(&asked).await.expect("readable");
    states.sort_by_key(|(account, _)| *account);
    let state = |open| AccountState { terms: one.terms, open };
    let expected =
        [(one.account, state(true)), (other.account, state(false)), (gone.account, state(false))];
    assert_eq!(states, expected);
    assert_eq!(store.account_states(&[]).await, Ok(Vec::new()));
}
