//! What is otherwise in another price of the same thing.

use std::collections::BTreeSet;

use super::{Effective, Kind, Pricing};
use crate::clock::Timestamp;
use crate::money::Rate;

/// A rate that becomes more than so many times another is likely a mistake: a price per thousand tokens
/// taken for one per token, or a cent for a dollar.
const LEAP: i128 = 10;
const DAYS_PER_WEEK: i64 = 7;
const SECONDS_PER_DAY: i64 = 24 * 60 * 60;
const SECONDS_PER_MINUTE: i64 = 60;

/// A rate of two prices that differs, after their discounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateChange {
    /// What the API calls it.
    pub what: &'static str,
    /// It differs for prompts of more tokens than this.
    pub above_tokens: u64,
    pub before: Rate,
    pub after: Rate,
}

impl RateChange {
    /// Whether one of the two is more than ten times the other; anything is, of nothing.
    pub const fn is_leap(&self) -> bool {
        let (before, after) = (self.before.femtos(), self.after.femtos());
        let (less, more) = if before < after { (before, after) } else { (after, before) };
        more > less * LEAP
    }
}

/// Every rate that is otherwise in `after` than in `before`, whatever the length of the prompt and the time
/// of the week: each pair of rates once, with the shortest prompt that it differs for.
pub fn changes(before: &Pricing, after: &Pricing) -> Vec<RateChange> {
    let mut changes: Vec<RateChange> = Vec::new();
    for (above_tokens, prompt_tokens, at) in points(before, after) {
        let rates = before.named(prompt_tokens, at).into_iter().zip(after.named(prompt_tokens, at));
        for ((what, before), (_, after)) in
            rates.filter(|((_, before), (_, after))| before != after)
        {
            let change = RateChange { what, above_tokens, before, after };
            let same = |it: &RateChange| (it.what, it.before, it.after) == (what, before, after);
            if !changes.iter().any(same) {
                changes.push(change);
            }
        }
    }
    changes
}

/// One request for each combination of conditions that either price tells apart: the tokens that its prompt
/// has more than, its prompt, and when it is admitted.
fn points(one: &Pricing, other: &Pricing) -> Vec<(u64, u64, Timestamp)> {
    let overrides = || one.overrides.iter().chain(&other.overrides);
    let thresholds: BTreeSet<u64> = overrides().filter_map(|it| it.min_prompt_tokens).collect();
    let ends = overrides().filter_map(|it| it.hours).flat_map(|hours| {
        let (start, end) = hours.as_clock();
        [start, end]
    });
    let mut minutes: BTreeSet<i64> =
        ends.map(|end| i64::from(end / 100 * 60 + end % 100)).collect();
    minutes.insert(0);
    let days = if overrides().any(|it| it.days.is_some()) { DAYS_PER_WEEK } else { 1 };
    let lengths = [(0, 0)].into_iter();
    let lengths = lengths.chain(thresholds.into_iter().map(|it| (it, it.saturating_add(1))));
    lengths
        .flat_map(|(above, tokens)| {
            let minutes = &minutes;
            (0..days).flat_map(move |day| {
                minutes.iter().map(move |minute| {
                    let seconds = day * SECONDS_PER_DAY + minute * SECONDS_PER_MINUTE;
                    (above, tokens, Timestamp::default().plus_seconds(seconds))
                })
            })
        })
        .collect()
}

impl Pricing {
    /// Every rate of such a request with its name, always in the same order.
    fn named(&self, prompt_tokens: u64, at: Timestamp) -> Vec<(&'static str, Rate)> {
        let rates: Effective = self.rates(prompt_tokens, at);
        let kinds = [Kind::Prompt, Kind::Completion].into_iter().chain(Kind::EXTRA);
        let named = kinds.map(|kind| (kind.as_str(), rates.of(kind)));
        let flat = [("request", self.request), ("image", self.image)];
        named.chain(flat).map(|(name, rate)| (name, rate.less(self.discount))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Discount;
    use crate::pricing::{Days, Hours, Override, Rates};

    fn rate(text: &str) -> Rate {
        Rate::parse(text).expect("a rate")
    }

    fn price() -> Pricing {
        Pricing::per_token(rate("0.000001"), rate("0.000002"))
    }

    /// The names of what changed, those of leaps with a `!` behind it.
    fn told(before: &Pricing, after: &Pricing) -> Vec<String> {
        let told = |it: RateChange| format!("{}{}", it.what, if it.is_leap() { "!" } else { "" });
        changes(before, after).into_iter().map(told).collect()
    }

    fn only(kind: Kind, text: &str) -> Rates {
        Rates::from_fn(|it| (it == kind).then(|| rate(text)))
    }

    #[test]
    fn what_is_absent_is_compared_by_what_it_costs() {
        let price = price();
        assert!(told(&price, &price).is_empty());
        let said = Pricing { kinds: only(Kind::CacheRead, "0.000001"), ..price.clone() };
        assert!(told(&price, &said).is_empty(), "it cost that before");
        let tenth = Pricing { kinds: only(Kind::CacheRead, "0.0000001"), ..price.clone() };
        assert_eq!(told(&price, &tenth), ["input_cache_read"], "ten times is no leap");
        let less = Pricing { kinds: only(Kind::CacheRead, "0.000000099"), ..price.clone() };
        assert_eq!(told(&price, &less), ["input_cache_read!"]);
        assert_eq!(told(&less, &price), ["input_cache_read!"], "in either direction");
        let dearer = Pricing { prompt: rate("0.000002"), ..price.clone() };
        let prompts = [
            "prompt",
            "input_cache_read",
            "input_cache_write",
            "input_cache_write_1h",
            "image_token",
            "audio",
        ];
        assert_eq!(told(&price, &dearer), prompts);
        let flat = Pricing { request: rate("0.01"), ..price.clone() };
        assert_eq!(told(&price, &flat), ["request!"], "from nothing to something");
        let off =
            Pricing { discount: Discount::parse("0.95").expect("a discount"), ..price.clone() };
        assert!(told(&price, &off).contains(&"prompt!".to_owned()), "a discount counts");
    }

    #[test]
    fn every_length_and_every_time_of_the_week_is_compared() {
        let at = |price: &str| Override { completion: Some(rate(price)), ..Override::default() };
        let long = Override { min_prompt_tokens: Some(200_000), ..at("0.0001") };
        let tiered = Pricing { overrides: vec![long], ..price() };
        let [change, ..] = changes(&price(), &tiered)[..] else { panic!("nothing differs") };
        assert_eq!((change.what, change.above_tokens), ("completion", 200_000));
        assert!(change.is_leap());
        assert!(told(&tiered, &price()).contains(&"completion!".to_owned()), "a tier that goes");

        let hours = Hours::from_clock(1630, 30);
        let nightly = Pricing { overrides: vec![Override { hours, ..at("0.0001") }], ..price() };
        assert!(told(&price(), &nightly).contains(&"completion!".to_owned()));
        let days = Days::from_numbers(&[7]);
        let sundays = Pricing { overrides: vec![Override { days, ..at("0.0001") }], ..price() };
        assert!(told(&price(), &sundays).contains(&"completion!".to_owned()));

        let both = Override { min_prompt_tokens: Some(u64::MAX), hours, days, ..at("0.0001") };
        let never = Pricing { overrides: vec![both], ..price() };
        assert!(told(&price(), &never).is_empty(), "no prompt has more tokens than that");
    }
}
