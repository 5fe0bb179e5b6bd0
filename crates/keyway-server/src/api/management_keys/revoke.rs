//! `DELETE /api/v1/management-keys/{hash}`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use keyway_core::error::{Error, ErrorKind};
use keyway_core::key::KeyKind;
use keyway_core::store::KeyDeleted;

use crate::api::keys::HashPath;
use crate::api::keys::delete::DeletedKey;
use crate::app::App;
use crate::http::caller::ManagementCaller;
use crate::http::error::ApiError;

/// Ends a management key; in force when it is answered. The last one cannot be ended.
#[utoipa::path(
    delete,
    path = "/management-keys/{hash}",
    operation_id = "revokeManagementKey",
    tag = "Management keys",
    params(("hash" = String, Path, description = "The key's hash")),
    responses(
        (status = 200, description = "The key is gone", body = DeletedKey),
        (status = 401, description = "No valid key"),
        (status = 403, description = "Not a management key"),
        (status = 404, description = "No such key, or it was revoked before"),
        (status = 409, description = "It is the last one; make another first"),
        (status = 503, description = "The store cannot be written; nothing was changed"),
    ),
    security(("management_key" = []))
)]
pub async fn revoke_management_key(
    State(app): State<Arc<App>>,
    ManagementCaller(_): ManagementCaller,
    HashPath(hash): HashPath,
) -> Result<Json<DeletedKey>, ApiError> {
    match app.store.key_delete(KeyKind::Management, hash, app.clock.now()).await? {
        KeyDeleted::Deleted(..) => {
            app.node.in_force().await?;
            Ok(Json(DeletedKey::DONE))
        }
        KeyDeleted::NotFound => Err(Error::not_found().into()),
        KeyDeleted::LastManagementKey => {
            let message = "This is the last management key; make another one before you revoke it";
            Err(Error::new(ErrorKind::Conflict, message).into())
        }
    }
}
