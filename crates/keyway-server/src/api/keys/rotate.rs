//! `POST /api/v1/keys/{hash}/rotate`, beyond OpenRouter's API.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use keyway_core::error::Error;
use keyway_core::secret::KeySecret;
use utoipa::ToSchema;

use super::HashPath;
use super::create::{CreatedKey, created, data};
use super::object::KeyObject;
use crate::api::fields::Fields;
use crate::app::App;
use crate::entropy::random;
use crate::http::body::OptionalObjectBody;
use crate::http::caller::ManagementCaller;
use crate::http::error::ApiError;

/// Longest that an old secret may stay valid: 30 days.
const GRACE_SECONDS_MAX: i64 = 2_592_000;

/// How to change over.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes the body; `Fields` reads it")]
pub struct RotateKeyBody {
    /// How long the old secret stays valid, 0 to 2,592,000 seconds; 0 where absent.
    grace_period_seconds: Option<i64>,
}

/// Gives a key a new secret. Account, limit and usage stay; old hashes resolve until their grace
/// period is over.
#[utoipa::path(
    post,
    path = "/keys/{hash}/rotate",
    operation_id = "rotateKeys",
    tag = "API keys",
    params(("hash" = String, Path, description = "Any live hash of the key")),
    request_body = RotateKeyBody,
    responses(
        (status = 201, description = "The key under its new hash, with its new string for this once", body = CreatedKey),
        (status = 400, description = "grace_period_seconds is out of range"),
        (status = 401, description = "No valid key"),
        (status = 403, description = "Not a management key"),
        (status = 404, description = "No such key"),
        (status = 413, description = "The body is too large"),
        (status = 503, description = "The store cannot be written; nothing was changed"),
    ),
    security(("management_key" = []))
)]
pub async fn rotate_key(
    State(app): State<Arc<App>>,
    ManagementCaller(_): ManagementCaller,
    HashPath(hash): HashPath,
    OptionalObjectBody(body): OptionalObjectBody,
) -> Result<Response, ApiError> {
    let grace = Fields(&body).whole("grace_period_seconds", 0..=GRACE_SECONDS_MAX)?;
    let secret = KeySecret::mint(app.keyring.prefix(), &random());
    let record = app.keyring.record(&secret);
    let now = app.clock.now();
    let grace_until = now.plus_seconds(grace.value().unwrap_or(0));
    let key = app.store.key_rotate(hash, record, grace_until, now).await?;
    let key = key.ok_or_else(Error::not_found)?;
    app.node.in_force().await?;
    Ok(created(&data(&KeyObject::of(&key, &app))?, &secret))
}
