//! `GET /api/v1/generation/content`

use std::str::FromStr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use keyway_core::error::Error;
use keyway_core::id::GenerationId;
use keyway_core::key::KeyKind;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::caller::AnyCaller;
use crate::http::error::ApiError;
use crate::http::query::Query;

/// What was said in one request, masked and cut as the configuration says. It is written as this
/// describes it, and told as it was written.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct GenerationContent {
    input: ContentInput,
    output: ContentOutput,
    /// Why there is no more, where its provider failed: `status`, `message`, `provider_name`, `raw` and
    /// `previous_errors`.
    error: Option<Value>,
}

/// One of them, as the client asked.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct ContentInput {
    prompt: Option<String>,
    messages: Option<Vec<Value>>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
struct ContentOutput {
    /// What the model said, several choices apart by an empty line; tools that it called as
    /// `[name] arguments`.
    completion: Option<String>,
    reasoning: Option<String>,
}

/// `{"data": …}`
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct GenerationContentAnswer {
    #[schema(value_type = GenerationContent)]
    data: Value,
}

/// Shows what was said in a request of a key that keeps it: any of them to a management key, its own to
/// an inference key.
#[utoipa::path(
    get,
    path = "/generation/content",
    operation_id = "listGenerationContent",
    tag = "Generations",
    params(("id" = String, Query, description = "`gen-…`, as `id` and `X-Generation-Id` of its answer have it")),
    responses(
        (status = 200, description = "What was said", body = GenerationContentAnswer),
        (status = 400, description = "No id"),
        (status = 401, description = "No valid key"),
        (status = 404, description = "No such request of this key, or what was said in it is not kept"),
    ),
    security(("inference_key" = []), ("management_key" = []))
)]
pub async fn get_generation_content(
    State(app): State<Arc<App>>,
    AnyCaller(key): AnyCaller,
    query: Query,
) -> Result<Json<GenerationContentAnswer>, ApiError> {
    let Some(text) = query.get("id") else {
        return Err(Error::invalid("id", "is required").into());
    };
    let id = GenerationId::from_str(text).map_err(|_| Error::not_found())?;
    let content = app.store.content_get(id).await?.ok_or_else(Error::not_found)?;
    if key.kind != KeyKind::Management && content.key != key.id {
        return Err(Error::not_found().into());
    }
    let data = app.contents.open(&content);
    let broken = || Error::internal(format!("what was kept of {id} cannot be opened"));
    Ok(Json(GenerationContentAnswer { data: data.ok_or_else(broken)? }))
}
