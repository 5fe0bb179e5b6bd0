//! Marks, charges, windows, and what a crash leaves.

use std::sync::Arc;

use super::fixture::{EPOCH, at, charged, create, get, inference, marked, metered, now};
use crate::budget::WindowKind;
use crate::clock::Timestamp;
use crate::id::{AccountId, GenerationId, KeyId};
use crate::key::{KeyRecord, WindowSpend};
use crate::ledger::{Course, Ending, GenerationRecord, Metered, Origin, Settlement};
use crate::money::Nanos;
use crate::pricing::Usage;
use crate::store::{Balance, NodeEnd, Settled, Store, StoreError, WindowBalance};

async fn record(store: &dyn Store, id: GenerationId) -> Option<GenerationRecord> {
    store.generation(id).await.expect("the store can be read")
}

async fn balance(store: &dyn Store, account: AccountId) -> Balance {
    store.balance(account).await.expect("the store can be read")
}

/// What `key` has spent at `moment`, in all time, the day, the week and the month.
async fn spent(store: &dyn Store, key: &KeyRecord, moment: Timestamp) -> [i64; 4] {
    let key = get(store, key.hash, moment).await.expect("the key is there");
    key.spend.windows.map(|window| window.spent.get())
}

pub(super) async fn a_charge_is_written_once(store: &dyn Store) {
    let key = create(store, inference(store, "charged")).await;
    let request = metered(1, &key, now());
    let settlement = charged(&request, 40);
    store.mark(marked(&request, 50)).await.expect("writable");
    assert_eq!(store.settle(settlement.clone()).await, Ok(Settled::Applied));
    let once = balance(store, key.account).await;
    for _ in 0..2 {
        assert_eq!(store.settle(settlement.clone()).await, Ok(Settled::Repeated));
    }
    assert_eq!(balance(store, key.account).await, once);
    let spend = WindowSpend { spent: Nanos::new(40), byok: Nanos::new(3) };
    let windows =
        WindowKind::ALL.map(|kind| WindowBalance { starts_at: kind.starts_at(now()), spend });
    assert_eq!(once, windows);
    let shown = get(store, key.hash, now()).await.expect("the key is there");
    assert_eq!(shown.spend.windows, [spend; 4]);
    let expected = GenerationRecord {
        request: Metered::clone(&request),
        authorised: Nanos::new(50),
        settlement: Some(settlement),
    };
    assert_eq!(record(store, request.id).await, Some(expected));
}

pub(super) async fn another_charge_does_not_replace_the_first(store: &dyn Store) {
    let key = create(store, inference(store, "charged")).await;
    let request = metered(1, &key, now());
    let settlement = charged(&request, 40);
    store.settle(settlement.clone()).await.expect("writable");
    let before = (balance(store, key.account).await, record(store, request.id).await);
    let dearer = Settlement { charge: Nanos::new(41), ..settlement.clone() };
    let other_byok = Settlement { byok: Nanos::ZERO, ..settlement };
    for other in [dearer, other_byok] {
        assert_eq!(store.settle(other).await, Ok(Settled::Differs));
    }
    assert_eq!((balance(store, key.account).await, record(store, request.id).await), before);
}

pub(super) async fn a_mark_is_raised_and_never_lowered(store: &dyn Store) {
    let key = create(store, inference(store, "marked")).await;
    let request = metered(1, &key, now());
    assert_eq!(record(store, request.id).await, None);
    for (authorised, expected) in [(50, 50), (50, 50), (80, 80), (60, 80), (0, 80)] {
        store.mark(marked(&request, authorised)).await.expect("writable");
        let expected = GenerationRecord {
            request: Metered::clone(&request),
            authorised: Nanos::new(expected),
            settlement: None,
        };
        assert_eq!(record(store, request.id).await, Some(expected));
    }
    assert_eq!(balance(store, key.account).await, Balance::default());
}

pub(super) async fn a_mark_after_the_charge_changes_nothing(store: &dyn Store) {
    let key = create(store, inference(store, "charged")).await;
    let request = metered(1, &key, now());
    store.mark(marked(&request, 50)).await.expect("writable");
    store.settle(charged(&request, 40)).await.expect("writable");
    let before = record(store, request.id).await;
    store.mark(marked(&request, 90)).await.expect("writable");
    assert_eq!(record(store, request.id).await, before);
    assert_eq!(store.node_end(EPOCH, NodeEnd::Left, now()).await, Ok(Some(0)));
    assert_eq!(record(store, request.id).await, before);
}

