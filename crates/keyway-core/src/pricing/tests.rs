use proptest::prelude::*;

use super::*;

fn at(clock: &str) -> Timestamp {
    Timestamp::parse_utc(&format!("2026-03-01T{clock}:00Z")).expect("a moment")
}

fn rate(femtos: i128) -> Rate {
    Rate::from_femtos(femtos)
}

/// A rate of so many nano-dollars.
fn nanos(nanos: i128) -> Rate {
    rate(nanos * 1_000_000)
}

fn only(kind: Kind, of: Rate) -> Rates {
    Rates::from_fn(|it| (it == kind).then_some(of))
}

#[test]
fn the_whole_is_rounded_once() {
    let third = rate(333_333);
    let cost = Pricing::per_token(third, third).cost(Usage::of(1, 1), at("00:00"));
    let nano = Nanos::new(1);
    assert_eq!((cost.total, cost.prompt, cost.completion), (nano, nano, nano));
}

#[test]
fn each_kind_has_its_price_and_every_token_is_paid_for_once() {
    let rates = Rates::from_fn(|kind| {
        Some(nanos(match kind {
            Kind::CacheRead => 1,
            Kind::CacheWrite => 20,
            Kind::CacheWriteHour => 300,
            Kind::Image => 4_000,
            Kind::Audio => 50_000,
            Kind::Reasoning => 7,
            Kind::ImageOutput => 80,
            Kind::AudioOutput => 900,
            Kind::Prompt | Kind::Completion => unreachable!("they are no extra kinds"),
        }))
    });
    let pricing = Pricing {
        kinds: rates,
        request: nanos(1_000_000),
        image: nanos(3_000_000),
        ..Pricing::per_token(nanos(100_000_000), nanos(6_000))
    };
    let usage = Usage {
        cached_tokens: 1,
        cache_write_tokens: 1,
        cache_write_1h_tokens: 1,
        image_tokens: 1,
        audio_tokens: 1,
        reasoning_tokens: 1,
        image_output_tokens: 1,
        audio_output_tokens: 1,
        images: 2,
        ..Usage::of(6, 4)
    };
    let cost = pricing.cost(usage, at("00:00"));
    assert_eq!(cost.prompt, Nanos::new(100_000_000 + 54_321 + 1_000_000 + 2 * 3_000_000));
    assert_eq!(cost.completion, Nanos::new(6_000 + 987));
    assert_eq!(cost.total, cost.prompt.saturating_add(cost.completion));
    // Three tokens would have been plain ones.
    assert_eq!(cost.cache_discount, Nanos::new(3 * 100_000_000 - 321));
}

#[test]
fn a_kind_without_a_price_costs_what_its_side_does() {
    let pricing = Pricing::per_token(nanos(2), nanos(3));
    let usage = Usage { cached_tokens: 5, reasoning_tokens: 7, ..Usage::of(10, 10) };
    assert_eq!(pricing.cost(usage, at("00:00")).total, Nanos::new(50));
}

#[test]
fn parts_larger_than_their_whole_are_cut() {
    let pricing = Pricing {
        kinds: only(Kind::CacheRead, nanos(1)),
        ..Pricing::per_token(nanos(9), nanos(9))
    };
    let usage =
        Usage { cached_tokens: 1_000, audio_tokens: 3, reasoning_tokens: 9, ..Usage::of(10, 2) };
    assert_eq!(pricing.cost(usage, at("00:00")).total, Nanos::new(10 + 18));
    let clamped = usage.clamped();
    assert_eq!((clamped.cached_tokens, clamped.audio_tokens, clamped.reasoning_tokens), (10, 0, 2));
}

