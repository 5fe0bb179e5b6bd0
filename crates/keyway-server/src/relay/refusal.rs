//! Refusals for money, in the words that clients match and with figures that explain them.

use keyway_core::budget::ResetInterval;
use keyway_core::error::{Error, ErrorKind};
use keyway_core::id::AccountId;
use keyway_core::key::KeyRecord;
use keyway_core::ledger::{Refusal, RefusalReason};
use keyway_core::money::Nanos;
use serde_json::{Map, Value};

use super::bound::Bound;
use super::clamp::MAX_COST;
use crate::app::App;
use crate::http::error::ApiError;
use crate::http::usd::Usd;

/// What a request says that it may cost, as a budget.
pub(super) const REQUEST: &str = "request";

/// Which budget an account is, in the API's words.
pub(super) fn limit_source(account: AccountId) -> &'static str {
    if account == AccountId::INSTALLATION { "installation_budget" } else { "key_limit" }
}

/// Nothing left under a limit is a 403, too little a 402 with the affordable number of tokens
/// (contract, F.2). What all keys together may spend is for the operator to change, not by a key.
pub(super) fn refusal(refusal: &Refusal, bound: &Bound, key: &KeyRecord, app: &App) -> ApiError {
    let public_url = &app.public_url;
    let is_keys = refusal.account != AccountId::INSTALLATION;
    let remedy = if is_keys {
        format!("use PATCH {public_url}/api/v1/keys/{}", key.hash)
    } else {
        "contact the administrator of this gateway".to_owned()
    };
    let available = refusal.available();
    let error = match refusal.reason {
        RefusalReason::Closed => {
            return Error::new(ErrorKind::Unauthenticated, "This API key is disabled").into();
        }
        RefusalReason::Exhausted => {
            let interval = limit_name(refusal.reset);
            let message = if is_keys {
                let manage = format!("{public_url}/api/v1/keys/{}", key.hash);
                format!("Key limit exceeded ({interval} limit). Manage it using PATCH {manage}")
            } else if !app.has_budget {
                let message = "Insufficient credits. The operator of this gateway adds more with \
                               `keyway credits add`";
                return with_figures(
                    Error::new(ErrorKind::PaymentRequired, message),
                    refusal,
                    bound,
                );
            } else {
                let limit = refusal.limit;
                format!(
                    "Installation {interval} budget of ${limit} exceeded. Contact its administrator."
                )
            };
            Error::new(ErrorKind::Forbidden, message)
        }
        RefusalReason::TooLittle | RefusalReason::Held => Error::new(
            ErrorKind::PaymentRequired,
            format!(
                "This request requires more credits, or fewer max_tokens. You requested up to {} \
                 tokens, but can only afford {}. {}To increase, {remedy}",
                bound.usage.completion_tokens,
                bound.affordable_tokens(available),
                waiting(refusal),
            ),
        ),
    };
    with_figures(error, refusal, bound)
}

fn with_figures(error: Error, refusal: &Refusal, bound: &Bound) -> ApiError {
    figures(refusal)
        .into_iter()
        .fold(ApiError::from(error), |error, (name, figure)| error.with_metadata(name, figure))
        .with_metadata("requested", Usd(refusal.bound).to_json())
        .with_metadata("affordable_tokens", bound.affordable_tokens(refusal.available()))
}

/// The budget that refuses, and how it stands.
fn figures(refusal: &Refusal) -> [(&'static str, Value); 6] {
    [
        ("limit_source", limit_source(refusal.account).into()),
        ("limit", Usd(refusal.limit).to_json()),
        ("limit_reset", refusal.reset.map(ResetInterval::as_str).into()),
        ("resets_at", refusal.resets_at.map(|at| at.to_string()).into()),
        ("spent", Usd(refusal.spent).to_json()),
        ("held", Usd(refusal.held).to_json()),
    ]
}

/// Why a stream ends before its model has said everything.
pub(super) fn explanation(refusal: &Refusal) -> Map<String, Value> {
    let message = format!(
        "The answer ends here: more of it is not affordable. ${} of the {} limit of ${} are spent, ${} \
         are held by requests in flight, this one among them.",
        refusal.spent,
        limit_name(refusal.reset),
        refusal.limit,
        refusal.held,
    );
    let mut why = Map::new();
    why.insert("error_type".to_owned(), "payment_required".into());
    why.insert("message".to_owned(), message.into());
    why.extend(figures(refusal).map(|(name, figure)| (name.to_owned(), figure)));
    why
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
