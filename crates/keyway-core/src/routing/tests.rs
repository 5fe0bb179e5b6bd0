//! The contract's example, what each preference does, and what holds for any request.

use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::catalogue::{About, DataCollection, Endpoint, Model, Patience, Quantization, Traits};
use crate::money::Rate;
use crate::pricing::{Kind, Override, Pricing, Rates};

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
fn providers_are_named_by_slug_variant_and_tier() {
    let variant = |name: &str| Traits { variant: Some(name.to_owned()), ..Traits::default() };
    let tier = Traits { service_tier: Some("priority".to_owned()), ..Traits::default() };
    let endpoints = vec![
        endpoint("deep", 1, Traits::default()),
        endpoint("deep", 2, variant("turbo")),
        endpoint("deep", 3, tier),
        endpoint("deeper", 4, Traits::default()),
    ];
    let candidates = candidates(&[("a/m", endpoints)]);
    let prices = |preferences: &Preferences, needs: &Needs| {
        let plan = plan(&candidates, preferences, needs, 7).expect("some are allowed");
        let price = |it: &Attempt| pricing(it.endpoint()).prompt.femtos() / DOLLAR_A_MILLION;
        let mut prices: Vec<i128> = plan.attempts().iter().map(price).collect();
        prices.sort_unstable();
        prices
    };
    let only = |slug| Preferences { only: Some(words(&[slug])), ..anything() };
    let needs = Needs::default();
    assert_eq!(prices(&anything(), &needs), [1, 2, 4], "a tier is for those who ask");
    assert_eq!(prices(&only("deep"), &needs), [1, 2]);
    assert_eq!(prices(&only("deep/turbo"), &needs), [2]);
    assert_eq!(prices(&only("deep/priority"), &needs), [3]);
    assert_eq!(prices(&Preferences { ignore: words(&["deep"]), ..anything() }, &needs), [4]);
    let asks = Needs { service_tier: Some("priority".to_owned()), ..Needs::default() };
    assert_eq!(prices(&anything(), &asks), [1, 2, 3, 4]);
}

#[test]
fn each_filter_lets_through_what_it_says() {
    let denies = Traits { data_collection: DataCollection::Deny, ..Traits::default() };
    let zdr = Traits { zdr: true, ..denies.clone() };
    let fp8 = Traits { quantization: Quantization::Fp8, ..Traits::default() };
    let tools = Traits { supported_parameters: Some(words(&["tools"])), ..Traits::default() };
    let none = Traits { supported_parameters: Some(Vec::new()), ..Traits::default() };
    let short = Traits { max_completion_tokens: Some(10), ..Traits::default() };
    let candidates = with_traits(&[denies, zdr, fp8, tools, none, short]);
    let sorted = |preferences: Preferences, needs: Needs| {
        let mut names = planned(&candidates, &preferences, &needs);
        names.sort_unstable();
        names
    };
    let no_needs = Needs::default;
    assert_eq!(
        sorted(Preferences { data_collection: DataCollection::Deny, ..anything() }, no_needs()),
        ["p0", "p1"]
    );
    assert_eq!(sorted(Preferences { zdr: true, ..anything() }, no_needs()), ["p1"]);
    let quantizations = vec![Quantization::Fp8, Quantization::Int4];
    assert_eq!(sorted(Preferences { quantizations, ..anything() }, no_needs()), ["p2"]);
    let needs = |parameters| Needs { parameters, ..no_needs() };
    let required = Preferences { require_parameters: true, ..anything() };
    assert_eq!(sorted(required.clone(), needs(vec!["tools"])), ["p3"]);
    assert_eq!(sorted(required, needs(vec!["top_p"])), ["p0", "p1", "p2", "p5"]);
    // Who is said not to know tools is not sent any.
    assert_eq!(sorted(anything(), needs(vec!["tools"])), ["p0", "p1", "p2", "p3", "p5"]);
    assert_eq!(planned(&candidates, &anything(), &needs(vec!["tools"]))[0], "p3", "it is known to");
    let long = Needs { max_tokens: Some(11), ..no_needs() };
    assert_eq!(sorted(anything(), long), ["p0", "p1", "p2", "p3", "p4"]);
    let longer = Needs { max_tokens: Some(5_000), ..no_needs() };
    assert_eq!(sorted(anything(), longer).len(), 5, "held to the most that any can say");
    assert_eq!(
        sorted(Preferences { distillable: true, ..anything() }, no_needs()),
        ["Some(Distillation)"]
    );
}

