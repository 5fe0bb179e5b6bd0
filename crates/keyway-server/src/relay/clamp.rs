//! What a request says of its own money: a ceiling, and that it would rather be shorter than refused.

use std::time::Duration;

use http::{HeaderMap, HeaderName};
use keyway_core::budget::Windows;
use keyway_core::error::Error;
use keyway_core::key::OnLimit;
use keyway_core::ledger::{Refusal, RefusalReason};
use keyway_core::money::Nanos;
use keyway_core::routing::Plan;
use keyway_providers::chat::ChatRequest;
use tokio::time::Instant;

use super::bound::{self, Bound};
use super::job::Job;
use super::meter::ReserveError;
use super::refusal::over_ceiling;
use crate::http::error::ApiError;

/// Headers, as they are found and as they are told of.
static ON_LIMIT_HEADER: HeaderName = HeaderName::from_static("x-keyway-on-limit");
const ON_LIMIT: &str = "X-Keyway-On-Limit";
static MAX_COST_HEADER: HeaderName = HeaderName::from_static("x-keyway-max-cost");
pub(super) const MAX_COST: &str = "X-Keyway-Max-Cost";
pub(super) const MAX_TOKENS: HeaderName = HeaderName::from_static("x-keyway-max-tokens");
/// How often a request is made shorter: others may take what it was about to reserve.
const CLAMPS_MAX: usize = 64;
/// After this long a request that was made shorter is not made shorter once more.
const CLAMP_TIME_MAX: Duration = Duration::from_secs(4);

/// What a request's headers say of its money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wish {
    /// Lower `max_tokens` to what can be paid, rather than refuse.
    pub(super) clamps: bool,
    /// It says itself what becomes of it at its limit: then nothing else does.
    pub(super) is_explicit: bool,
    /// The most that the request may cost.
    pub(super) ceiling: Option<Nanos>,
}

impl Wish {
    /// `usual` is what the key says of all its requests.
    pub(super) fn of(headers: &HeaderMap, usual: OnLimit) -> Result<Self, Error> {
        let word = single(headers, &ON_LIMIT_HEADER, ON_LIMIT)?;
        let on_limit = match word {
            None => usual,
            Some(word) => OnLimit::parse(word)
                .ok_or_else(|| Error::invalid(ON_LIMIT, "must be refuse or clamp"))?,
        };
        let clamps = on_limit == OnLimit::Clamp;
        let ceiling = single(headers, &MAX_COST_HEADER, MAX_COST)?.map(|text| {
            let why = |error| format!("{error}; it takes an amount in USD, such as 0.05");
            Nanos::parse_limit(text).map_err(|error| Error::invalid(MAX_COST, why(error)))
        });
        Ok(Self { clamps, is_explicit: word.is_some(), ceiling: ceiling.transpose()? })
    }

    /// Holds the request to its ceiling.
    pub(super) fn fit(
        &self,
        request: &mut ChatRequest,
        plan: &Plan,
        bound: Bound,
    ) -> Result<Bound, ApiError> {
        let Some(ceiling) = self.ceiling.filter(|ceiling| bound.cost > *ceiling) else {
            return Ok(bound);
        };
        let shorter = if self.clamps { shorten(request, plan, &bound, ceiling) } else { None };
        shorter.ok_or_else(|| over_ceiling(&bound, ceiling))
    }
}

/// A header that decides about money is said once, or not at all.
fn single<'a>(
    headers: &'a HeaderMap,
    header: &HeaderName,
    name: &str,
) -> Result<Option<&'a str>, Error> {
    let mut values = headers.get_all(header).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Error::invalid(name, "must not be repeated"));
    }
    let text = value.to_str().map_err(|_| Error::invalid(name, "must be ASCII text"))?;
    Ok(Some(text.trim()))
}

/// The most tokens that each answer to `request` may have.
pub(super) fn max_tokens(request: &ChatRequest, plan: &Plan) -> u64 {
    request.max_tokens.unwrap_or(plan.max_completion_tokens())
}

