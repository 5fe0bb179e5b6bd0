//! The contract's example, and what each preference does.

mod filters;
mod properties;

use std::collections::HashMap;
use std::sync::Arc;

use super::*;
use crate::catalogue::{About, Endpoint, Model, Patience, Traits};
use crate::money::Rate;
use crate::pricing::Pricing;

const DOLLAR_A_MILLION: i128 = 1_000_000_000;

fn endpoint(provider: &str, dollars: i128, traits: Traits) -> Endpoint {
    let rate = Rate::from_femtos(dollars * DOLLAR_A_MILLION);
    Endpoint {
        provider: provider.to_owned(),
        upstream_model: "theirs".to_owned(),
        pricing: Some(Pricing::per_token(rate, rate)),
        traits,
        patience: Patience::default(),
    }
}

fn pricing(endpoint: &Endpoint) -> &Pricing {
    endpoint.pricing.as_ref().expect("a known price")
}

fn candidates(models: &[(&str, Vec<Endpoint>)]) -> Vec<Candidate> {
    let of_model = |(number, (id, endpoints)): (usize, &(&str, Vec<Endpoint>))| {
        let model = Arc::new(Model {
            id: (*id).to_owned(),
            name: (*id).to_owned(),
            context_length: 10_000,
            max_completion_tokens: 1_000,
            distillable: false,
            about: About::default(),
            endpoints: endpoints.clone(),
        });
        (0..endpoints.len())
            .map(|endpoint| Candidate {
                attempt: Attempt::new(&model, endpoint).expect("it is there"),
                model: number,
                variant: None,
                turn: Turn::default(),
                health: Health::default(),
                is_sticky: false,
            })
            .collect::<Vec<_>>()
    };
    models.iter().enumerate().flat_map(of_model).collect()
}

/// One model at providers of these prices.
fn at_prices(prices: &[(&str, i128)]) -> Vec<Candidate> {
    let endpoints = prices.iter().map(|(name, price)| endpoint(name, *price, Traits::default()));
    candidates(&[("a/m", endpoints.collect())])
}

fn with_traits(traits: &[Traits]) -> Vec<Candidate> {
    let endpoints = traits
        .iter()
        .enumerate()
        .map(|(number, traits)| endpoint(&format!("p{number}"), 1, traits.clone()));
    candidates(&[("a/m", endpoints.collect())])
}

fn order(plan: &Plan) -> Vec<&str> {
    plan.attempts().iter().map(|attempt| attempt.endpoint().provider.as_str()).collect()
}

