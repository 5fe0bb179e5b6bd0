//! Sending a request to the endpoints of its plan, in order, until one begins to answer.

use std::sync::atomic::{AtomicBool, Ordering};

use http::{HeaderName, HeaderValue, StatusCode};
use keyway_core::error::{Error, ErrorKind};
use keyway_core::ledger::Tried;
use keyway_core::routing::{Attempt, Plan, Presented};
use keyway_providers::chat::ChatRequest;
use serde_json::{Value, json};

use super::admit::invalid;
use super::ask::{Ask, Begun, race};
use super::byok::Brought;
use super::hedge::{Hedge, Hedged};
use super::room::{Length, Prompt};
use super::upstream::Failure;
use crate::app::App;
use crate::egress::Handed;
use crate::http::error::ApiError;
use crate::http::redact::redact;
use crate::telemetry::traces::Trace;

/// Tells OpenAI's and Anthropic's clients not to ask again by themselves.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// What came of a request that is answered.
#[derive(Debug)]
pub(super) struct Dispatched<'a> {
    pub(super) begun: Begun<'a>,
    /// The endpoints that did not answer in its place.
    pub(super) failed: Vec<Tried>,
    pub(super) hedged: Option<Hedged>,
}

/// No endpoint of the plan answered.
#[derive(Debug)]
pub(super) struct Exhausted {
    pub(super) error: ApiError,
    pub(super) failed: Vec<Tried>,
}

/// An endpoint that did not answer.
pub(super) struct Failed<'a> {
    pub(super) attempt: &'a Attempt,
    pub(super) provider: &'a str,
    pub(super) failure: Failure,
    /// How long it took.
    pub(super) ms: u64,
}

/// How long the answer to a request may become.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    pub(super) prompt: Prompt,
    /// Whether the client said it itself.
    pub(super) said: bool,
}

/// What a request is sent by.
pub(super) struct Dispatch<'a> {
    pub(super) app: &'a App,
    pub(super) plan: &'a Plan,
    pub(super) brought: &'a Brought,
    pub(super) reach: Reach,
    pub(super) hedge: Option<Hedge<'a>>,
    pub(super) client_left: &'a AtomicBool,
    pub(super) trace: &'a Trace,
}

impl<'a> Dispatch<'a> {
    /// Tries each endpoint of the plan once. Nothing was said to the client yet, so the next may answer in
    /// the place of one that fails; not for a client that left, and not where the answer was there and is
    /// larger than the gateway takes: it was billed, and the next would be too. `handed` is told of the first
    /// request that goes to one endpoint alone.
    pub(super) async fn run(
        self,
        request: &mut ChatRequest,
        handed: &Handed,
    ) -> Result<Dispatched<'a>, Exhausted> {
        let (app, most) = (self.app, request.max_tokens);
        let (mut failures, mut hedged, mut place) = (Vec::new(), None, 0);
        while let Some(ask) = self.next(&mut place, most) {
            if self.is_over(&failures) {
                break;
            }
            let mut ahead = place;
            // Twice is what is held at most.
            let hedge = self.hedge.as_ref().filter(|_| hedged.is_none());
            let second = hedge.and_then(|_| self.next(&mut ahead, most));
            let second = second.filter(|second| Hedge::may_ask(ask.attempt, second.attempt));
            let asked = match (hedge, second) {
                (Some(hedge), Some(second)) => {
                    // It is large, and rare.
                    let race = race(app, hedge, (&ask, &second), request, self.client_left);
                    Box::pin(race).await
                }
                _ => ask.alone(app, request, handed).await,
            };
            if asked.hedged.is_some() {
                (hedged, place) = (asked.hedged, ahead);
            }
            failures.extend(asked.failed);
            if let Some(begun) = asked.begun {
                let failed = failures.iter().map(Failed::tried).collect();
                return Ok(Dispatched { begun, failed, hedged });
            }
        }
        let failed = failures.iter().map(Failed::tried).collect();
        Err(Exhausted { error: exhausted(failures), failed })
    }

    /// The endpoint at `place` of the plan, or the first behind it to which anything can be presented yet.
    fn next(&self, place: &mut usize, most: Option<u64>) -> Option<Ask<'a>> {
        loop {
            let attempt = self.plan.attempts().get(*place)?;
            *place += 1;
            let upstream = self.app.upstreams.get(&attempt.endpoint().provider);
            let credential = self.brought.presented(self.app, attempt);
            if let (Some(upstream), Ok(credential)) = (upstream, credential) {
                let length = self.reach.length(most, attempt);
                let trace = self.trace;
                return Some(Ask { attempt, upstream, credential, length, trace });
            }
        }
    }

    fn is_over(&self, failures: &[Failed<'_>]) -> bool {
        let answered = failures.last().is_some_and(|failed| failed.failure.too_large);
        answered || (!failures.is_empty() && self.client_left.load(Ordering::Relaxed))
    }
}

impl Reach {
    /// At one endpoint, of a request that may have `asked` tokens at most.
    fn length(self, asked: Option<u64>, attempt: &Attempt) -> Length {
        let most = attempt.max_completion_tokens();
        let longest = asked.map_or(most, |asked| asked.min(most));
        if self.said {
            return Length::said(longest);
        }
        Length::beside(self.prompt, attempt.context_length(), longest)
    }
}

