//! Errors on their way out: the only place that knows statuses and OpenRouter's envelope.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use keyway_core::error::{Error, ErrorKind};
use keyway_core::store::StoreError;
use keyway_providers::face::messages;
use serde_json::{Map, Value, json};

use super::redact::redact;

/// Seconds after which a caller may try again when the store failed.
const RETRY_AFTER_SECONDS: u32 = 1;

/// An error with what its answer says beyond the message.
#[derive(Debug)]
pub struct ApiError(Box<Parts>);

#[derive(Debug)]
struct Parts {
    error: Error,
    /// Where the kind leaves a choice: a provider's own status, passed on.
    status: Option<StatusCode>,
    /// Beside `error_type`.
    metadata: Map<String, Value>,
    retry_after_seconds: Option<u32>,
    /// Besides those that follow from the rest.
    headers: HeaderMap,
}

impl ApiError {
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.0.status = Some(status);
        self
    }

    #[must_use]
    pub fn with_metadata(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.metadata.insert(name.to_owned(), value.into());
        self
    }

    #[must_use]
    pub fn with_retry_after(mut self, seconds: u32) -> Self {
        self.0.retry_after_seconds = Some(seconds);
        self
    }

    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.insert(name, value);
        self
    }

    pub fn status(&self) -> StatusCode {
        self.0.status.unwrap_or(match self.0.error.kind {
            ErrorKind::Invalid => StatusCode::BAD_REQUEST,
            ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
            ErrorKind::PaymentRequired => StatusCode::PAYMENT_REQUIRED,
            ErrorKind::Forbidden => StatusCode::FORBIDDEN,
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            ErrorKind::Timeout => StatusCode::REQUEST_TIMEOUT,
            ErrorKind::Conflict => StatusCode::CONFLICT,
            ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ErrorKind::Unprocessable => StatusCode::UNPROCESSABLE_ENTITY,
            ErrorKind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            ErrorKind::Upstream => StatusCode::BAD_GATEWAY,
            ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        })
    }

    pub fn message(&self) -> &str {
        &self.0.error.message
    }

    /// A word of the contract's vocabulary (C.4).
    pub fn error_type(&self) -> &'static str {
        error_type(self.0.error.kind)
    }

    /// Which limit stands in the way, where one does; else the type of the error.
    fn reason(&self) -> &str {
        let limit = self.0.metadata.get("limit_source").and_then(Value::as_str);
        limit.unwrap_or_else(|| self.error_type())
    }

    /// `{"error":{"code":…,"message":…,"metadata":{…}}}`; `code` is the status, a number.
    pub fn envelope(&self) -> Value {
        let mut metadata = Map::new();
        metadata.insert("error_type".into(), self.error_type().into());
        if let Some(field) = &self.0.error.field {
            metadata.insert("field".into(), field.as_str().into());
        }
        metadata.extend(self.0.metadata.clone());
        json!({"error": {
            "code": self.status().as_u16(),
            "message": self.0.error.message,
            "metadata": metadata,
        }})
    }

    /// As Anthropic's clients read it (contract, C.10), with what OpenRouter's envelope says besides.
    pub(super) fn anthropic_envelope(&self) -> Value {
        let mut body = messages::error_body(self.message(), self.error_type(), None);
        body["metadata"] = self.envelope()["error"]["metadata"].take();
        body
    }

    /// A failure is logged once, here, where it is answered. What callers get wrong is theirs; that
    /// the store cannot be written is logged by the store, once and not per request.
    fn log(&self) {
        let detail = self.0.error.detail.as_deref().unwrap_or_default();
        match self.0.error.kind {
            ErrorKind::Internal => tracing::error!(detail, "a request failed by our own fault"),
            ErrorKind::Upstream => tracing::warn!(detail, "a provider failed"),
            _ => tracing::debug!(detail, said = self.message(), "a request was refused"),
        }
    }
}

const fn error_type(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Invalid | ErrorKind::MethodNotAllowed => "invalid_request",
        ErrorKind::Unauthenticated => "authentication",
        ErrorKind::PaymentRequired => "payment_required",
        ErrorKind::Forbidden => "permission_denied",
        ErrorKind::NotFound => "not_found",
        ErrorKind::Timeout => "timeout",
        ErrorKind::Conflict => "precondition_failed",
        ErrorKind::TooLarge => "payload_too_large",
        ErrorKind::Unprocessable => "unprocessable",
        ErrorKind::RateLimited => "rate_limit_exceeded",
        ErrorKind::Internal => "server",
        ErrorKind::Upstream => "provider_unavailable",
        ErrorKind::Unavailable => "provider_overloaded",
    }
}

impl From<Error> for ApiError {
    /// What a caller said and hears again, in a message, may be a key at the wrong place.
    fn from(mut error: Error) -> Self {
        error.message = redact(&error.message).into_owned();
        error.detail = error.detail.map(|detail| redact(&detail).into_owned());
        let retries = error.kind == ErrorKind::Unavailable;
        Self(Box::new(Parts {
            error,
            status: None,
            metadata: Map::new(),
            retry_after_seconds: retries.then_some(RETRY_AFTER_SECONDS),
            headers: HeaderMap::new(),
        }))
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Error::from(error).into()
    }
}

/// Why a request was refused, in a word: what limits it, or the type of its error.
#[derive(Clone, Debug)]
pub(super) struct Refused(pub(super) String);

/// The body that an error would have for Anthropic's clients.
#[derive(Clone, Debug)]
struct InAnthropicsWords(Value);

/// Puts the errors of routes that Anthropic's clients call into Anthropic's envelope: of whatever is
/// answered there, whoever refused it.
pub async fn in_anthropics_words(mut response: Response) -> Response {
    let Some(InAnthropicsWords(body)) = response.extensions_mut().remove() else {
        return response;
    };
    let (parts, _) = response.into_parts();
    Response::from_parts(parts, Json(body).into_response().into_body())
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.log();
        self.unlogged()
    }
}

impl ApiError {
    /// The answer, for one that is made before anything goes wrong.
    pub(super) fn unlogged(self) -> Response {
        let mut response = (self.status(), Json(self.envelope())).into_response();
        response.extensions_mut().insert(InAnthropicsWords(self.anthropic_envelope()));
        response.extensions_mut().insert(Refused(self.reason().to_owned()));
        response.headers_mut().extend(self.0.headers);
        if let Some(seconds) = self.0.retry_after_seconds {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if self.0.error.kind == ErrorKind::Unauthenticated {
            let challenge = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_the_status_and_the_detail_stays_inside() {
        let error =
            ApiError::from(Error::invalid("limit", "must not be negative").with_detail("x"));
        let expected = json!({"error": {
            "code": 400,
            "message": "limit: must not be negative",
            "metadata": {"error_type": "invalid_request", "field": "limit"},
        }});
        assert_eq!(error.envelope(), expected);
    }
}
