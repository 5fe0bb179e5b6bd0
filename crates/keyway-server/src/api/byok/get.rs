//! `GET /api/v1/byok/{id}`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use keyway_core::error::Error;

use super::IdPath;
use super::object::{CredentialAnswer, CredentialObject};
use crate::app::App;
use crate::http::caller::ManagementCaller;
use crate::http::error::ApiError;

/// Shows a credential, masked.
#[utoipa::path(
    get,
    path = "/byok/{id}",
    operation_id = "getBYOKKey",
    tag = "BYOK",
    params(("id" = String, Path, description = "The credential's id")),
    responses(
        (status = 200, description = "The credential", body = CredentialAnswer),
        (status = 401, description = "No valid key"),
        (status = 403, description = "Not a management key"),
        (status = 404, description = "No such credential"),
    ),
    security(("management_key" = []))
)]
pub async fn get_credential(
    State(app): State<Arc<App>>,
    ManagementCaller(_): ManagementCaller,
    IdPath(id): IdPath,
) -> Result<Json<CredentialAnswer>, ApiError> {
    let all = app.store.credential_list().await?;
    let found = all.iter().find(|credential| credential.id == id);
    let credential = found.ok_or_else(Error::not_found)?;
    Ok(Json(CredentialAnswer { data: CredentialObject::from(credential) }))
}
