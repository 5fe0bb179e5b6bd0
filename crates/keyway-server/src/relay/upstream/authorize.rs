//! How a credential is presented, a dialect at a time.

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderName};
use http::{HeaderMap, HeaderValue, Request};
use http_body_util::Full;
use keyway_core::clock::Timestamp;
use keyway_core::secret::KeySecret;
use keyway_providers::chat::ChatRequest;
use keyway_providers::dialect::Dialect;
use zeroize::Zeroizing;

use super::Failure;
use super::aws::AccessKey;

/// Azure's.
const API_KEY: HeaderName = HeaderName::from_static("api-key");
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const X_GOOG_API_KEY: HeaderName = HeaderName::from_static("x-goog-api-key");
const ANTHROPIC_BETA: HeaderName = HeaderName::from_static("anthropic-beta");
/// Of the W3C's trace context.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// How Google's keys begin; its access tokens do not.
const GOOGLE_KEY_PREFIX: &str = "AIza";
const ANTHROPIC_VERSION: HeaderName = HeaderName::from_static("anthropic-version");
/// The version of the Messages API that is spoken here.
const ANTHROPIC_VERSION_SPOKEN: HeaderValue = HeaderValue::from_static("2023-06-01");

/// Authorizes `call`, whose body is `body`, as of `now`.
pub(super) fn authorize(
    call: &mut Request<Full<Bytes>>,
    body: &[u8],
    dialect: Dialect,
    key: Option<&KeySecret>,
    now: Timestamp,
) -> Result<(), Failure> {
    call.headers_mut().extend(headers(dialect, key)?);
    match key.filter(|_| dialect == Dialect::Bedrock).and_then(AccessKey::read) {
        Some(key) => key.sign(call, body, now),
        None => Ok(()),
    }
}

/// The headers that a provider of this dialect wants, with the credential among them.
fn headers(dialect: Dialect, key: Option<&KeySecret>) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    if dialect == Dialect::Anthropic {
        headers.insert(ANTHROPIC_VERSION, ANTHROPIC_VERSION_SPOKEN);
    }
    let Some(secret) = key else { return Ok(headers) };
    let key = secret.expose();
    match dialect {
        Dialect::OpenAi(quirks) if quirks.wants_api_key_header() => {
            headers.insert(API_KEY, sensitive(key)?)
        }
        // It is signed with, and not sent.
        Dialect::Bedrock if AccessKey::read(secret).is_some() => None,
        Dialect::Vertex | Dialect::VertexAnthropic if key.starts_with(GOOGLE_KEY_PREFIX) => {
            headers.insert(X_GOOG_API_KEY, sensitive(key)?)
        }
        Dialect::OpenAi(_)
        | Dialect::Bedrock
        | Dialect::Cohere
        | Dialect::Vertex
        | Dialect::VertexAnthropic => headers.insert(AUTHORIZATION, bearer(key)?),
        Dialect::Anthropic => headers.insert(X_API_KEY, sensitive(key)?),
        Dialect::Gemini => headers.insert(X_GOOG_API_KEY, sensitive(key)?),
    };
    Ok(headers)
}

/// Which trace a request belongs to, where its provider is told.
pub(super) fn traceparent(request: &ChatRequest) -> Option<(HeaderName, HeaderValue)> {
    let value = HeaderValue::from_str(request.traceparent.as_deref()?).ok()?;
    Some((TRACEPARENT, value))
}

/// What a client of Anthropic's turned on, for a provider that speaks its dialect.
pub(super) fn betas(dialect: Dialect, request: &ChatRequest) -> HeaderMap {
    let betas = request.betas.as_deref().filter(|_| dialect.is_anthropics());
    let value = betas.and_then(|betas| HeaderValue::from_str(betas).ok());
    value.into_iter().map(|value| (ANTHROPIC_BETA, value)).collect()
}

fn bearer(token: &str) -> Result<HeaderValue, Failure> {
    sensitive(&Zeroizing::new(format!("Bearer {token}")))
}

/// One that came with a request may be no header's value.
fn sensitive(text: &str) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| Failure::new("The provider's key has characters that no header takes"))?;
    value.set_sensitive(true);
    Ok(value)
}