#[test]
fn above_a_length_every_token_has_the_tiers_price() {
    let tier = Override {
        min_prompt_tokens: Some(200),
        prompt: Some(nanos(10)),
        completion: Some(nanos(100)),
        ..Override::default()
    };
    let pricing = Pricing {
        kinds: only(Kind::CacheRead, nanos(1)),
        overrides: vec![tier],
        ..Pricing::per_token(nanos(5), nanos(50))
    };
    let cost = |usage| pricing.cost(usage, at("00:00")).total;
    assert_eq!(cost(Usage::of(200, 1)), Nanos::new(1_000 + 50));
    assert_eq!(cost(Usage::of(201, 1)), Nanos::new(2_010 + 100));
    // What the tier does not say stays as it was.
    assert_eq!(cost(Usage { cached_tokens: 201, ..Usage::of(201, 0) }), Nanos::new(201));
    assert_eq!(pricing.bound(Usage::of(200, 1)), Nanos::new(1_000 + 50));
    assert_eq!(pricing.bound(Usage::of(201, 1)), Nanos::new(2_010 + 100));
}

#[test]
fn an_hour_may_pass_midnight_and_ends_before_its_end() {
    let hours = Hours::from_clock(1630, 30).expect("times of day");
    assert_eq!(hours.as_clock(), (1630, 30));
    let cheap = Override { hours: Some(hours), prompt: Some(nanos(1)), ..Override::default() };
    let pricing = Pricing { overrides: vec![cheap], ..Pricing::per_token(nanos(4), nanos(4)) };
    for (clock, cost) in [("16:29", 4), ("16:30", 1), ("23:59", 1), ("00:29", 1), ("00:30", 4)] {
        assert_eq!(pricing.cost(Usage::of(1, 0), at(clock)).total, Nanos::new(cost), "{clock}");
    }
    assert_eq!(pricing.bound(Usage::of(1, 0)), Nanos::new(4));
    for (start, end) in [(2400, 100), (160, 200), (100, 100)] {
        assert_eq!(Hours::from_clock(start, end), None, "{start} {end}");
    }
}

#[test]
fn days_count_from_monday() {
    let days = Days::from_numbers(&[6, 7]).expect("days");
    assert_eq!(days.numbers(), [6, 7]);
    let weekend = Override { days: Some(days), prompt: Some(nanos(1)), ..Override::default() };
    let pricing = Pricing { overrides: vec![weekend], ..Pricing::per_token(nanos(4), nanos(4)) };
    let cost = |day: &str| {
        let at = Timestamp::parse_utc(&format!("2026-11-{day}T23:59:59Z")).expect("a moment");
        pricing.cost(Usage::of(1, 0), at).total.get()
    };
    // The 27th is a Friday.
    assert_eq!(["27", "28", "29", "30"].map(cost), [4, 1, 1, 4]);
    assert_eq!(
        (Days::from_numbers(&[]), Days::from_numbers(&[0]), Days::from_numbers(&[8])),
        (None, None, None)
    );
}

#[test]
fn a_discount_is_taken_off_before_the_rounding() {
    let discount = Discount::parse("0.25").expect("a discount");
    let pricing = Pricing { discount, ..Pricing::per_token(rate(500_000), nanos(1)) };
    let cost = pricing.cost(Usage::of(1, 1), at("00:00"));
    assert_eq!(cost.total, Nanos::new(2));
    assert_eq!(pricing.cost(Usage::of(0, 4), at("00:00")).total, Nanos::new(3));
}

#[test]
fn a_request_pays_for_what_it_cannot_use_in_no_bound() {
    let pricing = Pricing {
        kinds: Rates::from_fn(|kind| {
            matches!(kind, Kind::Audio | Kind::AudioOutput).then_some(nanos(1_000))
        }),
        ..Pricing::per_token(nanos(1), nanos(1))
    };
    let most = Usage::of(10, 10);
    assert_eq!(pricing.worst(10, Uses::beside_text(|_| false)).cost(most), Nanos::new(20));
    assert_eq!(pricing.bound(most), Nanos::new(20_000));
}

#[test]
fn free_is_what_never_costs_anything() {
    assert!(Pricing::default().is_free());
    let image = Pricing { image: nanos(1), ..Pricing::default() };
    let tier =
        Override { completion: Some(nanos(1)), min_prompt_tokens: Some(9), ..Override::default() };
    let tier = Pricing { overrides: vec![tier], ..Pricing::default() };
    assert!(!image.is_free() && !tier.is_free());
}

