//! Nodes: joining, being heard of, being ended, and what they learn.

use super::fixture::{EPOCH, charged, create, get, inference, marked, metered, now};
use crate::budget::WindowKind;
use crate::id::Epoch;
use crate::key::{KeyKind, KeyPatch, KeyRecord};
use crate::ledger::{AccountState, LeaseCall, Slice};
use crate::money::Nanos;
use crate::store::{Change, Joined, NodeEnd, Poll, SILENCE_SECONDS, Store, StoreError};

async fn poll(store: &dyn Store, epoch: Epoch, since: i64) -> Poll {
    store.node_poll(epoch, since, now()).await.expect("the store can be read")
}

async fn join(store: &dyn Store, name: &str) -> Joined {
    store.node_join(name, now()).await.expect("the store can be written")
}

async fn disable(store: &dyn Store, key: &KeyRecord) {
    let patch = KeyPatch { disabled: Some(true), ..KeyPatch::default() };
    store.key_update(key.hash, patch, now()).await.expect("writable").expect("the key is there");
}

fn lease_of_ten(epoch: Epoch, key: &KeyRecord, seq: i64) -> LeaseCall {
    let starts_at = WindowKind::Total.starts_at(now());
    let (ten, none) = (Nanos::new(10), Nanos::ZERO);
    LeaseCall {
        epoch,
        slice: Slice { account: key.account, kind: WindowKind::Total, starts_at },
        seq,
        give_back: none,
        least: ten,
        want: ten,
        ahead: none,
        share: 1,
    }
}

pub(super) async fn an_earlier_run_of_the_same_name_is_ended(store: &dyn Store) {
    let key = create(store, inference(store, "used")).await;
    let other = join(store, "other").await;
    store.mark(marked(&metered(1, &key, now()), 50)).await.expect("writable");
    let again = join(store, "contract").await;
    assert_eq!((again.recovered, again.epoch > other.epoch), (1, true));
    assert_eq!(store.node_beat(EPOCH, 0, now()).await, Err(StoreError::Fenced));
    let seen = [poll(store, other.epoch, 0).await, poll(store, again.epoch, 0).await];
    let places = seen.map(|poll| (poll.nodes, poll.rank));
    assert_eq!(places, [(2, 0), (2, 1)], "the other is the older one now");
    let shown = get(store, key.hash, now()).await.expect("the key is there");
    assert_eq!(shown.spend.windows[0].spent, Nanos::new(50));
}

pub(super) async fn an_ended_run_writes_nothing(store: &dyn Store) {
    let key = create(store, inference(store, "used")).await;
    let [marked_before, new] = [1, 2].map(|number| metered(number, &key, now()));
    store.mark(marked(&marked_before, 50)).await.expect("writable");
    assert_eq!(store.node_end(EPOCH, NodeEnd::Left, now()).await, Ok(Some(1)));
    let fenced = [
        store.mark(marked(&marked_before, 60)).await,
        store.mark(marked(&new, 60)).await,
        store.settle(charged(&marked_before, 40)).await.map(drop),
        store.settle(charged(&new, 40)).await.map(drop),
        store.node_beat(EPOCH, 0, now()).await,
        store.node_poll(EPOCH, 0, now()).await.map(drop),
        store.lease(lease_of_ten(EPOCH, &key, 1), now()).await.map(drop),
        store
            .mark(marked(
                &std::sync::Arc::new(crate::ledger::Metered {
                    epoch: Epoch(77),
                    ..crate::ledger::Metered::clone(&new)
                }),
                60,
            ))
            .await,
    ];
    for fenced in fenced {
        assert_eq!(fenced, Err(StoreError::Fenced));
    }
    assert_eq!(store.generation(new.id).await, Ok(None));
    let shown = get(store, key.hash, now()).await.expect("the key is there");
    assert_eq!(shown.spend.windows[0].spent, Nanos::new(50));
}

pub(super) async fn a_silent_node_is_ended_by_others(store: &dyn Store) {
    let other = join(store, "other").await.epoch;
    let later = |seconds| now().plus_seconds(seconds);
    store.node_beat(EPOCH, 0, later(4)).await.expect("writable");
    let seen = store.node_poll(EPOCH, 0, later(SILENCE_SECONDS)).await.expect("readable");
    assert_eq!(seen.silent, []);
    let just_after = later(SILENCE_SECONDS + 1);
    let seen = store.node_poll(EPOCH, 0, just_after).await.expect("readable");
    assert_eq!(seen.silent, [other]);
    assert_eq!(store.node_end(EPOCH, NodeEnd::Silent, just_after).await, Ok(None), "it was heard");
    assert_eq!(store.node_end(other, NodeEnd::Silent, just_after).await, Ok(Some(0)));
    assert_eq!(store.node_end(other, NodeEnd::Silent, just_after).await, Ok(None));
    assert_eq!(store.node_beat(other, 0, just_after).await, Err(StoreError::Fenced));
    assert_eq!(poll(store, EPOCH, 0).await.nodes, 1);
}

pub(super) async fn what_an_ended_run_had_is_free_again(store: &dyn Store) {
    let mut creation = inference(store, "limited");
    creation.key.terms.limit = Some(Nanos::new(10));
    let key = create(store, creation).await;
    let other = join(store, "other").await.epoch;
    let granted = async |epoch, seq| {
        let leased = store.lease(lease_of_ten(epoch, &key, seq), now()).await;
        leased.expect("answered").granted.get()
    };
    assert_eq!(granted(EPOCH, 1).await, 10);
    assert_eq!(granted(other, 1).await, 0);
    store.node_end(EPOCH, NodeEnd::Left, now()).await.expect("writable");
    assert_eq!(granted(other, 2).await, 10);
}

pub(super) async fn changes_are_numbered_and_told(store: &dyn Store) {
    let first = create(store, inference(store, "first")).await;
    let second = create(store, inference(store, "second")).await;
    let before = poll(store, EPOCH, 0).await.head;
    disable(store, &first).await;
    let deleted = store.key_delete(KeyKind::Inference, second.hash, now()).await;
    deleted.expect("writable");
    let told = poll(store, EPOCH, before).await;
    assert_eq!(told.head, before + 2);
    let change = |seq, key: &KeyRecord| Change {
        seq,
        key: Some(key.id),
        account: key.account,
        state: AccountState { terms: key.terms, open: false },
    };
    assert_eq!(told.changes, [change(before + 1, &first), change(before + 2, &second)]);
    assert_eq!(poll(store, EPOCH, before + 1).await.changes.len(), 1);
    assert_eq!(poll(store, EPOCH, before + 2).await.changes, []);
    assert_eq!(join(store, "third").await.head, before + 2);
}

pub(super) async fn what_all_others_applied_is_told(store: &dyn Store) {
    let key = create(store, inference(store, "changed")).await;
    let before = poll(store, EPOCH, 0).await;
    assert_eq!(before.acknowledged, before.head, "nobody else has to say anything");
    let other = join(store, "other").await.epoch;
    disable(store, &key).await;
    let head = before.head + 1;
    assert_eq!(poll(store, EPOCH, head).await.acknowledged, before.head);
    store.node_beat(other, head, now()).await.expect("writable");
    assert_eq!(poll(store, EPOCH, head).await.acknowledged, head);
    store.node_beat(other, 0, now()).await.expect("writable");
    assert_eq!(poll(store, EPOCH, head).await.acknowledged, head, "nothing is taken back");
    assert_eq!(poll(store, other, head).await.acknowledged, before.head);
}