pub(super) async fn a_charge_needs_no_mark(store: &dyn Store) {
    let key = create(store, inference(store, "charged")).await;
    let request = metered(1, &key, now());
    assert_eq!(store.settle(charged(&request, 0)).await, Ok(Settled::Applied));
    let written = record(store, request.id).await.expect("it was written");
    assert_eq!((written.authorised, written.settlement), (Nanos::ZERO, Some(charged(&request, 0))));
}

pub(super) async fn a_charge_falls_into_the_windows_of_its_admission(store: &dyn Store) {
    let key = create(store, inference(store, "charged")).await;
    // The last second of a Sunday that ends a month.
    let admitted_at = at("2026-05-31T23:59:59Z");
    let request = metered(1, &key, admitted_at);
    let mut settlement = charged(&request, 40);
    settlement.settled_at = at("2026-06-01T00:00:10Z");
    store.settle(settlement).await.expect("writable");
    assert_eq!(spent(store, &key, admitted_at).await, [40; 4]);
    assert_eq!(spent(store, &key, at("2026-06-01T00:00:10Z")).await, [40, 0, 0, 0]);
    store
        .settle(charged(&metered(2, &key, at("2026-06-01T00:00:00Z")), 2))
        .await
        .expect("writable");
    assert_eq!(spent(store, &key, at("2026-06-01T00:00:10Z")).await, [42, 2, 2, 2]);
}

pub(super) async fn a_window_that_ended_counts_no_more_and_keeps_its_sum(store: &dyn Store) {
    let key = create(store, inference(store, "charged")).await;
    let wednesday = at("2026-07-15T23:59:59.999999Z");
    store.settle(charged(&metered(1, &key, wednesday), 40)).await.expect("writable");
    let before = balance(store, key.account).await;
    for (moment, expected) in [
        ("2026-07-15T23:59:59.999999Z", [40, 40, 40, 40]),
        ("2026-07-16T00:00:00Z", [40, 0, 40, 40]),
        ("2026-07-19T23:59:59.999999Z", [40, 0, 40, 40]),
        ("2026-07-20T00:00:00Z", [40, 0, 0, 40]),
        ("2026-07-31T23:59:59.999999Z", [40, 0, 0, 40]),
        ("2026-08-01T00:00:00Z", [40, 0, 0, 0]),
    ] {
        assert_eq!(spent(store, &key, at(moment)).await, expected, "{moment}");
    }
    // Looking changes nothing: the newest window is the one that has a charge.
    assert_eq!(balance(store, key.account).await, before);
}

pub(super) async fn a_clock_that_goes_back_opens_no_window_again(store: &dyn Store) {
    let key = create(store, inference(store, "charged")).await;
    let (today, yesterday) = (at("2026-07-15T00:00:01Z"), at("2026-07-14T23:59:59Z"));
    store.settle(charged(&metered(1, &key, yesterday), 1)).await.expect("writable");
    store.settle(charged(&metered(2, &key, today), 20)).await.expect("writable");
    assert_eq!(spent(store, &key, yesterday).await, [21, 20, 21, 21]);
    // What was admitted yesterday still belongs there.
    store.settle(charged(&metered(3, &key, yesterday), 300)).await.expect("writable");
    assert_eq!(spent(store, &key, today).await, [321, 20, 321, 321]);
    let day = balance(store, key.account).await[WindowKind::Day.index()];
    assert_eq!(day.starts_at, at("2026-07-15T00:00:00Z"));
    assert_eq!(day.spend.spent, Nanos::new(20));
}

pub(super) async fn every_account_on_the_path_is_charged(store: &dyn Store) {
    let key = create(store, inference(store, "key")).await;
    let above = create(store, inference(store, "above")).await;
    let beside = create(store, inference(store, "beside")).await;
    let mut request = Metered::clone(&metered(1, &key, now()));
    request.accounts.push(above.account);
    let request = Arc::new(request);
    store.mark(marked(&request, 60)).await.expect("writable");
    store.settle(charged(&request, 40)).await.expect("writable");
    for (key, expected) in [(&key, 40), (&above, 40), (&beside, 0)] {
        assert_eq!(spent(store, key, now()).await, [expected; 4]);
    }
    let written = record(store, request.id).await.expect("it was written");
    assert_eq!(written.request, *request);
}

