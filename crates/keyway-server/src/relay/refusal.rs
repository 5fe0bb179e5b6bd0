//! Refusals for money, in the words that clients match and with figures that explain them.

use keyway_core::budget::ResetInterval;
use keyway_core::error::{Error, ErrorKind};
use keyway_core::key::KeyRecord;
use keyway_core::ledger::{Refusal, RefusalReason};
use keyway_core::money::Nanos;
use serde_json::Value;

use super::bound::Bound;
use super::clamp::MAX_COST;
use crate::http::error::ApiError;
use crate::http::usd::Usd;

/// The budgets that refuse: the key's own limit, and what a request says that it may cost.
pub(super) const KEY_LIMIT: &str = "key_limit";
pub(super) const REQUEST: &str = "request";

/// Nothing left under the key's own limit is a 403, too little a 402 with the affordable number of
/// tokens (contract, F.2).
pub(super) fn refusal(
    refusal: &Refusal,
    bound: &Bound,
    key: &KeyRecord,
    public_url: &str,
) -> ApiError {
    let manage = format!("{public_url}/api/v1/keys/{}", key.hash);
    let available = refusal.available();
    let error = match refusal.reason {
        RefusalReason::Closed => {
            return Error::new(ErrorKind::Unauthenticated, "This API key is disabled").into();
        }
        RefusalReason::Exhausted => Error::new(
            ErrorKind::Forbidden,
            format!(
                "Key limit exceeded ({} limit). Manage it using PATCH {manage}",
                limit_name(refusal.reset)
            ),
        ),
        RefusalReason::TooLittle | RefusalReason::Held => Error::new(
            ErrorKind::PaymentRequired,
            format!(
                "This request requires more credits, or fewer max_tokens. You requested up to {} \
                 tokens, but can only afford {}. {}To increase, use PATCH {manage}",
                bound.usage.completion_tokens,
                bound.affordable_tokens(available),
                waiting(refusal),
            ),
        ),
    };
    ApiError::from(error)
        .with_metadata("limit_source", KEY_LIMIT)
        .with_metadata("limit", Usd(refusal.limit).to_json())
        .with_metadata("limit_reset", refusal.reset.map(ResetInterval::as_str))
        .with_metadata("resets_at", refusal.resets_at.map(|at| at.to_string()))
        .with_metadata("spent", Usd(refusal.spent).to_json())
        .with_metadata("held", Usd(refusal.held).to_json())
        .with_metadata("requested", Usd(refusal.bound).to_json())
        .with_metadata("affordable_tokens", bound.affordable_tokens(available))
}

/// The request may cost more than it says itself that it may.
pub(super) fn over_ceiling(bound: &Bound, ceiling: Nanos) -> ApiError {
    let affordable = bound.affordable_tokens(ceiling);
    let message = format!(
        "This request requires more credits, or fewer max_tokens. You requested up to {} tokens, \
         but can only afford {affordable}. Its {MAX_COST} is ${ceiling}, and it may cost ${}",
        bound.usage.completion_tokens, bound.cost,
    );
    ApiError::from(Error::new(ErrorKind::PaymentRequired, message))
        .with_metadata("limit_source", REQUEST)
        .with_metadata("limit", Usd(ceiling).to_json())
        .with_metadata("limit_reset", Value::Null)
        .with_metadata("resets_at", Value::Null)
        .with_metadata("spent", Usd(Nanos::ZERO).to_json())
        .with_metadata("held", Usd(Nanos::ZERO).to_json())
        .with_metadata("requested", Usd(bound.cost).to_json())
        .with_metadata("affordable_tokens", affordable)
}

fn limit_name(reset: Option<ResetInterval>) -> &'static str {
    reset.map_or("total", ResetInterval::as_str)
}

/// Money that is held is not spent; saying so tells a caller that trying again may work.
fn waiting(refusal: &Refusal) -> String {
    if refusal.held == Nanos::ZERO {
        return String::new();
    }
    format!("${} are held by requests in flight. ", refusal.held)
}
