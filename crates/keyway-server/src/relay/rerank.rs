//! `POST /api/v1/rerank`

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
pub enum RerankAnswer {
    Ranking(serde_json::Value),
    DryRun(DryRunAnswer),
}

/// Answers with `documents` in the order in which they answer `query`.
#[utoipa::path(
    post,
    path = "/rerank",
    operation_id = "createRerank",
    tag = "Rerank",
    params(
        Question,
        ("X-Keyway-Max-Cost" = Option<String>, Header, description = "The most that this request may cost, in USD as decimal text"),
    ),
    request_body(content = serde_json::Value, description = "A rerank request as Cohere and Jina have it. Unknown fields are passed on."),
    responses(
        (
            status = 200,
            description = "The ranking; with `dry_run` what would become of the request",
            body = RerankAnswer,
        ),
        Refusals,
    ),
    security(("inference_key" = []))
)]
pub async fn create_rerank(
    State(app): State<Arc<App>>,
    InferenceCaller(key): InferenceCaller,
    query: Query,
    request: Request,
) -> Result<Response, ApiError> {
    admit(app, key, &query, request, Face::Rerank).await
}