/// Lowers `max_tokens` to what `budget` affords after the prompt. Where that is not one token, the
/// request stays as it is.
pub(super) fn shorten(
    request: &mut ChatRequest,
    plan: &Plan,
    bound: &Bound,
    budget: Nanos,
) -> Option<Bound> {
    let each = bound.affordable_tokens(budget) / bound.choices;
    if each == 0 {
        return None;
    }
    let before = request.max_tokens;
    request.max_tokens = Some(each.min(max_tokens(request, plan)));
    let shorter = bound::bound(request, plan).ok().filter(|shorter| shorter.cost <= budget);
    if shorter.is_none() {
        request.max_tokens = before;
    }
    shorter
}

impl Job {
    /// Reserves the bound; where it is refused and the request says so, a lower one. What a refusal
    /// says may be untrue when the lower bound is asked for: then it is lowered anew.
    pub(super) async fn reserve(
        &mut self,
        request: &mut ChatRequest,
    ) -> Result<Windows, ReserveError> {
        let until = Instant::now() + CLAMP_TIME_MAX;
        let asked = self.bound;
        let mut clamps = 0;
        loop {
            let (app, cost) = (&self.app, self.bound.cost);
            let mut reserved = app.meter.reserve(self.id, &app.keyring, &self.key, cost).await;
            let Err(ReserveError::Refused(refusal)) = &mut reserved else { return reserved };
            clamps += 1;
            let tries = self.wish.clamps && clamps <= CLAMPS_MAX && Instant::now() < until;
            if !tries || !self.clamp(request, refusal) {
                // It is told what it asked for.
                self.bound = asked;
                refusal.bound = asked.cost;
                return reserved;
            }
        }
    }

    fn clamp(&mut self, request: &mut ChatRequest, refusal: &Refusal) -> bool {
        let available = refusal.available();
        let shorter = match refusal.reason {
            RefusalReason::Exhausted | RefusalReason::Closed => None,
            RefusalReason::Held => shorten(request, &self.plan, &self.bound, available),
            // Where others hold all that is left, the request waits for what they give back.
            RefusalReason::TooLittle => shorten(request, &self.plan, &self.bound, available)
                .or_else(|| shorten(request, &self.plan, &self.bound, refusal.left())),
        };
        if let Some(shorter) = shorter {
            self.bound = shorter;
        }
        shorter.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(headers: &[(&'static str, &str)]) -> Result<Wish, String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().expect("a header value"));
        }
        Wish::of(&map, OnLimit::Refuse).map_err(|error| error.message)
    }

    #[test]
    fn wishes_are_read_and_anything_else_is_refused() {
        assert_eq!(wish(&[]), Ok(Wish::default()));
        let refuses = Wish { is_explicit: true, ..Wish::default() };
        assert_eq!(wish(&[("x-keyway-on-limit", "refuse")]), Ok(refuses));
        let both = wish(&[("x-keyway-on-limit", "clamp"), ("x-keyway-max-cost", "0.000000005")]);
        assert_eq!(
            both,
            Ok(Wish { clamps: true, is_explicit: true, ceiling: Some(Nanos::new(5)) })
        );
        for value in ["", "Clamp", "clamp,refuse", "1"] {
            let message = wish(&[("x-keyway-on-limit", value)]).expect_err(value);
            assert!(message.contains("refuse or clamp"), "{message}");
        }
        for value in ["", "-1", "0x1", "NaN", "1,5", "$1", "1e400", "+1", ".5"] {
            let message = wish(&[("x-keyway-max-cost", value)]).expect_err(value);
            assert!(message.starts_with(MAX_COST), "{message}");
        }
        for (usual, said, clamps) in [
            (OnLimit::Clamp, None, true),
            (OnLimit::Clamp, Some("refuse"), false),
            (OnLimit::Refuse, Some("clamp"), true),
        ] {
            let mut map = HeaderMap::new();
            if let Some(word) = said {
                map.insert("x-keyway-on-limit", word.parse().expect("a header value"));
            }
            assert_eq!(Wish::of(&map, usual).map(|wish| wish.clamps), Ok(clamps), "{map:?}");
        }
        let twice = wish(&[("x-keyway-max-cost", "1"), ("x-keyway-max-cost", "2")]);
        assert_eq!(twice, Err("X-Keyway-Max-Cost: must not be repeated".to_owned()));
    }
}