/// The last failure is the answer; those before it are named in the metadata. What was not sent is the
/// answer only where nothing was.
fn exhausted(mut failures: Vec<Failed<'_>>) -> ApiError {
    failures.sort_by_key(|failed| failed.failure.untold.is_none());
    let Some((last, previous)) = failures.split_last() else {
        // All that it could present was taken away since it was planned.
        let detail = "no credential of the plan is there any more";
        return Error::unavailable(detail).into();
    };
    let error = match &last.failure.untold {
        Some(error) => invalid(error.clone()).with_metadata("provider_name", last.provider),
        None if last.attempt.is_byok() => byok_error(last.provider, &last.failure),
        None => provider_error(last.provider, &last.failure),
    };
    if previous.is_empty() {
        return error;
    }
    let previous: Vec<Value> = previous.iter().map(Failed::to_json).collect();
    error.with_metadata("previous_errors", previous)
}

impl Failed<'_> {
    fn tried(&self) -> Tried {
        let endpoint = self.attempt.endpoint();
        Tried {
            provider: endpoint.provider.clone(),
            model: self.attempt.model().id.clone(),
            endpoint: endpoint.tag(),
            status: self.failure.status.map(|status| status.as_u16()),
            is_byok: self.attempt.is_byok(),
            ms: self.ms,
        }
    }

    fn to_json(&self) -> Value {
        let status = self.failure.status.map(|status| status.as_u16());
        json!({
            "provider": self.provider,
            "provider_name": self.provider,
            "model": self.attempt.model().id,
            "code": client_status(self.failure.status).as_u16(),
            "is_byok": self.attempt.is_byok(),
            "status": status,
            "message": self.failure.message,
        })
    }

    /// A credential that is refused is for the operator to mend; all else passes by itself.
    pub(super) fn log(&self) {
        let (provider, model) = (self.provider, &self.attempt.model().id);
        let status = self.failure.status.map(|status| status.as_u16());
        let message = redact(&self.failure.message);
        if let (Presented::Kept(id), true) =
            (self.attempt.presented(), is_operators(self.failure.status))
        {
            tracing::warn!(%id, provider, model, status, "a provider refuses a credential");
        } else if is_operators(self.failure.status) && !self.attempt.is_byok() {
            tracing::warn!(provider, model, status, "a provider refuses our credential");
        }
        // Its words may repeat the prompt.
        tracing::debug!(provider, model, status, said = &*message, "an endpoint failed");
    }
}

/// A provider's failure, as OpenRouter words it (contract, C.4).
pub(super) fn provider_error(provider: &str, failure: &Failure) -> ApiError {
    let status = client_status(failure.status);
    let kind = match status {
        StatusCode::TOO_MANY_REQUESTS => ErrorKind::RateLimited,
        StatusCode::SERVICE_UNAVAILABLE => ErrorKind::Unavailable,
        StatusCode::NOT_FOUND => ErrorKind::NotFound,
        status if status.is_client_error() => ErrorKind::Invalid,
        _ => ErrorKind::Upstream,
    };
    let detail = match failure.status {
        Some(status) => format!("{provider}: {status}"),
        None => format!("{provider}: no answer"),
    };
    let mut error = ApiError::from(Error::new(kind, "Provider returned error").with_detail(detail))
        .with_status(status)
        .with_metadata("raw", failure.message.as_str())
        .with_metadata("provider_name", provider)
        .with_metadata("is_byok", false);
    if let Some(upstream) = failure.status {
        error = error.with_metadata("provider_code", upstream.as_u16());
    }
    if is_operators(failure.status) {
        // The same again fails again, until the operator has done something.
        error = error.with_header(SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    if let Some(seconds) = failure.retry_after_seconds {
        error = error.with_retry_after(seconds).with_metadata("retry_after_seconds", seconds);
    }
    error
}

/// The same of a request that presented another credential than the gateway's: that it was refused is for
/// whose it is to mend.
fn byok_error(provider: &str, failure: &Failure) -> ApiError {
    if !failure.status.is_some_and(|status| matches!(status.as_u16(), 401 | 403)) {
        return provider_error(provider, failure).with_metadata("is_byok", true);
    }
    let message = format!("{provider} refused the credential that was brought for it (BYOK)");
    let detail = format!("{provider}: a credential of the client's was refused");
    ApiError::from(Error::new(ErrorKind::Forbidden, message).with_detail(detail))
        .with_metadata("raw", failure.message.as_str())
        .with_metadata("provider_name", provider)
        .with_metadata("is_byok", true)
        .with_header(SHOULD_RETRY, HeaderValue::from_static("false"))
}

/// Whether the provider refuses the operator's credential, or wants to be paid by the operator.
fn is_operators(status: Option<StatusCode>) -> bool {
    status.is_some_and(|status| matches!(status.as_u16(), 401..=403))
}

/// What the client hears of a provider's status. That the operator's credentials were refused is
/// not the client's doing, so it is a failure of the provider.
fn client_status(upstream: Option<StatusCode>) -> StatusCode {
    match upstream.map_or(502, |status| status.as_u16()) {
        status @ (400 | 404 | 408 | 413 | 422 | 429 | 503 | 504) => {
            StatusCode::from_u16(status).expect("a known status")
        }
        529 => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_GATEWAY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_credentials_are_not_the_clients_fault() {
        for (upstream, client) in
            [(Some(401), 502), (Some(403), 502), (Some(429), 429), (Some(500), 502), (None, 502)]
        {
            let upstream = upstream.map(|code| StatusCode::from_u16(code).expect("a status"));
            assert_eq!(client_status(upstream).as_u16(), client, "{upstream:?}");
        }
    }
}
