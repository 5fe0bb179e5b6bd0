//! `DELETE /api/v1/keys/{hash}`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use keyway_core::error::Error;
use keyway_core::key::KeyKind;
use keyway_core::store::KeyDeleted;
use serde::Serialize;
use utoipa::ToSchema;

use super::HashPath;
use crate::app::App;
use crate::http::caller::ManagementCaller;
use crate::http::error::ApiError;

/// Says the same twice: clients of 2025 read `data.success`, newer ones `deleted`.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct DeletedKey {
    deleted: bool,
    data: Success,
}

#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
struct Success {
    success: bool,
}

impl DeletedKey {
    pub const DONE: Self = Self { deleted: true, data: Success { success: true } };
}

/// Ends a key and all its hashes, and takes away what was said with it; in force when it is answered.
#[utoipa::path(
    delete,
    path = "/keys/{hash}",
    operation_id = "deleteKeys",
    tag = "API keys",
    params(("hash" = String, Path, description = "Any live hash of the key")),
    responses(
        (status = 200, description = "The key is gone", body = DeletedKey),
        (status = 401, description = "No valid key"),
        (status = 403, description = "Not a management key"),
        (status = 404, description = "No such key, or it was deleted before"),
        (status = 503, description = "The store cannot be written; nothing was changed"),
    ),
    security(("management_key" = []))
)]
pub async fn delete_key(
    State(app): State<Arc<App>>,
    ManagementCaller(_): ManagementCaller,
    HashPath(hash): HashPath,
) -> Result<Json<DeletedKey>, ApiError> {
    match app.store.key_delete(KeyKind::Inference, hash, app.clock.now()).await? {
        KeyDeleted::Deleted(key, _) => {
            app.node.in_force().await?;
            // Nobody can read it from here on; what is left after a crash goes when it is old.
            while app.store.content_forget(key).await? > 0 {}
            Ok(Json(DeletedKey::DONE))
        }
        KeyDeleted::NotFound | KeyDeleted::LastManagementKey => Err(Error::not_found().into()),
    }
}
