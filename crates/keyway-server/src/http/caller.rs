//! Who calls. A handler that takes one of these as an argument cannot forget to check.

use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use http::request::Parts;
use http::{HeaderName, header};
use keyway_core::error::{Error, ErrorKind};
use keyway_core::key::{KeyKind, KeyRecord};

use super::edge::Peer;
use super::error::ApiError;
use crate::app::App;
use crate::keyring::AuthError;
use crate::telemetry::traces::Trace;

/// Where Anthropic's clients put their key.
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// Longest `Authorization` header that is looked at, in bytes.
const CREDENTIAL_BYTES_MAX: usize = 1_024;

/// Holds a management key: it manages and never infers.
#[derive(Debug)]
pub struct ManagementCaller(pub Arc<KeyRecord>);

/// Holds an inference key: it infers and never manages.
#[derive(Debug)]
pub struct InferenceCaller(pub Arc<KeyRecord>);

/// Holds any valid key.
#[derive(Debug)]
pub struct AnyCaller(pub Arc<KeyRecord>);

impl<S> FromRequestParts<S> for AnyCaller
where
    Arc<App>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let app = Arc::<App>::from_ref(state);
        let presented = presented(parts)?;
        app.node.check_confirmed()?;
        let now = app.clock.now();
        let known = match app.keyring.recall(presented, now) {
            Some(known) => known,
            None => look_up(&app, presented, parts).await?,
        };
        let key = known.map_err(refused_key)?;
        Trace::of(&parts.extensions).accepted();
        Ok(Self(key))
    }
}

/// Looks for a key that is not in memory, when it is the turn of where it comes from.
async fn look_up(
    app: &App,
    presented: &str,
    parts: &Parts,
) -> Result<Result<Arc<KeyRecord>, AuthError>, ApiError> {
    let (strangers, now) = (&app.edge.strangers, app.clock.now());
    let Some(Peer(peer)) = parts.extensions.get::<Peer>() else {
        return Ok(app.keyring.authenticate(presented, now).await);
    };
    let look = strangers.look(app.edge.client(*peer, &parts.headers), now).await?;
    let found = app.keyring.authenticate(presented, now).await;
    // What does not even have the form of a key was not looked for.
    if matches!(found, Err(AuthError::Unknown)) {
        strangers.note(&look, now)?;
    }
    Ok(found)
}

impl<S> FromRequestParts<S> for ManagementCaller
where
    Arc<App>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let AnyCaller(key) = AnyCaller::from_request_parts(parts, state).await?;
        match key.kind {
            KeyKind::Management => Ok(Self(key)),
            KeyKind::Inference => Err(forbidden("Only management keys can perform this operation")),
        }
    }
}

impl<S> FromRequestParts<S> for InferenceCaller
where
    Arc<App>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let AnyCaller(key) = AnyCaller::from_request_parts(parts, state).await?;
        match key.kind {
            KeyKind::Inference => Ok(Self(key)),
            KeyKind::Management => Err(forbidden("Management keys cannot be used for inference")),
        }
    }
}

/// The key, wherever it stands: Anthropic's clients have a header of their own for it.
fn presented(parts: &Parts) -> Result<&str, ApiError> {
    let Some(value) = parts.headers.get(header::AUTHORIZATION) else {
        let key = parts.headers.get(API_KEY).and_then(|value| value.to_str().ok());
        let key = key.map(str::trim).filter(|key| key.len() <= CREDENTIAL_BYTES_MAX);
        return key.ok_or_else(|| unauthenticated("Missing Authentication header"));
    };
    let scheme_and_key = value.to_str().ok().and_then(|value| value.split_once(' '));
    match scheme_and_key {
        Some((scheme, key))
            if scheme.eq_ignore_ascii_case("bearer") && key.len() <= CREDENTIAL_BYTES_MAX =>
        {
            Ok(key.trim())
        }
        _ => Err(unauthenticated(
            "The Authorization header must read `Bearer <key>`, with a key of this gateway",
        )),
    }
}

/// A key that is not accepted, in words.
pub(crate) fn refused_key(error: AuthError) -> ApiError {
    match error {
        AuthError::Malformed => unauthenticated(
            "This is not an API key of this gateway: its length or characters are wrong",
        ),
        AuthError::Mistyped => unauthenticated(
            "This API key has a typing error: its check digits do not match. Copy it whole",
        ),
        AuthError::Unknown => unauthenticated("User not found."),
        AuthError::Disabled => unauthenticated("This API key is disabled"),
        AuthError::Closed => unauthenticated("This API key was disabled or deleted"),
        AuthError::Expired => unauthenticated("This API key has expired"),
        AuthError::Store(error) => error.into(),
    }
}

fn unauthenticated(message: &str) -> ApiError {
    Error::new(ErrorKind::Unauthenticated, message).into()
}

fn forbidden(message: &str) -> ApiError {
    Error::new(ErrorKind::Forbidden, message).into()
}