fn any_rate() -> impl Strategy<Value = Rate> {
    prop_oneof![Just(0), 0..10_i128.pow(7), 0..10_i128.pow(13)].prop_map(rate)
}

fn any_rates() -> impl Strategy<Value = Rates> {
    prop::collection::vec(prop::option::of(any_rate()), 8).prop_map(|rates| {
        let mut rates = rates.into_iter();
        Rates::from_fn(|_| rates.next().flatten())
    })
}

fn any_override() -> impl Strategy<Value = Override> {
    let hours = (0..24_u16, 0..24_u16).prop_map(|(a, b)| Hours::from_clock(a * 100, b * 100));
    let rate = || prop::option::of(any_rate());
    let days = prop::option::of(1..8_u8).prop_map(|day| Days::from_numbers(&[day?]));
    (prop::option::of(0..1_000_u64), hours, days, rate(), rate(), any_rates()).prop_map(
        |(min_prompt_tokens, hours, days, prompt, completion, kinds)| Override {
            min_prompt_tokens,
            hours,
            days,
            prompt,
            completion,
            kinds,
        },
    )
}

fn any_pricing() -> impl Strategy<Value = Pricing> {
    let overrides = prop::collection::vec(any_override(), 0..4);
    let flat = (any_rate(), any_rate(), 0..=1_000_u32);
    (any_rate(), any_rate(), any_rates(), flat, overrides).prop_map(
        |(prompt, completion, kinds, (request, image, mille), overrides)| Pricing {
            prompt,
            completion,
            kinds,
            request,
            image,
            overrides,
            discount: Discount::parse(&format!("{}.{:03}", mille / 1_000, mille % 1_000))
                .expect("a discount"),
        },
    )
}

fn any_usage() -> impl Strategy<Value = Usage> {
    prop::array::uniform12(0..2_000_u64).prop_map(|it| Usage {
        prompt_tokens: it[0],
        completion_tokens: it[1],
        cached_tokens: it[2] / 4,
        cache_write_tokens: it[3] / 4,
        cache_write_1h_tokens: it[4] / 4,
        image_tokens: it[5] / 4,
        audio_tokens: it[6] / 4,
        reasoning_tokens: it[7] / 4,
        image_output_tokens: it[8] / 4,
        audio_output_tokens: it[9] / 4,
        images: it[10] % 4,
        search_units: it[11] % 4,
    })
}

proptest! {
    #[test]
    fn no_usage_within_the_bound_costs_more(
        pricing in any_pricing(),
        usage in any_usage(),
        more in (0..500_u64, 0..500_u64, 0..3_u64),
        second in 0..86_400_i64,
    ) {
        let most = Usage {
            images: usage.images + more.2,
            search_units: usage.search_units + more.2,
            ..Usage::of(usage.prompt_tokens + more.0, usage.completion_tokens + more.1)
        };
        let cost = pricing.cost(usage, Timestamp::default().plus_seconds(second));
        prop_assert!(cost.total <= pricing.bound(most));
        prop_assert!(cost.prompt <= cost.total && cost.completion <= cost.total);
        prop_assert!(pricing.cost(usage.clamped(), Timestamp::default().plus_seconds(second)) == cost);
    }

    #[test]
    fn what_is_affordable_fits_and_one_more_does_not(
        pricing in any_pricing(),
        usage in any_usage(),
        budget in 0..10_i64.pow(12),
    ) {
        let (worst, budget) = (pricing.worst(usage.prompt_tokens, Uses::ALL), Nanos::new(budget));
        let with = |completion_tokens| worst.cost(Usage { completion_tokens, ..usage });
        match worst.affordable(usage, budget) {
            None => prop_assert_eq!(with(u64::MAX), with(0)),
            Some(0) => prop_assert!(with(1) > budget),
            Some(tokens) => prop_assert!(with(tokens) <= budget && with(tokens + 1) > budget),
        }
    }
}
