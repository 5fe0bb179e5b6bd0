//! How a credential is presented, a dialect at a time.

use std::fmt;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
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

/// Headers of a call beside those that are always there: its host, its length, what it turns on and its trace.
const HEADERS_MORE: usize = 4;
const HEADERS: [(HeaderName, HeaderValue); 2] = [
    (CONTENT_TYPE, HeaderValue::from_static("application/json")),
    (
        ACCEPT,
        HeaderValue::from_static(
            "application/json, text/event-stream, application/vnd.amazon.eventstream",
        ),
    ),
];

/// What a call presents, made once for many calls.
pub(super) struct Presented {
    key: Option<KeySecret>,
    /// What a provider of the dialect wants with every call, with the credential among it.
    headers: HeaderMap,
}

impl Presented {
    /// # Errors
    /// Where `key` cannot be said in a header.
    pub(super) fn new(dialect: Dialect, key: Option<KeySecret>) -> Result<Self, Failure> {
        let mut headers = headers(dialect, key.as_ref())?;
        headers.extend(HEADERS);
        headers.reserve(HEADERS_MORE);
        Ok(Self { key, headers })
    }

    /// What must not be passed on, whatever a provider repeats.
    pub(super) fn secret(&self) -> Option<&str> {
        self.key.as_ref().map(KeySecret::expose)
    }

    /// A call of `uri`, as of `now` where that counts.
    pub(super) fn call(
        &self,
        uri: Uri,
        body: Bytes,
        dialect: Dialect,
        now: impl FnOnce() -> Timestamp,
    ) -> Result<Request<Full<Bytes>>, Failure> {
        let signing = self.key.as_ref().filter(|_| dialect == Dialect::Bedrock);
        let signing = signing.and_then(AccessKey::read).map(|key| (key, body.clone()));
        let mut call = Request::new(Full::new(body));
        *call.method_mut() = Method::POST;
        *call.uri_mut() = uri;
        *call.headers_mut() = self.headers.clone();
        if let Some((key, body)) = signing {
            key.sign(&mut call, &body, now())?;
        }
        Ok(call)
    }
}

impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presented").finish_non_exhaustive()
    }
}

/// The headers by which a dialect is told from others, with the credential among them.
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
pub(super) fn betas(dialect: Dialect, request: &ChatRequest) -> Option<(HeaderName, HeaderValue)> {
    let betas = request.betas.as_deref().filter(|_| dialect.is_anthropics())?;
    let value = HeaderValue::from_str(betas).ok()?;
    Some((ANTHROPIC_BETA, value))
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
