//! Hedging: where an endpoint is slow to begin a stream, the next of the plan is asked too, and whoever
//! begins first answers. The other is broken off.
//!
//! Both may bill. So twice as much is held before the second is asked, and where that cannot be had at
//! once the first is waited for as ever.

use std::time::Duration;

use keyway_core::clock::Timestamp;
use keyway_core::ledger::Metered;
use keyway_core::money::Nanos;
use keyway_core::pricing::{Pricing, Usage};
use keyway_core::routing::Attempt;

use super::bound::Bound;
use super::upstream::Upstream;
use crate::app::App;
use crate::http::memory::Hold;

/// What it takes to ask two at once.
pub(super) struct Hedge<'a> {
    app: &'a App,
    metered: &'a Metered,
    #[expect(dead_code, reason = "held for its destructor")]
    memory: Hold,
    /// How long the first is waited for alone.
    pub(super) after: Duration,
}

/// What came of asking two at once.
#[derive(Debug)]
pub(super) struct Hedged {
    /// What the request holds from then on.
    pub(super) reserved: Nanos,
    /// Who was broken off; `None` where one of them failed, or was not sent anything yet.
    pub(super) lost: Option<Box<Lost>>,
}

/// An endpoint that was asked, and broken off before it began.
#[derive(Clone, Debug)]
pub(super) struct Lost {
    pricing: Option<Pricing>,
    abort_stops_billing: bool,
}

impl<'a> Hedge<'a> {
    /// For a request that holds its whole bound, and `memory` while it is sent; `None` where it is not
    /// wanted, or there is no memory for a copy: each is asked in its own words.
    pub(super) fn of(
        app: &'a App,
        metered: &'a Metered,
        bound: &Bound,
        memory: Option<&Hold>,
    ) -> Option<Self> {
        let is_whole = metered.reserved >= bound.cost;
        let after = app.hedge_after.filter(|_| metered.streamed && is_whole)?;
        let memory = memory?.again()?;
        Some(Self { app, metered, memory, after })
    }

    /// Whether these two may be asked at once. What a credential of somebody else's pays is theirs to
    /// spend once.
    pub(super) fn may_ask(first: &Attempt, second: &Attempt) -> bool {
        !first.is_byok() && !second.is_byok()
    }

    /// Holds as much once more; answers what is held then.
    pub(super) fn hold(&self) -> Option<Nanos> {
        let twice = self.metered.reserved.saturating_add(self.metered.reserved);
        self.app.meter.extend_at_once(self.metered, twice).then_some(twice)
    }
}

impl Lost {
    pub(super) fn new(attempt: &Attempt, upstream: &Upstream) -> Self {
        Self {
            pricing: attempt.endpoint().pricing.clone(),
            abort_stops_billing: upstream.abort_stops_billing,
        }
    }

    /// What it bills by estimate: for the prompt that the other counted, of which it reads nothing from a
    /// cache and writes there what the other read or wrote; and as much of an answer as the other gave,
    /// unless breaking it off has stopped that.
    pub(super) fn cost(&self, answered: Usage, at: Timestamp) -> Nanos {
        let Some(pricing) = &self.pricing else { return Nanos::ZERO };
        let said = if self.abort_stops_billing { 0 } else { answered.completion_tokens };
        let billed = Usage {
            completion_tokens: said,
            cached_tokens: 0,
            cache_write_tokens: answered.cache_write_tokens.saturating_add(answered.cached_tokens),
            ..answered
        };
        pricing.cost(billed.clamped(), at).total
    }
}

#[cfg(test)]
mod tests {
    use keyway_core::money::Rate;
    use keyway_core::pricing::{Kind, Rates};

    use super::*;

    #[test]
    fn who_was_broken_off_bills_the_prompt_and_maybe_the_answer() {
        let rate = |text| Rate::parse(text).expect("a rate");
        let pricing = Pricing::per_token(rate("0.000001"), rate("0.000002"));
        let answered = Usage { cached_tokens: 90, reasoning_tokens: 5, ..Usage::of(100, 10) };
        for (pricing, abort_stops_billing, nanos) in
            [(Some(&pricing), true, 100_000), (Some(&pricing), false, 120_000), (None, false, 0)]
        {
            let lost = Lost { pricing: pricing.cloned(), abort_stops_billing };
            let at = Timestamp::from_micros(0);
            assert_eq!(lost.cost(answered, at), Nanos::new(nanos), "{lost:?}");
        }
    }

    #[test]
    fn who_was_broken_off_wrote_to_its_cache_what_the_other_read_from_its_own() {
        let rate = |text| Rate::parse(text).expect("a rate");
        let written = Rates::from_fn(|kind| match kind {
            Kind::CacheWrite => Some(rate("0.000002")),
            Kind::CacheWriteHour => Some(rate("0.000003")),
            Kind::CacheRead => Some(rate("0.0000001")),
            _ => None,
        });
        let plain = Pricing::per_token(rate("0.000001"), rate("0"));
        let pricing = Pricing { kinds: written, ..plain };
        let lost = Lost { pricing: Some(pricing), abort_stops_billing: true };
        let answered = Usage {
            cached_tokens: 10,
            cache_write_tokens: 20,
            cache_write_1h_tokens: 30,
            ..Usage::of(100, 10)
        };
        let cost = lost.cost(answered, Timestamp::from_micros(0));
        assert_eq!(cost, Nanos::new(40 * 1_000 + 30 * 2_000 + 30 * 3_000));
    }
}
