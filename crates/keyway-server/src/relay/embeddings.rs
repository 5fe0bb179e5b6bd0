//! `POST /api/v1/embeddings`

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use keyway_providers::face::Face;
use utoipa::ToSchema;

use super::admit::admit;
use super::described::{Question, Refusals};
use super::dry_run::DryRunAnswer;
use crate::app::App;
use crate::http::caller::InferenceCaller;
use crate::http::error::ApiError;
use crate::http::query::Query;

/// What an answer is: one word for two forms.
#[derive(Debug, ToSchema)]
#[serde(untagged)]
pub enum EmbeddingsAnswer {
    Embeddings(serde_json::Value),
    DryRun(DryRunAnswer),
}

/// Answers with a vector for each text of `input`.
#[utoipa::path(
    post,
    path = "/embeddings",
    operation_id = "createEmbeddings",
    tag = "Embeddings",
    params(
        Question,
        ("X-Keyway-Max-Cost" = Option<String>, Header, description = "The most that this request may cost, in USD as decimal text"),
    ),
    request_body(content = serde_json::Value, description = "OpenAI's embeddings request. Unknown fields are passed on."),
    responses(
        (
            status = 200,
            description = "The vectors; with `dry_run` what would become of the request",
            body = EmbeddingsAnswer,
        ),
        Refusals,
    ),
    security(("inference_key" = []))
)]
pub async fn create_embeddings(
    State(app): State<Arc<App>>,
    InferenceCaller(key): InferenceCaller,
    query: Query,
    request: Request,
) -> Result<Response, ApiError> {
    admit(app, key, &query, request, Face::Embeddings).await
}
