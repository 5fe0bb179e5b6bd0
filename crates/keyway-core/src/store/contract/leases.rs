//! Leases: granted, drawn from, given back, recalled.

use super::fixture::{EPOCH, at, charged, create, inference, metered, now};
use crate::budget::{ResetInterval, WindowKind};
use crate::id::{AccountId, Epoch};
use crate::key::{KeyPatch, KeyRecord, Terms};
use crate::ledger::{Draw, LeaseCall, Leased, Settlement, Slice};
use crate::money::Nanos;
use crate::store::{Settled, Store, StoreError};

async fn limited(store: &dyn Store, limit: i64) -> KeyRecord {
    let mut creation = inference(store, "limited");
    creation.key.terms = Terms { limit: Some(Nanos::new(limit)), ..Terms::default() };
    create(store, creation).await
}

async fn second_node(store: &dyn Store) -> Epoch {
    store.node_join("second", now()).await.expect("writable").epoch
}

fn total(account: AccountId) -> Slice {
    Slice { account, kind: WindowKind::Total, starts_at: WindowKind::Total.starts_at(now()) }
}

/// Asks for as much as a waiting request needs.
fn ask(epoch: Epoch, slice: Slice, seq: i64, want: i64) -> LeaseCall {
    let want = Nanos::new(want);
    let (give_back, ahead) = (Nanos::ZERO, Nanos::ZERO);
    LeaseCall { epoch, slice, seq, give_back, least: want, want, ahead, share: 1 }
}

fn give_back(epoch: Epoch, slice: Slice, seq: i64, amount: i64) -> LeaseCall {
    LeaseCall { give_back: Nanos::new(amount), ..ask(epoch, slice, seq, 0) }
}

async fn lease(store: &dyn Store, call: LeaseCall) -> Leased {
    store.lease(call, now()).await.expect("the lease is answered")
}

async fn granted(store: &dyn Store, call: LeaseCall) -> i64 {
    lease(store, call).await.granted.get()
}

pub(super) async fn no_more_is_leased_than_the_limit_leaves(store: &dyn Store) {
    let key = limited(store, 100).await;
    let slice = total(key.account);
    let second = second_node(store).await;
    assert_eq!(granted(store, ask(EPOCH, slice, 1, 60)).await, 60);
    assert_eq!(granted(store, ask(second, slice, 1, 60)).await, 0, "only 40 are left");
    assert_eq!(granted(store, ask(second, slice, 2, 30)).await, 30);
    let answer = lease(store, ask(EPOCH, slice, 2, 10)).await;
    assert_eq!(answer.granted.get(), 10);
    let figures = answer.figures;
    assert_eq!((figures.spent.get(), figures.leased.get(), figures.mine.get()), (0, 100, 70));
    assert_eq!((figures.state.terms, figures.state.open), (key.terms, true));
    assert_eq!(granted(store, ask(second, slice, 3, 1)).await, 0);
    lease(store, give_back(EPOCH, slice, 3, 50)).await;
    assert_eq!(granted(store, ask(second, slice, 4, 50)).await, 50);
}

pub(super) async fn a_repeated_call_happens_once(store: &dyn Store) {
    let key = limited(store, 100).await;
    let slice = total(key.account);
    for _ in 0..3 {
        let answer = lease(store, ask(EPOCH, slice, 7, 60)).await;
        assert_eq!((answer.granted.get(), answer.figures.leased.get()), (60, 60));
    }
    for _ in 0..3 {
        let answer = lease(store, give_back(EPOCH, slice, 8, 20)).await;
        assert_eq!((answer.granted.get(), answer.figures.leased.get()), (0, 40));
    }
    // One that was overtaken.
    let late = lease(store, ask(EPOCH, slice, 7, 60)).await;
    assert_eq!((late.granted.get(), late.figures.leased.get()), (0, 40));
    let more = store.lease(give_back(EPOCH, slice, 9, 41), now()).await;
    assert!(matches!(more, Err(StoreError::Broken(_))), "{more:?}");
    assert_eq!(lease(store, ask(EPOCH, slice, 10, 0)).await.figures.leased.get(), 40);
}

fn drawn(settlement: Settlement, slice: Slice, amount: i64) -> Settlement {
    Settlement { draws: vec![Draw { slice, amount: Nanos::new(amount) }], ..settlement }
}

pub(super) async fn a_charge_moves_out_of_its_lease(store: &dyn Store) {
    let key = limited(store, 100).await;
    let slice = total(key.account);
    assert_eq!(granted(store, ask(EPOCH, slice, 1, 60)).await, 60);
    let settlement = drawn(charged(&metered(1, &key, now()), 40), slice, 40);
    assert_eq!(store.settle(settlement.clone()).await, Ok(Settled::Applied));
    assert_eq!(store.settle(settlement).await, Ok(Settled::Repeated));
    let figures = lease(store, ask(EPOCH, slice, 2, 0)).await.figures;
    assert_eq!((figures.spent.get(), figures.leased.get()), (40, 20));
    let shown = super::fixture::get(store, key.hash, now()).await.expect("the key is there");
    assert_eq!(shown.spend.leased.get(), 20);
}

