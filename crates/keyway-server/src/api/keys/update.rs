//! `PATCH /api/v1/keys/{hash}`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use keyway_core::error::Error;
use keyway_core::key::KeyPatch;
use keyway_core::rate::RateLimitsPatch;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::HashPath;
use super::create::{log_content, workspace};
use super::object::KeyAnswer;
use crate::api::fields::Fields;
use crate::app::App;
use crate::http::body::ObjectBody;
use crate::http::caller::ManagementCaller;
use crate::http::error::ApiError;

/// What is to change. What is absent stays as it is.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes the body; `Fields` reads it")]
pub struct UpdateKeyBody {
    name: Option<String>,
    disabled: Option<bool>,
    /// USD; null takes the limit away.
    limit: Option<f64>,
    /// `daily`, `weekly` or `monthly`; null makes the limit one for all time.
    limit_reset: Option<String>,
    include_byok_in_limit: Option<bool>,
    /// Requests in any 60 seconds, 1 to 1,000,000,000; null goes back to the
    /// configuration's default. A field of this gateway's own, as the next three are.
    requests_per_minute: Option<u32>,
    /// Tokens, of prompts and completions, in any 60 seconds; as above.
    tokens_per_minute: Option<u32>,
    /// Requests in flight at once; as above.
    max_concurrent_requests: Option<u32>,
    /// `refuse` or `clamp`.
    on_limit: Option<String>,
    /// Whether prompts and answers are kept, masked. What was kept before stays until it is old.
    log_content: Option<bool>,
    #[schema(format = Uuid)]
    workspace_id: Option<String>,
}

/// Changes a key; in force when it is answered.
#[utoipa::path(
    patch,
    path = "/keys/{hash}",
    operation_id = "updateKeys",
    tag = "API keys",
    params(("hash" = String, Path, description = "Any live hash of the key")),
    request_body = UpdateKeyBody,
    responses(
        (status = 200, description = "The key as it is now", body = KeyAnswer),
        (status = 400, description = "A field is wrong; the message says which and why"),
        (status = 401, description = "No valid key"),
        (status = 403, description = "Not a management key"),
        (status = 404, description = "No such key"),
        (status = 413, description = "The body is too large"),
        (status = 503, description = "The store cannot be written; nothing was changed"),
    ),
    security(("management_key" = []))
)]
pub async fn update_key(
    State(app): State<Arc<App>>,
    ManagementCaller(_): ManagementCaller,
    HashPath(hash): HashPath,
    body: ObjectBody,
) -> Result<Json<KeyAnswer>, ApiError> {
    let patch = parse(&body.fields, &app)?;
    let key = app.store.key_update(hash, patch, app.clock.now()).await?;
    let key = key.ok_or_else(Error::not_found)?;
    app.node.in_force().await?;
    Ok(Json(KeyAnswer::of(&key, &app)))
}

/// Null clears `limit`, `limit_reset` and the rate limits; of the other fields it means absent, since some clients
/// send it for what their caller left out (contract, A.4).
fn parse(body: &Map<String, Value>, app: &App) -> Result<KeyPatch, Error> {
    let fields = Fields(body);
    workspace(fields, app)?;
    Ok(KeyPatch {
        name: fields.name("name")?.value(),
        disabled: fields.boolean("disabled")?.value(),
        limit: fields.limit("limit")?.change(),
        reset: fields.reset("limit_reset")?.change(),
        include_byok_in_limit: fields.boolean("include_byok_in_limit")?.value(),
        rates: RateLimitsPatch {
            requests_per_minute: fields.figure("requests_per_minute")?.change(),
            tokens_per_minute: fields.figure("tokens_per_minute")?.change(),
            max_concurrent_requests: fields.figure("max_concurrent_requests")?.change(),
        },
        on_limit: fields.on_limit("on_limit")?.value(),
        log_content: log_content(fields, app)?,
    })
}
