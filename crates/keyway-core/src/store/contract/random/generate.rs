//! What the sequences are made of.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::credentials::{CREDENTIALS, CredentialCall};
use super::{Create, KEYS, List, Operation, REQUESTS, SECRETS, Start, Verb};
use crate::budget::ResetInterval;
use crate::key::{KeyKind, KeyName, KeyPatch, OnLimit, Terms};
use crate::money::Nanos;
use crate::rate::{Figure, RateLimits, RateLimitsPatch};
use crate::store::KeySort;

/// Sequences of up to `length_max` calls.
pub fn operations(length_max: usize) -> impl Strategy<Value = Vec<Operation>> {
    let operation = (step(), verb()).prop_map(|(step, verb)| Operation { step, verb });
    // Without keys there is little to ask for.
    let beginning = vec(create(), 2..5).prop_map(|creations| {
        let verbs = creations.into_iter().map(Verb::Create);
        verbs.map(|verb| Operation { step: 1, verb }).collect::<Vec<_>>()
    });
    (beginning, vec(operation, 0..length_max)).prop_map(|(mut all, rest)| {
        all.extend(rest);
        all
    })
}

/// Mostly a little, sometimes over midnight or the day of idempotency, sometimes back.
fn step() -> impl Strategy<Value = i64> {
    prop_oneof![
        6 => 0..20_i64,
        2 => -40..0_i64,
        1 => select(vec![3_600, 43_200, 86_399, 86_400, 604_800]),
    ]
}

fn verb() -> impl Strategy<Value = Verb> {
    let secret = || 0..SECRETS;
    prop_oneof![
        1 => secret().prop_map(|secret| Verb::Bootstrap { secret }),
        4 => create().prop_map(Verb::Create),
        3 => (kind(), secret()).prop_map(|(kind, secret)| Verb::Get { kind, secret }),
        3 => (secret(), patch()).prop_map(|(secret, patch)| Verb::Update { secret, patch }),
        3 => (secret(), secret(), select(vec![0, 1, 15, 90_000]))
            .prop_map(|(secret, new, grace)| Verb::Rotate { secret, new, grace }),
        1 => (kind(), secret()).prop_map(|(kind, secret)| Verb::Delete { kind, secret }),
        2 => secret().prop_map(|secret| Verb::Find { secret }),
        4 => list().prop_map(Verb::List),
        3 => (0..REQUESTS, any::<bool>(), nanos()).prop_map(
            |(request, extended, authorised)| Verb::Mark { request, extended, authorised }
        ),
        4 => (0..REQUESTS, any::<bool>(), nanos(), nanos(), option::weighted(0.5, nanos())).prop_map(
            |(request, extended, charge, byok, drawn)| Verb::Settle {
                request, extended, charge, byok, drawn,
            }
        ),
        5 => (0..=KEYS, any::<bool>(), 1..20_i64, nanos(), nanos(), nanos()).prop_map(
            |(account, day, seq, give_back, want, ahead)| Verb::Lease {
                account, day, seq, give_back, want, ahead,
            }
        ),
        1 => terms().prop_map(Verb::Budget),
        1 => (1..4_u8, nanos()).prop_map(|(id, amount)| Verb::Credits { id, amount }),
        1 => (0..4_i64).prop_map(|since| Verb::Poll { since }),
        1 => Just(Verb::Join),
        1 => (0..4_i64).prop_map(|applied| Verb::Beat { applied }),
        2 => Just(Verb::Prune),
        1 => Just(Verb::States),
        6 => credential_call().prop_map(Verb::Credential),
        2 => vec(0..REQUESTS, 0..3).prop_map(|requests| Verb::Keep { requests }),
        1 => (1..=KEYS).prop_map(|key| Verb::Forget { key }),
        1 => (0..3_i64).prop_map(|days| Verb::PruneContents { days }),
    ]
}

fn credential_call() -> impl Strategy<Value = CredentialCall> {
    let id = || 0..CREDENTIALS;
    let version = || 1..4_i64;
    let key = || option::weighted(0.4, 0..SECRETS);
    let sort_order = option::weighted(0.3, -1..3_i64);
    prop_oneof![
        3 => option::weighted(0.6, version()).prop_map(|after| CredentialCall::AddKek { after }),
        1 => version().prop_map(|version| CredentialCall::RetireKek { version }),
        4 => (id(), version(), any::<bool>(), key(), sort_order).prop_map(
            |(id, version, provider, key, sort_order)| CredentialCall::Create {
                id, version, provider, key, sort_order,
            }
        ),
        3 => (id(), option::of(version()), option::of(vec(0..SECRETS, 0..2)), option::of(any::<bool>())).prop_map(
            |(id, version, keys, disabled)| CredentialCall::Update { id, version, keys, disabled }
        ),
        1 => id().prop_map(|id| CredentialCall::Delete { id }),
        2 => (id(), version(), version())
            .prop_map(|(id, from, to)| CredentialCall::Rewrap { id, from, to }),
    ]
}

