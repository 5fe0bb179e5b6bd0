//! Sending a request to the endpoints of its plan, in order, until one begins to answer.

use http::StatusCode;
use keyway_core::error::{Error, ErrorKind};
use keyway_core::routing::{Attempt, Plan};
use keyway_providers::chat::ChatRequest;
use keyway_providers::dialect::Target;
use serde_json::{Value, json};

use super::upstream::{Failure, Reply, Upstream};
use crate::app::App;
use crate::http::error::ApiError;

/// An endpoint that began to answer, and what it said.
#[derive(Debug)]
pub(super) struct Dispatched<'a> {
    pub(super) attempt: &'a Attempt,
    pub(super) upstream: &'a Upstream,
    pub(super) reply: Reply,
}

/// Tries each endpoint once. Nothing was sent to the client yet, so the next may answer in its place.
pub(super) async fn dispatch<'a>(
    app: &'a App,
    plan: &'a Plan,
    request: &ChatRequest,
) -> Result<Dispatched<'a>, ApiError> {
    let mut failures: Vec<(&str, Failure)> = Vec::new();
    for attempt in plan.attempts() {
        let endpoint = attempt.endpoint();
        let Some(upstream) = app.upstreams.get(&endpoint.provider) else { continue };
        let target = Target {
            model: &endpoint.upstream_model,
            completion_tokens_max: attempt.max_completion_tokens(),
        };
        match upstream.send(request, &target, None).await {
            Ok(reply) => return Ok(Dispatched { attempt, upstream, reply }),
            Err(failure) => failures.push((&upstream.name, failure)),
        }
    }
    Err(exhausted(failures))
}

/// The last failure is the answer; those before it are named in the metadata.
fn exhausted(mut failures: Vec<(&str, Failure)>) -> ApiError {
    let Some((provider, last)) = failures.pop() else {
        return Error::internal("a model without endpoints passed the configuration").into();
    };
    let previous: Vec<Value> =
        failures.iter().map(|(name, failure)| attempt(name, failure)).collect();
    let mut error = provider_error(provider, &last);
    if !previous.is_empty() {
        error = error.with_metadata("previous_errors", previous);
    }
    error
}

fn attempt(provider: &str, failure: &Failure) -> Value {
    json!({
        "provider": provider,
        "code": failure.status.map(|status| status.as_u16()),
        "message": failure.message,
    })
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
    let detail = format!("{provider}: {}", failure.message);
    let mut error = ApiError::from(Error::new(kind, "Provider returned error").with_detail(detail))
        .with_status(status)
        .with_metadata("raw", failure.message.as_str())
        .with_metadata("provider_name", provider)
        .with_metadata("is_byok", false);
    if let Some(seconds) = failure.retry_after_seconds {
        error = error.with_retry_after(seconds).with_metadata("retry_after_seconds", seconds);
    }
    error
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