pub(super) async fn no_more_is_drawn_than_was_leased(store: &dyn Store) {
    let key = limited(store, 100).await;
    let slice = total(key.account);
    assert_eq!(granted(store, ask(EPOCH, slice, 1, 30)).await, 30);
    let request = metered(1, &key, now());
    let refused = store.settle(drawn(charged(&request, 31), slice, 31)).await;
    assert!(matches!(refused, Err(StoreError::Broken(_))), "{refused:?}");
    assert_eq!(store.generation(request.id).await, Ok(None));
    let figures = lease(store, ask(EPOCH, slice, 2, 0)).await.figures;
    assert_eq!((figures.spent.get(), figures.leased.get()), (0, 30));
}

pub(super) async fn what_is_ahead_of_need_is_a_share(store: &dyn Store) {
    let key = limited(store, 1_000).await;
    let slice = total(key.account);
    let ahead = |seq, ahead, share| LeaseCall {
        least: Nanos::new(1),
        want: Nanos::ZERO,
        ahead: Nanos::new(ahead),
        share,
        ..ask(EPOCH, slice, seq, 0)
    };
    assert_eq!(granted(store, ahead(1, 100, 4)).await, 100);
    assert_eq!(granted(store, ahead(2, 10_000, 4)).await, 225, "a quarter of what is free");
    assert_eq!(granted(store, ahead(3, i64::MAX, 1)).await, 675, "all of it");
}

pub(super) async fn what_is_wanted_elsewhere_is_recalled(store: &dyn Store) {
    let key = limited(store, 100).await;
    let slice = total(key.account);
    let second = second_node(store).await;
    assert_eq!(granted(store, ask(EPOCH, slice, 1, 80)).await, 80);
    let recalled = async || store.node_poll(EPOCH, 0, now()).await.expect("readable").recalled;
    assert_eq!(recalled().await, []);
    assert_eq!(granted(store, ask(second, slice, 1, 50)).await, 0);
    assert_eq!(recalled().await, [slice]);
    lease(store, give_back(EPOCH, slice, 2, 70)).await;
    assert_eq!(recalled().await, [], "a call answers the recall");
    assert_eq!(granted(store, ask(second, slice, 2, 50)).await, 50);
}

pub(super) async fn a_window_that_is_not_open_grants_nothing(store: &dyn Store) {
    let mut creation = inference(store, "daily");
    creation.key.terms.limit = Some(Nanos::new(100));
    creation.key.terms.reset = Some(ResetInterval::Daily);
    let key = create(store, creation).await;
    let day = |text| Slice { account: key.account, kind: WindowKind::Day, starts_at: at(text) };
    let (today, tomorrow) = (day("2026-07-15T00:00:00Z"), day("2026-07-16T00:00:00Z"));
    assert_eq!(granted(store, ask(EPOCH, tomorrow, 1, 10)).await, 0);
    assert_eq!(granted(store, ask(EPOCH, total(key.account), 2, 10)).await, 0, "another kind");
    assert_eq!(granted(store, ask(EPOCH, today, 3, 90)).await, 90);
    let midnight = at("2026-07-16T00:00:00Z");
    let next = store.lease(ask(EPOCH, tomorrow, 4, 90), midnight).await.expect("answered");
    assert_eq!(next.granted.get(), 90, "yesterday's lease does not count today");
    // Who is slow may still go on in yesterday's window, within its limit.
    let late = store.lease(ask(EPOCH, today, 5, 10), midnight).await.expect("answered");
    assert_eq!(late.granted.get(), 10);
    let more = store.lease(ask(EPOCH, today, 6, 1), midnight).await.expect("answered");
    assert_eq!(more.granted.get(), 0);
}

pub(super) async fn old_windows_and_other_kinds(store: &dyn Store) {
    let key = limited(store, 100).await;
    assert_eq!(granted(store, ask(EPOCH, total(key.account), 1, 70)).await, 70);
    let patch = KeyPatch { reset: Some(Some(ResetInterval::Daily)), ..KeyPatch::default() };
    store.key_update(key.hash, patch, now()).await.expect("writable");
    let starts_at = WindowKind::Day.starts_at(now());
    let today = Slice { account: key.account, kind: WindowKind::Day, starts_at };
    let refused = lease(store, ask(EPOCH, today, 2, 40)).await;
    assert_eq!(refused.granted.get(), 0, "what the old lease holds may still be charged today");
    assert_eq!(refused.figures.leased.get(), 70);
    lease(store, give_back(EPOCH, total(key.account), 3, 70)).await;
    assert_eq!(granted(store, ask(EPOCH, today, 4, 100)).await, 100);
}

pub(super) async fn a_closed_or_unlimited_account_grants_nothing(store: &dyn Store) {
    let unlimited = create(store, inference(store, "unlimited")).await;
    let answer = lease(store, ask(EPOCH, total(unlimited.account), 1, 10)).await;
    assert_eq!((answer.granted.get(), answer.figures.state.terms.limit), (0, None));
    let key = limited(store, 100).await;
    let patch = KeyPatch { disabled: Some(true), ..KeyPatch::default() };
    store.key_update(key.hash, patch, now()).await.expect("writable");
    let answer = lease(store, ask(EPOCH, total(key.account), 2, 10)).await;
    assert_eq!((answer.granted.get(), answer.figures.state.open), (0, false));
    let nobodys = store.lease(ask(EPOCH, total(AccountId(999)), 3, 10), now()).await;
    assert!(matches!(nobodys, Err(StoreError::Broken(_))), "{nobodys:?}");
}
