//! Request bodies: bounded in size and time and in what all of them hold, JSON read strictly.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::{FromRef, FromRequest, Request};
use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use keyway_core::error::{Error, ErrorKind};
use keyway_core::id::KeyId;
use keyway_providers::json::{self, JsonError, Text};
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout, timeout_at};

use super::edge::Edge;
use super::error::ApiError;
use super::memory::Hold;
use super::pieces::Pieces;
use super::turns::overloaded;
use crate::app::App;
use crate::config::ServerLimits;

/// Largest body of a management call.
pub const MANAGEMENT_BYTES_MAX: usize = 1024 * 1024;
/// How often a body is in memory at once: as it came, and as it was understood.
const COPIES: usize = 2;
/// What each value of a body takes beyond the text that it has, as it was understood.
const VALUE_BYTES: usize = 96;
/// How long a body may come as slowly as it likes.
const RATE_GRACE: Duration = Duration::from_secs(10);
/// How much of a body that is too large is read away beyond its limit, and for how long.
const DISCARDED_BYTES_MAX: usize = 8 * 1024 * 1024;
const DISCARD_TIMEOUT: Duration = Duration::from_secs(5);

/// A whole body, and what it holds of the memory for all of them.
#[derive(Debug)]
pub struct Held {
    pub bytes: Bytes,
    pub(crate) hold: Hold,
}

impl Held {
    /// Reads JSON as [`parse`] does, and holds what the values take: many small ones take far more than
    /// their text.
    ///
    /// # Errors
    /// 503 besides, where there is no room for them.
    pub(crate) fn parse(self) -> Result<(Value, Hold), ApiError> {
        let (text, hold) = self.scan()?;
        Ok((text.to_value(), hold))
    }

    /// The same without a tree of it. What a tree takes is held, as one may be made.
    pub(crate) fn scan(self) -> Result<(Text, Hold), ApiError> {
        let Self { bytes, mut hold } = self;
        let text = Text::read(bytes).map_err(|error| not_json(&error))?;
        if hold.grow(text.values().saturating_mul(VALUE_BYTES)) {
            Ok((text, hold))
        } else {
            Err(overloaded())
        }
    }
}

/// Reads a whole body of at most `bytes_max`. Where it says with which key it was sent, that key's larger
/// bodies leave room for those of others.
///
/// # Errors
/// 413 where it is larger, 408 where it comes too slowly, 400 where it breaks off, 503 where there is no
/// room for it.
pub async fn read(
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
    key: Option<KeyId>,
    edge: &Edge,
) -> Result<Held, ApiError> {
    let announced = headers.get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > bytes_max as u64) {
        // A client that waits to be told to go on is told not to; one that sends already would see
        // a broken connection instead of the answer, so its body is read away, within bounds.
        if !headers.contains_key(header::EXPECT) {
            let rest = Limited::new(body, bytes_max + DISCARDED_BYTES_MAX);
            let _ = timeout(DISCARD_TIMEOUT, discard(rest)).await;
        }
        return Err(too_large(bytes_max));
    }
    let mut body = Limited::new(body, bytes_max);
    let mut hold = edge.memory.nothing(key);
    let mut pieces = Pieces::default();
    let mut began = None;
    while !body.is_end_stream() {
        let patience = patience(pieces.len(), &edge.limits);
        // Most bodies come with their heads, and nobody waits.
        let frame = if let Some(frame) = body.frame().now_or_never() {
            Ok(frame)
        } else {
            let began = *began.get_or_insert_with(Instant::now);
            timeout_at(began + patience, body.frame()).await
        };
        let frame = match frame {
            Ok(None) => break,
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(error))) if error.is::<LengthLimitError>() => {
                return Err(too_large(bytes_max));
            }
            Ok(Some(Err(error))) => return Err(broken_off(error.to_string())),
            Err(_) => return Err(too_slow(patience)),
        };
        let Ok(data) = frame.into_data() else { continue };
        if !hold.grow(data.len().saturating_mul(COPIES)) {
            return Err(overloaded());
        }
        pieces.push(data);
    }
    Ok(Held { bytes: pieces.whole(), hold })
}

/// How long a body may take of which `received` bytes are here.
fn patience(received: usize, limits: &ServerLimits) -> Duration {
    let earned = received / limits.body_bytes_per_second_min.max(1);
    let earned = RATE_GRACE + Duration::from_secs(earned as u64);
    earned.min(limits.body_timeout)
}

async fn discard(mut body: Limited<Body>) {
    while let Some(Ok(_)) = body.frame().await {}
}

fn too_large(bytes_max: usize) -> ApiError {
    let message = format!("Request payload too large: at most {bytes_max} bytes are taken here");
    Error::new(ErrorKind::TooLarge, message).into()
}

fn broken_off(detail: String) -> ApiError {
    Error::new(ErrorKind::Invalid, "The request's body broke off").with_detail(detail).into()
}

fn too_slow(patience: Duration) -> ApiError {
    let message = format!("The request's body comes too slowly: it is not here after {patience:?}");
    Error::new(ErrorKind::Timeout, message).into()
}

/// Reads JSON; duplicate keys are an error, since two readers could take either.
pub fn parse(body: &[u8]) -> Result<Value, ApiError> {
    json::parse(body).map_err(|error| not_json(&error))
}

fn not_json(error: &JsonError) -> ApiError {
    Error::new(ErrorKind::Invalid, format!("The request's body {error}")).into()
}

/// The body of a management call that says nothing which has no default: an empty one says nothing.
#[derive(Debug)]
pub struct OptionalObjectBody(pub Map<String, Value>);

impl<S> FromRequest<S> for OptionalObjectBody
where
    Arc<App>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let app = Arc::<App>::from_ref(state);
        let (head, body) = request.into_parts();
        let body = read(&head.headers, body, MANAGEMENT_BYTES_MAX, None, &app.edge).await?;
        let bytes = body.bytes;
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

impl<S> FromRequest<S> for ObjectBody
where
    Arc<App>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let app = Arc::<App>::from_ref(state);
        let (head, body) = request.into_parts();
        let body = read(&head.headers, body, MANAGEMENT_BYTES_MAX, None, &app.edge).await?;
        let bytes = body.bytes;
        Ok(Self { fields: object(&bytes)?, bytes })
    }
}
