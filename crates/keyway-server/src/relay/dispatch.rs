//! Sending a request to the endpoints of its plan, in order, until one begins to answer.

use std::sync::atomic::{AtomicBool, Ordering};

use http::{HeaderName, HeaderValue, StatusCode};
use keyway_core::error::{Error, ErrorKind};
use keyway_core::ledger::Tried;
use keyway_core::routing::{Attempt, Plan, Presented};
use keyway_core::secret::KeySecret;
use keyway_providers::chat::ChatRequest;
use keyway_providers::dialect::Target;
use serde_json::{Value, json};

use super::admit::invalid;
use super::byok::Brought;
use super::room::{Length, Prompt};
use super::upstream::{Failure, Reply, Upstream};
use super::watch::Watch;
use crate::app::App;
use crate::http::error::ApiError;
use crate::http::redact::redact;

/// Tells OpenAI's and Anthropic's clients not to ask again by themselves.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// An endpoint that began to answer, and what it said.
#[derive(Debug)]
pub(super) struct Dispatched<'a> {
    pub(super) attempt: &'a Attempt,
    pub(super) upstream: &'a Upstream,
    pub(super) reply: Reply,
    pub(super) watch: Watch,
    /// The endpoints that failed before it, with what they answered.
    pub(super) failed: Vec<Tried>,
}

/// No endpoint of the plan answered.
#[derive(Debug)]
pub(super) struct Exhausted {
    pub(super) error: ApiError,
    pub(super) failed: Vec<Tried>,
}

/// An endpoint that did not answer.
struct Failed<'a> {
    attempt: &'a Attempt,
    provider: &'a str,
    failure: Failure,
    /// How long it took.
    ms: u64,
}

/// How long the answer to a request may become.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    pub(super) prompt: Prompt,
    /// Whether the client said it itself.
    pub(super) said: bool,
}

/// Tries each endpoint of the plan once. Nothing was said to the client yet, so the next may answer in
/// the place of one that fails; not for a client that left, and not where the answer was there and is
/// larger than the gateway takes: it was billed, and the next would be too.
pub(super) async fn dispatch<'a>(
    app: &'a App,
    plan: &'a Plan,
    brought: &Brought,
    request: &mut ChatRequest,
    reach: Reach,
    client_left: &AtomicBool,
) -> Result<Dispatched<'a>, Exhausted> {
    let asked = request.max_tokens;
    let mut failures: Vec<Failed<'_>> = Vec::new();
    for attempt in plan.attempts() {
        let answered = failures.last().is_some_and(|failed| failed.failure.too_large);
        if answered || (!failures.is_empty() && client_left.load(Ordering::Relaxed)) {
            break;
        }
        let Some(upstream) = app.upstreams.get(&attempt.endpoint().provider) else { continue };
        let Ok(credential) = brought.presented(app, attempt) else { continue };
        let length = reach.length(asked, attempt);
        let watch = Watch::start(attempt);
        match send(upstream, attempt, request, length, credential.as_ref()).await {
            Ok(reply) => {
                let watch = watch.began(matches!(reply, Reply::Stream(..)));
                let failed = failures.iter().map(Failed::tried).collect();
                return Ok(Dispatched { attempt, upstream, reply, watch, failed });
            }
            Err(failure) => {
                watch.failed(app, &failure);
                let (provider, ms) = (upstream.name.as_str(), watch.so_far_ms());
                let failed = Failed { attempt, provider, failure, ms };
                failed.log();
                failures.push(failed);
            }
        }
    }
    let failed = failures.iter().map(Failed::tried).collect();
    Err(Exhausted { error: exhausted(failures), failed })
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

/// Sends the request to one endpoint; once more for a shorter answer where it was refused for what the
/// gateway itself had asked for.
async fn send(
    upstream: &Upstream,
    attempt: &Attempt,
    request: &mut ChatRequest,
    length: Length,
    credential: Option<&KeySecret>,
) -> Result<Reply, Failure> {
    let endpoint = attempt.endpoint();
    request.serve_in(endpoint.traits.service_tier.as_deref());
    // Where a limit has to hold the provider is told what was reserved for, whoever said it.
    let tells = request.max_tokens.is_some() || request.is_held_to_bound();
    let mut tokens = length.first;
    let mut again = length.again.filter(|_| tells || upstream.always_bounds());
    loop {
        request.max_tokens = tells.then_some(tokens);
        let target = Target { model: &endpoint.upstream_model, completion_tokens_max: tokens };
        let sent = upstream.send(request, &target, credential, endpoint.patience).await;
        match (sent, again.take()) {
            (Err(failure), Some(fewer)) if failure.is_requests() && failure.untold.is_none() => {
                tokens = fewer;
            }
            (sent, _) => return sent,
        }
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
    fn log(&self) {
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
        tracing::debug!(provider, model, status, message, "an endpoint failed");
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