fn planned(candidates: &[Candidate], preferences: &Preferences, needs: &Needs) -> Vec<String> {
    match plan(candidates, preferences, needs, 7) {
        Ok(plan) => order(&plan).into_iter().map(str::to_owned).collect(),
        Err(none) => vec![format!("{:?}", none.nearest())],
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn anything() -> Preferences {
    Preferences::default()
}

#[test]
fn the_example_of_the_contract() {
    let mut candidates = at_prices(&[("a", 1), ("b", 2), ("c", 3)]);
    candidates[1].health.is_unstable = true;
    let mut first: HashMap<Vec<String>, u32> = HashMap::new();
    for seed in 0..10_000 {
        let plan =
            plan(&candidates, &anything(), &Needs::default(), seed).expect("all are allowed");
        *first.entry(order(&plan).into_iter().map(str::to_owned).collect()).or_default() += 1;
    }
    let count = |names: &[&str]| first.get(&words(names)).copied().unwrap_or(0);
    // A is nine times as likely as C, and B comes last.
    let (a, c) = (count(&["a", "c", "b"]), count(&["c", "a", "b"]));
    assert_eq!(a + c, 10_000, "{first:?}");
    assert!((8_880..=9_120).contains(&a), "{first:?}");
}

#[test]
fn every_price_has_its_share() {
    let prices = [1_u128, 2, 4, 10];
    let mut firsts = [0_u32; 4];
    for seed in 0..40_000 {
        firsts[draw::shuffle(&prices, seed)[0]] += 1;
    }
    // 1 : 1/4 : 1/16 : 1/100
    let expected = [30_246, 7_561, 1_890, 302];
    for (seen, expected) in firsts.iter().zip(expected) {
        let off = seen.abs_diff(expected);
        assert!(off * off <= 25 * expected, "five deviations: {firsts:?}, not {expected}");
    }
    assert_eq!(draw::shuffle(&[5, 0, 7, 0], 3)[..2].iter().sum::<usize>(), 4, "what is free");
}

#[test]
fn an_order_is_followed_and_others_come_after_it() {
    let mut candidates = at_prices(&[("a", 1), ("b", 2), ("c", 3), ("d", 4)]);
    candidates[2].health.is_unstable = true;
    let mut preferences = Preferences { order: words(&["c", "b"]), ..anything() };
    let plan = |preferences: &Preferences| planned(&candidates, preferences, &Needs::default());
    assert_eq!(plan(&preferences), ["c", "b", "a", "d"]);
    preferences.allow_fallbacks = false;
    assert_eq!(plan(&preferences), ["c", "b"]);
    preferences.order = words(&["x"]);
    assert_eq!(plan(&preferences), ["Some(NotInOrder)"]);
    preferences.order = Vec::new();
    assert_eq!(plan(&preferences).len(), 1, "the first and no other");
}

#[test]
fn models_come_one_after_the_other_unless_they_are_sorted_together() {
    let candidates = candidates(&[
        (
            "a/first",
            vec![endpoint("p1", 3, Traits::default()), endpoint("p2", 5, Traits::default())],
        ),
        (
            "a/second",
            vec![endpoint("p3", 1, Traits::default()), endpoint("p4", 4, Traits::default())],
        ),
    ]);
    let sorted = Preferences { sort: Some(Sort::Price), ..anything() };
    let plan = |preferences: &Preferences| planned(&candidates, preferences, &Needs::default());
    assert_eq!(plan(&sorted), ["p1", "p2", "p3", "p4"]);
    let together = Preferences { across_models: true, ..sorted };
    assert_eq!(plan(&together), ["p3", "p1", "p4", "p2"]);
    let only_first = Preferences { allow_fallbacks: false, sort: Some(Sort::Price), ..anything() };
    assert_eq!(plan(&only_first), ["p1", "p3"]);
}

fn seen(latency: u64, throughput: u64, success: u64) -> Health {
    let all = |value| Some(Percentiles { p50: value, p75: value, p90: value, p99: value });
    let figures = Figures {
        latency_ms: all(latency),
        throughput: all(throughput),
        success_permille: success,
    };
    Health { is_unstable: false, figures: Some(figures) }
}

#[test]
fn what_was_observed_decides_where_the_request_says_so() {
    let mut candidates = at_prices(&[("a", 1), ("b", 2), ("c", 3), ("unseen", 4)]);
    candidates[0].health = seen(900, 10_000, 900);
    candidates[1].health = seen(100, 20_000, 950);
    candidates[2].health = seen(500, 90_000, 1_000);
    let sorted = |sort| {
        planned(&candidates, &Preferences { sort: Some(sort), ..anything() }, &Needs::default())
    };
    assert_eq!(sorted(Sort::Latency), ["b", "c", "a", "unseen"]);
    assert_eq!(sorted(Sort::Throughput), ["c", "b", "a", "unseen"]);
    assert_eq!(sorted(Sort::Exacto), ["c", "b", "a", "unseen"]);
    assert_eq!(sorted(Sort::Price), ["a", "b", "c", "unseen"]);
    let quick = Cutoffs { p90: Some(400), ..Cutoffs::default() };
    let preferences = Preferences { sort: Some(Sort::Price), max_latency: quick, ..anything() };
    assert_eq!(
        planned(&candidates, &preferences, &Needs::default()),
        ["b", "unseen", "a", "c"],
        "later, but not never"
    );
    let fast = Cutoffs { p50: Some(50_000), ..Cutoffs::default() };
    let preferences = Preferences { sort: Some(Sort::Price), min_throughput: fast, ..anything() };
    assert_eq!(planned(&candidates, &preferences, &Needs::default())[0], "c");
}

#[test]
fn own_credentials_come_before_and_after_the_operators() {
    let mut candidates = at_prices(&[("a", 1), ("b", 2), ("c", 3), ("d", 4), ("e", 5)]);
    candidates[4].turn = Turn::Prioritized(1);
    candidates[3].turn = Turn::Prioritized(2);
    candidates[0].turn = Turn::Fallback(0);
    let preferences = Preferences { order: words(&["c", "a", "d"]), ..anything() };
    assert_eq!(planned(&candidates, &preferences, &Needs::default()), ["e", "d", "c", "b", "a"]);
}

#[test]
fn a_conversation_stays_where_it_was_unless_that_is_unstable_or_ordered_otherwise() {
    let mut candidates = at_prices(&[("a", 1), ("b", 100)]);
    candidates[1].is_sticky = true;
    let first = |candidates: &[Candidate], preferences: &Preferences| {
        planned(candidates, preferences, &Needs::default()).remove(0)
    };
    assert_eq!(first(&candidates, &anything()), "b");
    assert_eq!(first(&candidates, &Preferences { order: words(&["a"]), ..anything() }), "a");
    candidates[1].health.is_unstable = true;
    assert_eq!(first(&candidates, &anything()), "a");
}

#[test]
fn a_plan_is_bounded_and_every_model_has_its_part() {
    let many = |name: &str| {
        (0..30).map(|n| endpoint(&format!("{name}{n}"), 1, Traits::default())).collect::<Vec<_>>()
    };
    let all = candidates(&[("a/x", many("x")), ("a/y", many("y")), ("a/z", many("z"))]);
    let plan = plan(&all, &anything(), &Needs::default(), 1).expect("some");
    let parts = ["a/x", "a/y", "a/z"]
        .map(|id| plan.attempts().iter().filter(|attempt| attempt.model().id == id).count());
    assert_eq!(parts, [4, 4, 4]);
}

#[test]
fn a_variant_chooses_among_its_models_endpoints() {
    let tier = |name: &str| Traits { service_tier: Some(name.to_owned()), ..Traits::default() };
    let short = Traits { context_length: Some(5_000), ..Traits::default() };
    let endpoints = vec![
        endpoint("usual", 2, short.clone()),
        endpoint("free", 0, short),
        endpoint("long", 9, Traits::default()),
        endpoint("flex", 1, tier("flex")),
        endpoint("priority", 8, tier("priority")),
    ];
    let mut candidates = candidates(&[("a/m", endpoints)]);
    candidates[0].health = seen(1, 50_000, 900);
    candidates[4].health = seen(1, 90_000, 800);
    let mut with = |variant| {
        for candidate in &mut candidates {
            candidate.variant = Some(variant);
        }
        planned(&candidates, &anything(), &Needs::default())
    };
    assert_eq!(with(Variant::Free), ["free"]);
    assert_eq!(with(Variant::Nitro)[..2], ["priority", "usual"]);
    assert_eq!(with(Variant::Floor), ["free", "flex", "usual", "long"]);
    assert_eq!(with(Variant::Extended), ["long"]);
    assert_eq!(with(Variant::Exacto)[0], "usual");
    assert_eq!(with(Variant::Thinking).len(), 3);
}
