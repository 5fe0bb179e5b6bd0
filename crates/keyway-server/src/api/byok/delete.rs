//! `DELETE /api/v1/byok/{id}`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use keyway_core::error::Error;

use super::IdPath;
use crate::api::keys::delete::DeletedKey;
use crate::app::App;
use crate::http::caller::ManagementCaller;
use crate::http::error::ApiError;

/// Wipes a credential; no node presents it any more when it is answered.
#[utoipa::path(
    delete,
    path = "/byok/{id}",
    operation_id = "deleteBYOKKey",
    tag = "BYOK",
    params(("id" = String, Path, description = "The credential's id")),
    responses(
        (status = 200, description = "The credential is gone", body = DeletedKey),
        (status = 401, description = "No valid key"),
        (status = 403, description = "Not a management key"),
        (status = 404, description = "No such credential, or it was deleted before"),
        (status = 503, description = "The store cannot be written; nothing was changed"),
    ),
    security(("management_key" = []))
)]
pub async fn delete_credential(
    State(app): State<Arc<App>>,
    ManagementCaller(_): ManagementCaller,
    IdPath(id): IdPath,
) -> Result<Json<DeletedKey>, ApiError> {
    if !app.store.credential_delete(id, app.clock.now()).await? {
        return Err(Error::not_found().into());
    }
    app.node.in_force().await?;
    Ok(Json(DeletedKey::DONE))
}
