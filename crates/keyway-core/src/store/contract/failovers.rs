//! What a store that can fail over does then. `fail_over` begins another history of the store that the
//! behaviour is given, without losing anything: what is lost was never written.

use std::sync::Arc;

use super::fixture::{EPOCH, charged, create, get, inference, marked, metered, now};
use crate::budget::{WindowKind, Windows};
use crate::clock::Timestamp;
use crate::id::{Epoch, KeyId, Timeline};
use crate::key::{KeyPatch, KeyRecord, Terms};
use crate::ledger::{AccountState, Ending, LeaseCall, Metered, Settlement, Slice};
use crate::money::Nanos;
use crate::store::{
    Change, NodeEnd, RETURN_SECONDS, SILENCE_SECONDS, Store, StoreError, Testified, Testimony,
};

/// Calls a macro with every behaviour's name.
#[macro_export]
macro_rules! failover_behaviours {
    ([$callback:ident]) => {
        $callback! {
            a_run_of_an_earlier_history_writes_nothing
            every_number_is_new
            nothing_is_leased_until_all_are_back
            a_run_has_time_to_come_back
            what_is_testified_is_charged_once
            what_is_known_corrects_what_was_assumed
            a_change_is_put_back
        }
    };
}

fn later(seconds: i64) -> Timestamp {
    now().plus_seconds(seconds)
}

fn lease_of_ten(epoch: Epoch, key: &KeyRecord) -> LeaseCall {
    let starts_at = Windows::at(now()).start_of(WindowKind::Total);
    let (ten, none) = (Nanos::new(10), Nanos::ZERO);
    LeaseCall {
        epoch,
        slice: Slice { account: key.account, kind: WindowKind::Total, starts_at },
        seq: 1,
        give_back: none,
        least: ten,
        want: ten,
        ahead: none,
        share: 1,
    }
}

async fn limited(store: &dyn Store) -> KeyRecord {
    let mut creation = inference(store, "limited");
    creation.key.terms.limit = Some(Nanos::new(100));
    create(store, creation).await
}

async fn granted(store: &dyn Store, epoch: Epoch, key: &KeyRecord, at: Timestamp) -> Option<i64> {
    match store.lease(lease_of_ten(epoch, key), at).await {
        Ok(leased) => Some(leased.granted.get()),
        Err(StoreError::Unavailable(_)) => None,
        Err(error) => panic!("{error}"),
    }
}

async fn testify(store: &dyn Store, charges: Vec<Settlement>, told: Vec<Change>) -> Testified {
    let testimony = Testimony { charges, changes: told };
    store.testify(&testimony, now()).await.expect("writable")
}

async fn spent(store: &dyn Store, key: &KeyRecord) -> i64 {
    let shown = get(store, key.hash, now()).await.expect("the key is there");
    shown.spend.windows[0].spent.get()
}

pub async fn a_run_of_an_earlier_history_writes_nothing(
    store: &dyn Store,
    fail_over: impl AsyncFnOnce(),
) {
    let key = limited(store).await;
    let request = metered(1, &key, now());
    assert_eq!(granted(store, EPOCH, &key, now()).await, Some(10));
    fail_over().await;
    let fenced = [
        store.mark(marked(&request, 5)).await,
        store.settle(charged(&request, 5)).await.map(drop),
        store.lease(lease_of_ten(EPOCH, &key), now()).await.map(drop),
        store.node_beat(EPOCH, 0, now()).await,
        store.node_poll(EPOCH, 0, now()).await.map(drop),
        store.node_end(EPOCH, NodeEnd::Left, now()).await.map(drop),
    ];
    for fenced in fenced {
        assert_eq!(fenced, Err(StoreError::Fenced));
    }
    assert_eq!(store.generation(request.id).await, Ok(None));
}

pub async fn every_number_is_new(store: &dyn Store, fail_over: impl AsyncFnOnce()) {
    let before = store.timeline(now()).await.expect("writable");
    assert_eq!(before, Timeline::default());
    fail_over().await;
    // The first that is changed notices it.
    let key = limited(store).await;
    let timeline = store.timeline(now()).await.expect("writable");
    assert!(timeline > before);
    assert_eq!(store.timeline(now()).await, Ok(timeline), "it is noticed once");
    assert!(key.account.0 > timeline.0 && key.id.0 > timeline.0);
    let joined = store.node_join("contract", now()).await.expect("writable");
    assert_eq!((joined.timeline, joined.head), (timeline, timeline.0));
    assert!(joined.epoch.0 > timeline.0);
    let patch = KeyPatch { disabled: Some(true), ..KeyPatch::default() };
    store.key_update(key.hash, patch, now()).await.expect("writable");
    let poll = store.node_poll(joined.epoch, joined.head, now()).await.expect("readable");
    assert_eq!((poll.changes.len(), poll.head), (1, timeline.0 + 1));
}

pub async fn nothing_is_leased_until_all_are_back(
    store: &dyn Store,
    fail_over: impl AsyncFnOnce(),
) {
    let key = limited(store).await;
    store.node_join("other", now()).await.expect("writable");
    fail_over().await;
    let joined = store.node_join("contract", now()).await.expect("writable");
    assert!(joined.returning, "the other is waited for");
    let epoch = joined.epoch;
    let returning = async || store.node_poll(epoch, 0, now()).await.expect("readable").returning;
    assert!(returning().await);
    assert_eq!(granted(store, epoch, &key, later(RETURN_SECONDS)).await, None);
    let other = store.node_join("other", now()).await.expect("writable");
    assert!(!other.returning && !returning().await);
    assert_eq!(granted(store, epoch, &key, now()).await, None, "one may be unknown");
    assert_eq!(granted(store, epoch, &key, later(RETURN_SECONDS)).await, Some(10));
}

