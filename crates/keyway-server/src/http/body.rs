//! Request bodies: bounded in size and time, JSON read strictly.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::header;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use keyway_core::error::{Error, ErrorKind};
use keyway_providers::json;
use serde_json::{Map, Value};

use super::error::ApiError;

/// Largest body of a management call.
pub const MANAGEMENT_BYTES_MAX: usize = 1024 * 1024;
/// Largest body of an inference call; images travel inside.
pub const INFERENCE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// How long a body may take to arrive.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// How much of a body that is too large is read away beyond its limit, and for how long.
const DISCARDED_BYTES_MAX: usize = 8 * 1024 * 1024;
const DISCARD_TIMEOUT: Duration = Duration::from_secs(5);

/// Reads a whole body of at most `bytes_max`.
pub async fn read(request: Request, bytes_max: usize) -> Result<Bytes, ApiError> {
    let too_large = || {
        let message =
            format!("Request payload too large: at most {bytes_max} bytes are taken here");
        ApiError::from(Error::new(ErrorKind::TooLarge, message))
    };
    let announced = request.headers().get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > bytes_max as u64) {
        // A client that waits to be told to go on is told not to; one that sends already would see
        // a broken connection instead of the answer, so its body is read away, within bounds.
        if !request.headers().contains_key(header::EXPECT) {
            let rest = Limited::new(request.into_body(), bytes_max + DISCARDED_BYTES_MAX);
            let _ = tokio::time::timeout(DISCARD_TIMEOUT, discard(rest)).await;
        }
        return Err(too_large());
    }
    let body: Limited<Body> = Limited::new(request.into_body(), bytes_max);
    match tokio::time::timeout(READ_TIMEOUT, body.collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(error)) => {
            let message = "The request's body broke off";
            Err(Error::new(ErrorKind::Invalid, message).with_detail(error.to_string()).into())
        }
        Err(_) => {
            let message =
                format!("The request's body took longer than {} s", READ_TIMEOUT.as_secs());
            Err(Error::new(ErrorKind::Timeout, message).into())
        }
    }
}

async fn discard(mut body: Limited<Body>) {
    while let Some(Ok(_)) = body.frame().await {}
}

/// Reads JSON; duplicate keys are an error, since two readers could take either.
pub fn parse(body: &[u8]) -> Result<Value, ApiError> {
    json::parse(body).map_err(|error| {
        Error::new(ErrorKind::Invalid, format!("The request's body {error}")).into()
    })
}

/// The body of a management call that says nothing which has no default: an empty one says nothing.
#[derive(Debug)]
pub struct OptionalObjectBody(pub Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for OptionalObjectBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, Self::Rejection> {
        let bytes = read(request, MANAGEMENT_BYTES_MAX).await?;
        if bytes.is_empty() { Ok(Self(Map::new())) } else { object(&bytes).map(Self) }
    }
}

fn object(bytes: &[u8]) -> Result<Map<String, Value>, ApiError> {
    let Value::Object(fields) = parse(bytes)? else {
        let message = "The request's body must be a JSON object";
        return Err(Error::new(ErrorKind::Invalid, message).into());
    };
    Ok(fields)
}

/// The body of a management call: one JSON object, and its bytes.
#[derive(Debug)]
pub struct ObjectBody {
    pub fields: Map<String, Value>,
    pub bytes: Bytes,
}

impl<S: Send + Sync> FromRequest<S> for ObjectBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, Self::Rejection> {
        let bytes = read(request, MANAGEMENT_BYTES_MAX).await?;
        Ok(Self { fields: object(&bytes)?, bytes })
    }
}