#[test]
fn every_part_of_a_price_may_be_too_high() {
    let most = |dollars: i128| Some(Rate::from_femtos(dollars * DOLLAR_A_MILLION));
    let names = ["plain", "request", "image", "audio", "tier"];
    let mut endpoints = names.map(|name| endpoint(name, 1, Traits::default()));
    let five = Rate::from_femtos(5 * DOLLAR_A_MILLION);
    let priced = endpoints.each_mut().map(|it| it.pricing.as_mut().expect("a price"));
    priced[1].request = five;
    priced[2].image = five;
    priced[3].kinds = Rates::from_fn(|kind| (kind == Kind::Audio).then_some(five));
    let above =
        Override { prompt: Some(five), min_prompt_tokens: Some(100), ..Override::default() };
    priced[4].overrides.push(above);
    let candidates = candidates(&[("a/m", endpoints.to_vec())]);
    let left = |max_price, prompt_tokens| {
        let preferences = Preferences { max_price, ..anything() };
        let mut left =
            planned(&candidates, &preferences, &Needs { prompt_tokens, ..Needs::default() });
        left.sort_unstable();
        left
    };
    let any = MaxPrice::default();
    let without = |name| {
        let mut others: Vec<&str> = names.into_iter().filter(|it| *it != name).collect();
        others.sort_unstable();
        others
    };
    assert_eq!(left(MaxPrice { request: most(4), ..any }, 10), without("request"));
    assert_eq!(left(MaxPrice { image: most(4), ..any }, 10), without("image"));
    assert_eq!(left(MaxPrice { audio: most(4), ..any }, 10), without("audio"));
    assert_eq!(left(MaxPrice { prompt: most(4), ..any }, 10), without("nobody"));
    assert_eq!(left(MaxPrice { prompt: most(4), ..any }, 101), without("tier"));
    assert_eq!(left(MaxPrice { prompt: most(5), ..any }, 101), without("nobody"));
}

#[test]
fn only_what_costs_nothing_at_all_is_free() {
    let [free, mut flat] = ["free", "flat"].map(|name| endpoint(name, 0, Traits::default()));
    flat.pricing.as_mut().expect("a price").request = Rate::from_femtos(1);
    let mut candidates = candidates(&[("a/m", vec![flat, free])]);
    for candidate in &mut candidates {
        candidate.variant = Some(Variant::Free);
    }
    assert_eq!(planned(&candidates, &anything(), &Needs::default()), ["free"]);
}