pub(super) async fn nothing_is_charged_to_nobody(store: &dyn Store) {
    let key = create(store, inference(store, "charged")).await;
    let mut nobodys = Metered::clone(&metered(1, &key, now()));
    nobodys.key = KeyId(key.id.0 + 1);
    let mut half = Metered::clone(&metered(2, &key, now()));
    half.accounts.push(AccountId(key.account.0 + 1));
    for request in [Arc::new(nobodys), Arc::new(half)] {
        let refused = store.settle(charged(&request, 40)).await;
        assert!(matches!(refused, Err(StoreError::Broken(_))), "{refused:?}");
        assert_eq!(record(store, request.id).await, None);
    }
    assert_eq!(balance(store, key.account).await, Balance::default());
}

pub(super) async fn what_a_crash_left_marked_is_charged_once(store: &dyn Store) {
    let key = create(store, inference(store, "charged")).await;
    let [marked_only, settled, raised] = [1, 2, 3].map(|number| metered(number, &key, now()));
    store.mark(marked(&marked_only, 50)).await.expect("writable");
    store.mark(marked(&settled, 500)).await.expect("writable");
    store.settle(charged(&settled, 400)).await.expect("writable");
    store.mark(marked(&raised, 1_000)).await.expect("writable");
    store.mark(marked(&raised, 7_000)).await.expect("writable");
    let restart = at("2026-07-16T00:00:05Z");
    assert_eq!(store.node_end(EPOCH, NodeEnd::Left, restart).await, Ok(Some(2)));
    assert_eq!(store.node_end(EPOCH, NodeEnd::Left, restart).await, Ok(None));
    assert_eq!(spent(store, &key, now()).await, [7_450; 4]);
    let crashed = record(store, marked_only.id).await.expect("it was marked");
    let expected = Settlement {
        request: Arc::clone(&marked_only),
        charge: Nanos::new(50),
        draws: Vec::new(),
        byok: Nanos::ZERO,
        overrun: Nanos::ZERO,
        absorbed: Nanos::ZERO,
        usage: Usage::default(),
        ending: Ending::Crashed,
        estimated: true,
        settled_at: restart,
        course: Arc::default(),
    };
    assert_eq!(crashed.settlement, Some(expected));
    let kept = record(store, settled.id).await.expect("it was settled");
    assert_eq!(kept.settlement, Some(charged(&settled, 400)));
    // Whoever was cut off and still tries to settle learns that it is too late.
    assert_eq!(store.settle(charged(&marked_only, 10)).await, Err(StoreError::Fenced));
}

pub(super) async fn the_last_use_is_the_latest(store: &dyn Store) {
    let key = create(store, inference(store, "used")).await;
    let mut number = 0;
    for (offset, expected) in [(100, 100), (40, 100), (90_000, 90_000)] {
        number += 1;
        let mut settlement = charged(&metered(number, &key, now()), 0);
        settlement.settled_at = now().plus_seconds(offset);
        store.settle(settlement).await.expect("writable");
        let shown = get(store, key.hash, now()).await.expect("the key is there");
        assert_eq!(shown.spend.last_used_at, Some(now().plus_seconds(expected)));
    }
}

pub(super) async fn no_charge_is_above_its_reservation(store: &dyn Store) {
    let key = create(store, inference(store, "charged")).await;
    let request = metered(1, &key, now());
    let above = request.reserved.get() + 1;
    let refused = [
        store.mark(marked(&request, above)).await,
        store.settle(charged(&request, above)).await.map(drop),
    ];
    for refused in refused {
        assert!(matches!(refused, Err(StoreError::Broken(_))), "{refused:?}");
    }
    assert_eq!(record(store, request.id).await, None);
    assert_eq!(balance(store, key.account).await, Balance::default());
}

pub(super) async fn what_a_request_holds_is_raised_and_never_lowered(store: &dyn Store) {
    let key = create(store, inference(store, "extended")).await;
    for (number, streamed) in [(1, true), (3, false)] {
        let mut request = Metered::clone(&metered(number, &key, now()));
        request.streamed = streamed;
        what_it_holds_is_raised(store, &Arc::new(request)).await;
    }

    let other = metered(2, &key, now());
    let more = Arc::new(Metered {
        reserved: Nanos::new(other.reserved.get() + 9),
        ..Metered::clone(&other)
    });
    store.mark(marked(&other, 50)).await.expect("writable");
    assert_eq!(store.settle(charged(&more, more.reserved.get())).await, Ok(Settled::Applied));
    let written = record(store, other.id).await.expect("it was marked");
    assert_eq!(written.request, *more);
}

