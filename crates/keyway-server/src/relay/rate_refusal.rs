//! Refusals for a rate limit: which it is, what of it is left, and when to ask again.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use keyway_core::clock::Timestamp;
use keyway_core::error::{Error, ErrorKind};
use keyway_core::rate::{Figure, RateLimit, Refused, Retry};
use serde_json::{Map, Value};

use super::rates::RateError;
use crate::http::error::ApiError;

/// When to ask again where nobody knows: a request may end, or another node be asked, at any moment.
const SOON: Duration = Duration::from_secs(1);
/// What client libraries look at before they ask again by themselves.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// What a request hears that may use `tokens` and was not admitted at `now`.
///
/// The three headers are those of a platform's 429 (contract, A.7); `error.metadata.headers` repeats
/// them.
pub(super) fn rate_refusal(error: RateError, tokens: u64, now: Timestamp) -> ApiError {
    let (refused, figure) = match error {
        RateError::Store(error) => return error.into(),
        RateError::Refused(refused, figure) => (refused, figure),
    };
    let wait = match refused.retry {
        Retry::After(wait) => wait,
        Retry::WhenOneEnds | Retry::Elsewhere => SOON,
        Retry::Smaller => Duration::ZERO,
    };
    let micros = i64::try_from(wait.as_micros()).unwrap_or(i64::MAX);
    let reset_ms = now.as_micros().saturating_add(micros).div_euclid(1_000) + 1;
    let seconds = u32::try_from(wait.as_millis().div_ceil(1_000)).unwrap_or(u32::MAX);
    let mut error = ApiError::from(Error::new(
        ErrorKind::RateLimited,
        format!("Rate limit exceeded: {}", explain(&refused, figure, tokens, seconds)),
    ))
    .with_metadata("limit_source", refused.limit.as_str());
    let mut said = Map::new();
    for (name, shown, value) in [
        ("x-ratelimit-limit", "X-RateLimit-Limit", figure.get().into()),
        ("x-ratelimit-remaining", "X-RateLimit-Remaining", refused.left.into()),
        ("x-ratelimit-reset", "X-RateLimit-Reset", reset_ms.into()),
    ] {
        let value: HeaderValue = value;
        said.insert(shown.to_owned(), value.to_str().unwrap_or_default().into());
        error = error.with_header(HeaderName::from_static(name), value);
    }
    error = error.with_metadata("headers", Value::Object(said));
    if refused.retry == Retry::Smaller {
        return error.with_header(SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    error.with_metadata("retry_after_seconds", seconds).with_retry_after(seconds)
}

fn explain(refused: &Refused, figure: Figure, tokens: u64, seconds: u32) -> String {
    let Refused { limit, share, left, retry } = *refused;
    let allowed = match limit {
        RateLimit::Requests => format!("this key may make {} requests per minute", figure.get()),
        RateLimit::Tokens => format!("this key may use {} tokens per minute", figure.get()),
        RateLimit::Concurrency => {
            format!("this key may have {} requests in flight at once", figure.get())
        }
    };
    let part = if u64::from(figure.get()) == share {
        String::new()
    } else {
        format!(", of which this node has {share}")
    };
    let asked = match limit {
        RateLimit::Tokens => format!(" {left} are left, and this request may use {tokens}."),
        RateLimit::Requests | RateLimit::Concurrency => String::new(),
    };
    let advice = match retry {
        Retry::After(_) => format!("Try again in {seconds} s."),
        Retry::WhenOneEnds => "Try again when one has ended.".to_owned(),
        Retry::Smaller => "Ask for fewer max_tokens, or for a higher limit.".to_owned(),
        Retry::Elsewhere => "Try again: another node may have one.".to_owned(),
    };
    format!("{allowed}{part}.{asked} {advice}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_says_what_helps() {
        let figure = Figure::new(10).expect("in range");
        let now = Timestamp::from_micros(1_800_000_000_000_000);
        let wait = Retry::After(Duration::from_millis(2_500));
        let case = |limit, share, left, retry| {
            let refused = Refused { limit, share, left, retry };
            rate_refusal(RateError::Refused(refused, figure), 7, now)
        };
        for (error, said, retry_after, reset) in [
            (
                case(RateLimit::Requests, 10, 0, wait),
                "this key may make 10 requests per minute. Try again in 3 s.",
                Some(3),
                "1800000002501",
            ),
            (
                case(RateLimit::Tokens, 5, 2, Retry::Smaller),
                "this key may use 10 tokens per minute, of which this node has 5. 2 are left, and \
                 this request may use 7. Ask for fewer max_tokens, or for a higher limit.",
                None,
                "1800000000001",
            ),
            (
                case(RateLimit::Concurrency, 10, 0, Retry::WhenOneEnds),
                "this key may have 10 requests in flight at once. Try again when one has ended.",
                Some(1),
                "1800000001001",
            ),
            (
                case(RateLimit::Requests, 0, 0, Retry::Elsewhere),
                "this key may make 10 requests per minute, of which this node has 0. Try again: \
                 another node may have one.",
                Some(1),
                "1800000001001",
            ),
        ] {
            assert_eq!(error.status(), 429);
            assert_eq!(error.message(), format!("Rate limit exceeded: {said}"));
            let metadata = &error.envelope()["error"]["metadata"];
            assert_eq!(metadata["error_type"], "rate_limit_exceeded");
            assert_eq!(metadata["headers"]["X-RateLimit-Limit"], "10");
            assert_eq!(metadata["headers"]["X-RateLimit-Reset"], reset);
            assert_eq!(metadata["retry_after_seconds"].as_u64(), retry_after);
        }
    }
}
