//! `GET /api/v1/keys/{hash}`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use keyway_core::error::Error;
use keyway_core::key::KeyKind;

use super::HashPath;
use super::object::KeyAnswer;
use crate::app::App;
use crate::http::caller::ManagementCaller;
use crate::http::error::ApiError;

/// Shows a key, disabled and expired ones too.
#[utoipa::path(
    get,
    path = "/keys/{hash}",
    operation_id = "getKey",
    tag = "API keys",
    params(("hash" = String, Path, description = "Any live hash of the key")),
    responses(
        (status = 200, description = "The key", body = KeyAnswer),
        (status = 401, description = "No valid key"),
        (status = 403, description = "Not a management key"),
        (status = 404, description = "No such key"),
    ),
    security(("management_key" = []))
)]
pub async fn get_key(
    State(app): State<Arc<App>>,
    ManagementCaller(_): ManagementCaller,
    HashPath(hash): HashPath,
) -> Result<Json<KeyAnswer>, ApiError> {
    let key = app.store.key_get(KeyKind::Inference, hash, app.clock.now()).await?;
    let key = key.ok_or_else(Error::not_found)?;
    Ok(Json(KeyAnswer::of(&key, &app)))
}