fn create() -> impl Strategy<Value = Create> {
    let lives = option::weighted(0.3, select(vec![-1, 0, 10, 86_400]));
    let idempotency = option::weighted(0.4, (1..=KEYS, 0..2_u8));
    let bounds = (terms(), rates(), on_limit(), any::<bool>());
    (kind(), 0..SECRETS, any::<bool>(), name(), bounds, lives, idempotency).prop_map(
        |(kind, secret, minted, name, bounds, lives, idempotency)| Create {
            kind,
            secret,
            minted,
            name,
            terms: bounds.0,
            rates: bounds.1,
            on_limit: bounds.2,
            log_content: bounds.3,
            lives,
            idempotency,
        },
    )
}

fn list() -> impl Strategy<Value = List> {
    let start =
        prop_oneof![(0..4_u64).prop_map(Start::Offset), (0..SECRETS).prop_map(Start::After),];
    let contains = option::weighted(0.3, select(vec!["a", "B", "%", "_", "SECRET", "...", ""]));
    let filters = (any::<bool>(), any::<bool>(), contains);
    (kind(), filters, select(KeySort::ALL.to_vec()), start, 1..5_u32).prop_map(
        |(kind, (include_disabled, include_expired, contains), sort, start, limit)| List {
            kind,
            include_disabled,
            include_expired,
            contains: contains.map(str::to_owned),
            sort,
            start,
            limit,
        },
    )
}

fn patch() -> impl Strategy<Value = KeyPatch> {
    let limit = option::weighted(0.3, option::of(nanos()));
    let reset = option::weighted(0.3, option::of(reset()));
    let flag = || option::weighted(0.3, any::<bool>());
    let conduct = (option::weighted(0.3, on_limit()), flag());
    (option::weighted(0.3, name()), flag(), limit, reset, flag(), rates_patch(), conduct).prop_map(
        |(name, disabled, limit, reset, include_byok_in_limit, rates, conduct)| KeyPatch {
            name,
            disabled,
            limit,
            reset,
            include_byok_in_limit,
            rates,
            on_limit: conduct.0,
            log_content: conduct.1,
        },
    )
}

fn terms() -> impl Strategy<Value = Terms> {
    (option::of(nanos()), option::of(reset()), any::<bool>()).prop_map(
        |(limit, reset, include_byok_in_limit)| Terms { limit, reset, include_byok_in_limit },
    )
}

fn rates() -> impl Strategy<Value = RateLimits> {
    (figure(), figure(), figure()).prop_map(
        |(requests_per_minute, tokens_per_minute, max_concurrent_requests)| RateLimits {
            requests_per_minute,
            tokens_per_minute,
            max_concurrent_requests,
        },
    )
}

fn rates_patch() -> impl Strategy<Value = RateLimitsPatch> {
    let change = || option::weighted(0.3, figure());
    (change(), change(), change()).prop_map(
        |(requests_per_minute, tokens_per_minute, max_concurrent_requests)| RateLimitsPatch {
            requests_per_minute,
            tokens_per_minute,
            max_concurrent_requests,
        },
    )
}

fn figure() -> impl Strategy<Value = Option<Figure>> {
    option::of(select(vec![1, 2, i64::from(Figure::MAX)])).prop_map(|it| it.and_then(Figure::new))
}

fn on_limit() -> impl Strategy<Value = OnLimit> {
    select(OnLimit::ALL.to_vec())
}

fn kind() -> impl Strategy<Value = KeyKind> {
    prop_oneof![3 => Just(KeyKind::Inference), 1 => Just(KeyKind::Management)]
}

fn name() -> impl Strategy<Value = KeyName> {
    let names = vec!["a", "ab", "B", "b", "100%", "a_b", "é"];
    select(names).prop_map(|name| KeyName::new(name).expect("a good name"))
}

fn nanos() -> impl Strategy<Value = Nanos> {
    (0..4_i64).prop_map(|thousands| Nanos::new(thousands * 1_000))
}

fn reset() -> impl Strategy<Value = ResetInterval> {
    select(ResetInterval::ALL.to_vec())
}
