//! `PATCH /api/v1/byok/{id}`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use keyway_core::credential::{self, ALLOWED_MAX, CredentialPatch};
use keyway_core::error::Error;
use keyway_core::id::CredentialId;
use keyway_core::store::CredentialWritten;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::create::sort_order;
use super::material::{material, name};
use super::object::{CredentialAnswer, CredentialObject};
use super::{IdPath, refused};
use crate::api::fields::{Field, Fields};
use crate::app::App;
use crate::http::body::ObjectBody;
use crate::http::caller::ManagementCaller;
use crate::http::error::ApiError;

/// What is to change. What is absent stays as it is; null clears a name and a list.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes the body; `Fields` reads it")]
pub struct UpdateCredentialBody {
    /// Another key of the same provider, in the place of the one that is kept.
    key: Option<String>,
    name: Option<String>,
    disabled: Option<bool>,
    is_fallback: Option<bool>,
    /// A field of this gateway's own, as the next two are.
    is_required: Option<bool>,
    is_byok_only: Option<bool>,
    sort_order: Option<i64>,
    allowed_models: Option<Vec<String>>,
    allowed_api_key_hashes: Option<Vec<String>>,
    allowed_user_ids: Option<Vec<String>>,
}

/// Changes a credential; in force when it is answered.
#[utoipa::path(
    patch,
    path = "/byok/{id}",
    operation_id = "updateBYOKKey",
    tag = "BYOK",
    params(("id" = String, Path, description = "The credential's id")),
    request_body = UpdateCredentialBody,
    responses(
        (status = 200, description = "The credential as it is now, masked", body = CredentialAnswer),
        (status = 400, description = "A field is wrong; the message says which and why"),
        (status = 401, description = "No valid key"),
        (status = 403, description = "Not a management key"),
        (status = 404, description = "No such credential"),
        (status = 413, description = "The body is too large"),
        (status = 503, description = "The store cannot be written; nothing was changed"),
    ),
    security(("management_key" = []))
)]
pub async fn update_credential(
    State(app): State<Arc<App>>,
    ManagementCaller(_): ManagementCaller,
    IdPath(id): IdPath,
    body: ObjectBody,
) -> Result<Json<CredentialAnswer>, ApiError> {
    let patch = parse(&body.fields, id, &app)?;
    match app.store.credential_update(id, patch, app.clock.now()).await? {
        CredentialWritten::Written(record) => {
            app.node.in_force().await?;
            Ok(Json(CredentialAnswer { data: CredentialObject::from(&record) }))
        }
        other => Err(refused(&other).into()),
    }
}

fn parse(body: &Map<String, Value>, id: CredentialId, app: &App) -> Result<CredentialPatch, Error> {
    let fields = Fields(body);
    let flag = |field| fields.boolean(field).map(Field::value);
    let secret = material(fields, "key")?.value();
    Ok(CredentialPatch {
        name: name(fields)?.change(),
        disabled: flag("disabled")?,
        is_fallback: flag("is_fallback")?,
        is_required: flag("is_required")?,
        is_byok_only: flag("is_byok_only")?,
        allowed_models: fields.texts("allowed_models", ALLOWED_MAX)?.change(),
        allowed_users: fields.texts("allowed_user_ids", ALLOWED_MAX)?.change(),
        allowed_keys: fields.hashes("allowed_api_key_hashes", ALLOWED_MAX)?.change(),
        sort_order: sort_order(fields)?,
        material: secret.map(|secret| (credential::label(&secret), app.vault.seal(id, &secret))),
    })
}