pub async fn a_run_has_time_to_come_back(store: &dyn Store, fail_over: impl AsyncFnOnce()) {
    let other = store.node_join("other", now()).await.expect("writable").epoch;
    let request = metered(1, &limited(store).await, now());
    store.mark(marked(&request, 30)).await.expect("writable");
    fail_over().await;
    // The store was away for a minute, and nobody was heard of.
    let back = later(60);
    let joined = store.node_join("other", back).await.expect("writable");
    let silent = async |at| store.node_poll(joined.epoch, 0, at).await.expect("readable").silent;
    assert_eq!(silent(back).await, []);
    assert_eq!(store.node_end(EPOCH, NodeEnd::Silent, back).await, Ok(None));
    let enough = back.plus_seconds(SILENCE_SECONDS + 1);
    assert_eq!(silent(enough).await, [EPOCH, joined.epoch]);
    assert_eq!(store.node_end(EPOCH, NodeEnd::Silent, enough).await, Ok(Some(1)));
    assert_eq!(store.node_end(other, NodeEnd::Silent, enough).await, Ok(None), "it joined again");
}

pub async fn what_is_testified_is_charged_once(store: &dyn Store, fail_over: impl AsyncFnOnce()) {
    let key = limited(store).await;
    let [kept, lost, open] = [1, 2, 3].map(|number| metered(number, &key, now()));
    store.settle(charged(&kept, 10)).await.expect("writable");
    store.mark(marked(&open, 20)).await.expect("writable");
    fail_over().await;
    let crashed = Settlement::crashed(Arc::clone(&open), Nanos::new(25), now());
    let mut nobodys = charged(&metered(4, &key, now()), 40);
    let unknown = Metered { key: KeyId(77), ..kept.as_ref().clone() };
    nobodys.request = Arc::new(unknown);
    let charges = vec![charged(&kept, 10), charged(&lost, 5), crashed, nobodys];
    let put_back = testify(store, charges.clone(), Vec::new()).await;
    assert_eq!(put_back, Testified { charges: 2, changes: 0, nobodys: 1 });
    assert_eq!(spent(store, &key).await, 40);
    let again = testify(store, charges, Vec::new()).await;
    assert_eq!(again, Testified { nobodys: 1, ..Testified::default() });
    assert_eq!(spent(store, &key).await, 40);
    let record = store.generation(open.id).await.expect("readable").expect("it is there");
    let settlement = record.settlement.expect("it is settled");
    assert_eq!((settlement.charge.get(), settlement.ending), (25, Ending::Crashed));
}

pub async fn what_is_known_corrects_what_was_assumed(
    store: &dyn Store,
    fail_over: impl AsyncFnOnce(),
) {
    let key = limited(store).await;
    let request = metered(1, &key, now());
    store.mark(marked(&request, 30)).await.expect("writable");
    fail_over().await;
    store.node_join("contract", now()).await.expect("writable");
    assert_eq!(spent(store, &key).await, 30);
    let crashed = |charge| Settlement::crashed(Arc::clone(&request), Nanos::new(charge), now());
    let charges = async |charge| testify(store, vec![charge], Vec::new()).await.charges;
    assert_eq!(charges(crashed(20)).await, 0);
    assert_eq!(spent(store, &key).await, 30);
    assert_eq!(charges(crashed(50)).await, 1, "more was given than the store remembers");
    assert_eq!(spent(store, &key).await, 50);
    assert_eq!(charges(charged(&request, 42)).await, 1);
    assert_eq!(charges(charged(&request, 42)).await, 0);
    assert_eq!(charges(crashed(60)).await, 0);
    assert_eq!(spent(store, &key).await, 42);
    let days = store.activity(key.account, later(-86_400), later(86_400)).await.expect("readable");
    assert_eq!((days.len(), days[0].requests, days[0].spend.spent.get()), (1, 1, 42));
    assert_eq!((days[0].usage.prompt_tokens, days[0].usage.completion_tokens), (5, 7));
}

pub async fn a_change_is_put_back(store: &dyn Store, fail_over: impl AsyncFnOnce()) {
    let key = limited(store).await;
    let head = store.node_poll(EPOCH, 0, now()).await.expect("readable").head;
    fail_over().await;
    let terms = Terms { limit: Some(Nanos::new(7)), ..key.terms };
    let change = |seq, open| {
        let state = AccountState { terms, open };
        vec![Change { seq: head + seq, key: Some(key.id), account: key.account, state }]
    };
    let put_back = async |change| testify(store, Vec::new(), change).await.changes;
    assert_eq!(put_back(change(2, false)).await, 1);
    assert_eq!(put_back(change(2, false)).await, 0, "it is there");
    assert_eq!(put_back(change(1, true)).await, 0, "a later one is there");
    let shown = get(store, key.hash, now()).await.expect("the key is there");
    assert_eq!((shown.disabled, shown.terms.limit), (true, terms.limit));
    assert_eq!(put_back(change(3, true)).await, 1);
    let shown = get(store, key.hash, now()).await.expect("the key is there");
    assert!(shown.disabled, "what was closed stays closed");
    let joined = store.node_join("other", now()).await.expect("writable");
    let told = store.node_poll(joined.epoch, joined.timeline.0, now()).await.expect("readable");
    assert_eq!(told.changes.len(), 2, "others are told");
}
