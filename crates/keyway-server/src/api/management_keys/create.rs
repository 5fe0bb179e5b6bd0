//! `POST /api/v1/management-keys`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use keyway_core::error::Error;
use keyway_core::key::NewKey;
use keyway_core::secret::KeySecret;
use keyway_core::store::{KeyCreated, KeyCreation};
use utoipa::ToSchema;

use crate::api::fields::Fields;
use crate::api::keys::create::{CreatedKey, created, data, refused};
use crate::api::keys::object::KeyObject;
use crate::app::App;
use crate::entropy::random;
use crate::http::body::ObjectBody;
use crate::http::caller::ManagementCaller;
use crate::http::error::ApiError;

/// What a management key is to be.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes the body; `Fields` reads it")]
pub struct CreateManagementKeyBody {
    /// 1 to 256 characters, no control characters.
    name: String,
    /// RFC 3339 in UTC, in the future.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

/// Makes another management key.
#[utoipa::path(
    post,
    path = "/management-keys",
    operation_id = "createManagementKey",
    tag = "Management keys",
    request_body = CreateManagementKeyBody,
    responses(
        (status = 201, description = "The key, with its string for this once", body = CreatedKey),
        (status = 400, description = "A field is wrong; the message says which and why"),
        (status = 401, description = "No valid key"),
        (status = 403, description = "Not a management key"),
        (status = 413, description = "The body is too large"),
        (status = 503, description = "The store cannot be written; nothing was made"),
    ),
    security(("management_key" = []))
)]
pub async fn create_management_key(
    State(app): State<Arc<App>>,
    ManagementCaller(_): ManagementCaller,
    body: ObjectBody,
) -> Result<Response, ApiError> {
    let now = app.clock.now();
    let fields = Fields(&body.fields);
    let Some(name) = fields.name("name")?.value() else {
        return Err(Error::invalid("name", "is required").into());
    };
    let expires_at = fields.moment("expires_at")?.value();
    let key = NewKey { expires_at, ..NewKey::management(name, app.store.default_workspace()) };
    let secret = KeySecret::mint(app.keyring.prefix(), &random());
    let creation = KeyCreation { key, secret: app.keyring.record(&secret), idempotency: None };
    match app.store.key_create(creation, now).await? {
        KeyCreated::Created(key) => Ok(created(&data(&KeyObject::from(&key))?, &secret)),
        other => Err(refused(&other, now).into()),
    }
}