async fn what_it_holds_is_raised(store: &dyn Store, request: &Arc<Metered>) {
    let first = request.reserved.get();
    let raised = |by: i64| {
        let reserved = Nanos::new(first + by);
        Arc::new(Metered { reserved, ..Metered::clone(request) })
    };
    store.mark(marked(request, first)).await.expect("writable");
    for (by, authorised, reserved) in [(500, first, 500), (700, first + 600, 700), (100, 0, 700)] {
        store.mark(marked(&raised(by), authorised)).await.expect("writable");
        let written = record(store, request.id).await.expect("it was marked");
        assert_eq!(written.request.reserved, Nanos::new(first + reserved));
    }
    let above = store.mark(marked(&raised(700), first + 701)).await;
    assert!(matches!(above, Err(StoreError::Broken(_))), "{above:?}");
    // A settlement may know less than was marked, or more.
    let above = store.settle(charged(&raised(800), first + 801)).await;
    assert!(matches!(above, Err(StoreError::Broken(_))), "{above:?}");
    assert_eq!(store.settle(charged(request, first + 700)).await, Ok(Settled::Applied));
    assert_eq!(store.settle(charged(request, first + 700)).await, Ok(Settled::Repeated));
    let written = record(store, request.id).await.expect("it was marked");
    assert_eq!(written.request.reserved, Nanos::new(first + 700));
    assert_eq!(written.settlement.map(|it| it.charge), Some(Nanos::new(first + 700)));
}

pub(super) async fn every_text_of_a_row_is_written(store: &dyn Store) {
    let key = create(store, inference(store, "charged")).await;
    let odd = "it's \"odd\" \\0 \\x \u{e9}\u{301} \u{202e}\u{feff}\u{fffd}\u{ffff}\u{1f511}\u{10ffff} %_$1";
    let said = || Some(odd.to_owned());
    let mut request = Metered::clone(&metered(1, &key, now()));
    request.origin = Arc::new(Origin {
        http_referer: said(),
        user_agent: said(),
        external_user: said(),
        session_id: said(),
        ..Origin::default()
    });
    let mut settlement = charged(&Arc::new(request), 40);
    settlement.course = Arc::new(Course {
        endpoint: said(),
        upstream_id: said(),
        finish_reason: said(),
        native_finish_reason: said(),
        service_tier: said(),
        ..Course::default()
    });
    store.mark(marked(&settlement.request, 50)).await.expect("writable");
    assert_eq!(store.settle(settlement.clone()).await, Ok(Settled::Applied));
    let written = record(store, settlement.request.id).await.expect("it was written");
    assert_eq!(written.settlement, Some(settlement));
}

pub(super) async fn a_charge_without_its_texts_is_the_same_charge(store: &dyn Store) {
    let key = create(store, inference(store, "charged")).await;
    let settlement = charged(&metered(1, &key, now()), 40);
    store.mark(marked(&settlement.request, 50)).await.expect("writable");
    assert_eq!(store.settle(settlement.without_texts()).await, Ok(Settled::Applied));
    assert_eq!(store.settle(settlement).await, Ok(Settled::Repeated));
    assert_eq!(spent(store, &key, now()).await, [40; 4]);
}

pub(super) async fn who_answered_is_known_with_the_charge(store: &dyn Store) {
    let key = create(store, inference(store, "charged")).await;
    let marked_as = metered(1, &key, now());
    store.mark(marked(&marked_as, 50)).await.expect("writable");
    let answered = Arc::new(Metered {
        model: "other/model".to_owned(),
        provider: "other".to_owned(),
        is_byok: false,
        ..Metered::clone(&marked_as)
    });
    store.settle(charged(&answered, 40)).await.expect("writable");
    let written = record(store, answered.id).await.expect("it was marked");
    assert_eq!(written.request, *answered);
    assert_eq!(written.settlement, Some(charged(&answered, 40)));
}

pub(super) async fn what_nobody_said_is_absent(store: &dyn Store) {
    let key = create(store, inference(store, "charged")).await;
    let request = metered(1, &key, now());
    let request = Arc::new(Metered { origin: Arc::default(), ..Metered::clone(&request) });
    let settlement = Settlement { course: Arc::default(), ..charged(&request, 40) };
    store.settle(settlement.clone()).await.expect("writable");
    let written = record(store, request.id).await.expect("it was settled");
    assert_eq!(written.settlement, Some(settlement));
}
