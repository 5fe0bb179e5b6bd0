//! Accounts: the installation's budget, and what an account used by day.

use std::sync::Arc;

use super::fixture::{EPOCH, at, charged, create, inference, metered, now};
use crate::budget::{ResetInterval, WindowKind, Windows};
use crate::id::{AccountId, CreditId};
use crate::key::{KeyRecord, Terms, WindowSpend};
use crate::ledger::{AccountState, LeaseCall, Metered, Slice};
use crate::money::Nanos;
use crate::pricing::Usage;
use crate::store::{AccountRecord, Change, Store, UsageDay};

const INSTALLATION: AccountId = AccountId::INSTALLATION;

fn daily(limit: i64) -> Terms {
    let reset = Some(ResetInterval::Daily);
    Terms { limit: Some(Nanos::new(limit)), reset, ..Terms::default() }
}

async fn installation(store: &dyn Store) -> AccountRecord {
    let found = store.account_get(INSTALLATION, now()).await.expect("the store can be read");
    found.expect("the installation has an account")
}

/// The `number`th request, on the key's account and on that of the installation.
fn on_both(number: u8, key: &KeyRecord) -> Arc<Metered> {
    let accounts = vec![INSTALLATION, key.account];
    Arc::new(Metered { accounts, ..Metered::clone(&metered(number, key, now())) })
}

pub(super) async fn the_installations_budget_is_one_like_a_keys(store: &dyn Store) {
    assert_eq!(installation(store).await.state.terms, Terms::default(), "unlimited at first");
    let key = create(store, inference(store, "used")).await;
    store.settle(charged(&on_both(1, &key), 40)).await.expect("writable");
    assert_eq!(store.budget_set(daily(100), now()).await, Ok(true));
    let stands = installation(store).await;
    assert_eq!(stands.state, AccountState { terms: daily(100), open: true });
    assert_eq!(stands.spend_against_limit(), Nanos::new(40), "what was spent before counts");
    let kind = WindowKind::Day;
    let (seventy, none) = (Nanos::new(70), Nanos::ZERO);
    let call = LeaseCall {
        epoch: EPOCH,
        slice: Slice { account: INSTALLATION, kind, starts_at: kind.starts_at(now()) },
        seq: 1,
        give_back: none,
        least: Nanos::new(1),
        want: seventy,
        ahead: none,
        share: 1,
    };
    let leased = store.lease(call, now()).await.expect("answered");
    assert_eq!((leased.granted, leased.figures.spent), (Nanos::new(60), Nanos::new(40)));
    assert_eq!(installation(store).await.spend.leased, Nanos::new(60));
}

pub(super) async fn a_new_budget_is_a_change(store: &dyn Store) {
    let before = store.node_poll(EPOCH, 0, now()).await.expect("readable").head;
    assert_eq!(store.budget_set(daily(100), now()).await, Ok(true));
    assert_eq!(store.budget_set(daily(100), now()).await, Ok(false), "it is the same");
    let poll = store.node_poll(EPOCH, before, now()).await.expect("readable");
    let state = AccountState { terms: daily(100), open: true };
    let change = Change { seq: before + 1, key: None, account: INSTALLATION, state };
    assert_eq!((poll.head, poll.changes), (before + 1, vec![change]));
    let joined = store.node_join("another", now()).await.expect("writable");
    assert_eq!((joined.head, joined.budget), (before + 1, daily(100)));
}

pub(super) async fn credits_are_a_limit_from_the_first_on(store: &dyn Store) {
    let key = create(store, inference(store, "used")).await;
    store.settle(charged(&on_both(1, &key), 40)).await.expect("writable");
    assert_eq!(store.credits_total().await, Ok(None));
    let before = store.node_poll(EPOCH, 0, now()).await.expect("readable").head;
    let (first, second) = (CreditId([1; 16]), CreditId([2; 16]));
    for _ in 0..2 {
        let total = store.credits_add(first, Nanos::new(100), now()).await;
        assert_eq!(
            total,
            Ok(Nanos::new(140)),
            "what was spent before is beside it, and once is enough"
        );
    }
    let of = |limit| Terms { limit: Some(Nanos::new(limit)), ..Terms::default() };
    assert_eq!(installation(store).await.state.terms, of(140));
    assert_eq!(store.credits_add(second, Nanos::new(60), now()).await, Ok(Nanos::new(200)));
    assert_eq!(store.credits_total().await, Ok(Some(Nanos::new(200))));
    let poll = store.node_poll(EPOCH, before, now()).await.expect("readable");
    assert_eq!(poll.changes.last().map(|it| it.account), Some(INSTALLATION));
    assert_eq!(poll.changes.last().map(|it| it.state.terms), Some(of(200)));
    // A budget goes before them, and they are the limit again when it goes.
    assert_eq!(store.budget_set(daily(7), now()).await, Ok(true));
    assert_eq!(installation(store).await.state.terms, daily(7));
    assert_eq!(store.budget_set(Terms::default(), now()).await, Ok(true));
    assert_eq!(store.budget_set(Terms::default(), now()).await, Ok(false), "it is the same");
    assert_eq!(installation(store).await.state.terms, of(200));
}

pub(super) async fn nobodys_account_is_not_found(store: &dyn Store) {
    let key = create(store, inference(store, "used")).await;
    let its = store.account_get(key.account, now()).await.expect("readable").expect("an account");
    assert_eq!(its.state, AccountState { terms: key.terms, open: true });
    assert_eq!(store.account_get(AccountId(999), now()).await, Ok(None));
}

pub(super) async fn use_is_rolled_up_by_day_model_and_provider(store: &dyn Store) {
    let key = create(store, inference(store, "used")).await;
    let tomorrow = now().plus_seconds(86_400);
    let like = |number: u8, model: &str, admitted_at| {
        let request = Metered::clone(&on_both(number, &key));
        let windows = Windows::at(admitted_at);
        Arc::new(Metered { model: model.to_owned(), windows, ..request })
    };
    let requests = [
        like(1, "a/one", now()),
        like(2, "a/one", now()),
        like(3, "b/two", now()),
        like(4, "a/one", tomorrow),
    ];
    for (request, charge) in requests.iter().zip([10, 20, 30, 40]) {
        for _ in 0..2 {
            store.settle(charged(request, charge)).await.expect("writable");
        }
    }
    let (today, next) = (at("2026-07-15T00:00:00Z"), at("2026-07-16T00:00:00Z"));
    let used = |day, model: &str, requests: u64, spent| UsageDay {
        day,
        model: model.to_owned(),
        provider: "echo".to_owned(),
        requests,
        usage: Usage {
            cached_tokens: 2 * requests,
            reasoning_tokens: 3 * requests,
            ..Usage::of(5 * requests, 7 * requests)
        },
        spend: WindowSpend {
            spent: Nanos::new(spent),
            byok: Nanos::new(3 * i64::try_from(requests).expect("few")),
        },
    };
    let of_today = vec![used(today, "a/one", 2, 30), used(today, "b/two", 1, 30)];
    let mut of_both_days = of_today.clone();
    of_both_days.push(used(next, "a/one", 1, 40));
    for account in [INSTALLATION, key.account] {
        let told = async |from, until| store.activity(account, from, until).await;
        assert_eq!(told(today, next).await, Ok(of_today.clone()));
        assert_eq!(told(now(), tomorrow.plus_seconds(86_400)).await, Ok(of_both_days.clone()));
        assert_eq!(told(next.plus_seconds(86_400), at("2027-01-01T00:00:00Z")).await, Ok(vec![]));
    }
}