#[test]
fn a_price_may_be_too_high() {
    let candidates = at_prices(&[("a", 1), ("b", 2), ("free", 0)]);
    let most = |dollars: i128| Some(Rate::from_femtos(dollars * DOLLAR_A_MILLION));
    let plan = |max_price| {
        planned(&candidates, &Preferences { max_price, ..anything() }, &Needs::default())
    };
    assert_eq!(plan(MaxPrice { prompt: most(1), ..MaxPrice::default() }), ["free", "a"]);
    assert_eq!(plan(MaxPrice { completion: most(0), ..MaxPrice::default() }), ["free"]);
    let mut flat = endpoint("flat", 0, Traits::default());
    flat.pricing.as_mut().expect("a price").request = Rate::from_femtos(DOLLAR_A_MILLION);
    let candidates = self::candidates(&[("a/m", vec![flat])]);
    let plan = |max_price| {
        planned(&candidates, &Preferences { max_price, ..anything() }, &Needs::default())
    };
    assert_eq!(
        plan(MaxPrice { request: most(1), image: most(0), ..MaxPrice::default() }),
        ["flat"]
    );
    assert_eq!(plan(MaxPrice { request: most(0), ..MaxPrice::default() }), ["Some(Price)"]);
    let mut unknown = endpoint("unknown", 1, Traits::default());
    unknown.pricing = None;
    let known = endpoint("known", 9, Traits::default());
    let candidates = self::candidates(&[("a/m", vec![unknown, known])]);
    let limited = Needs { known_price: true, ..Needs::default() };
    assert_eq!(planned(&candidates, &anything(), &limited), ["known"]);
    assert_eq!(planned(&candidates, &anything(), &Needs::default()).len(), 2);
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

fn any_traits() -> impl Strategy<Value = Traits> {
    let tier = prop::option::of(Just("flex".to_owned()));
    let parameters = prop::option::of(prop::sample::subsequence(words(&["tools", "top_p"]), 0..=2));
    let lengths = prop::option::of(1..1_000_u64);
    (any::<[bool; 3]>(), tier, parameters, lengths).prop_map(
        |([zdr, denies, fp8], service_tier, supported_parameters, max_completion_tokens)| Traits {
            service_tier,
            zdr,
            data_collection: if denies || zdr {
                DataCollection::Deny
            } else {
                DataCollection::Allow
            },
            quantization: if fp8 { Quantization::Fp8 } else { Quantization::Unknown },
            supported_parameters,
            max_completion_tokens,
            ..Traits::default()
        },
    )
}

fn any_preferences() -> impl Strategy<Value = Preferences> {
    let slugs = || prop::sample::subsequence(words(&["p0", "p1", "p2", "p3"]), 0..=4);
    let rate =
        || prop::option::of((0..5_i128).prop_map(|it| Rate::from_femtos(it * DOLLAR_A_MILLION)));
    let sorts = [None, Some(Sort::Price), Some(Sort::Latency), Some(Sort::Throughput)];
    (
        any::<[bool; 6]>(),
        slugs(),
        prop::option::of(slugs()),
        slugs(),
        (rate(), rate()),
        prop::sample::select(sorts.to_vec()),
    )
        .prop_map(|(flags, order, only, ignore, (prompt, completion), sort)| Preferences {
            order,
            only,
            ignore,
            allow_fallbacks: flags[0],
            require_parameters: flags[1],
            zdr: flags[2],
            data_collection: if flags[3] { DataCollection::Deny } else { DataCollection::Allow },
            quantizations: if flags[4] { vec![Quantization::Fp8] } else { Vec::new() },
            across_models: flags[5],
            max_price: MaxPrice { prompt, completion, ..MaxPrice::default() },
            sort,
            ..Preferences::default()
        })
}

proptest! {
    #[test]
    fn filters_never_let_through_and_nothing_is_tried_twice(
        endpoints in prop::collection::vec((0..5_usize, 0..6_i128, any_traits(), any::<bool>()), 0..20),
        preferences in any_preferences(),
        tools in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let split = endpoints.len() / 2;
        let of = |part: &[(usize, i128, Traits, bool)]| -> Vec<Endpoint> {
            part.iter().map(|(n, price, traits, _)| endpoint(&format!("p{n}"), *price, traits.clone())).collect()
        };
        let mut all = candidates(&[("a/one", of(&endpoints[..split])), ("a/two", of(&endpoints[split..]))]);
        for (candidate, (.., unstable)) in all.iter_mut().zip(&endpoints) {
            candidate.health.is_unstable = *unstable;
        }
        let needs = Needs { parameters: if tools { vec!["tools"] } else { vec![] }, ..Needs::default() };
        let result = plan(&all, &preferences, &needs, seed);
        prop_assert_eq!(&result, &plan(&all, &preferences, &needs, seed), "the same again");
        let Ok(plan) = result else { return Ok(()) };
        prop_assert!(plan.attempts().len() <= ATTEMPTS_MAX);
        for (number, attempt) in plan.attempts().iter().enumerate() {
            let (endpoint, traits) = (attempt.endpoint(), &attempt.endpoint().traits);
            prop_assert!(!plan.attempts()[..number].contains(attempt));
            prop_assert!(!preferences.ignore.contains(&endpoint.provider));
            prop_assert!(preferences.only.as_ref().is_none_or(|only| only.contains(&endpoint.provider)));
            prop_assert!(!preferences.zdr || traits.zdr);
            prop_assert!(preferences.data_collection == DataCollection::Allow || traits.data_collection == DataCollection::Deny);
            prop_assert!(preferences.quantizations.is_empty() || traits.quantization == Quantization::Fp8);
            prop_assert!(traits.service_tier.is_none());
            prop_assert!(preferences.max_price.prompt.is_none_or(|most| pricing(endpoint).prompt <= most));
            prop_assert!(preferences.max_price.completion.is_none_or(|most| pricing(endpoint).completion <= most));
            let known = traits.supported_parameters.as_ref().map(|it| it.contains(&"tools".to_owned()));
            prop_assert!(!tools || known != Some(false));
            prop_assert!(!tools || !preferences.require_parameters || known == Some(true));
            if !preferences.allow_fallbacks && !preferences.order.is_empty() {
                prop_assert!(preferences.order.contains(&endpoint.provider));
            }
        }
    }
}
