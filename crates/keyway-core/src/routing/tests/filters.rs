//! What each filter lets through.

use super::*;
use crate::catalogue::{DataCollection, Quantization};
use crate::pricing::{Kind, Override, Rates};

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
