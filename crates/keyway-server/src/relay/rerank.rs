//! `POST /api/v1/rerank`

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use keyway_providers::face::Face;
use utoipa::ToSchema;

use super::admit::admit;
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
        ("dry_run" = Option<bool>, Query, description = "With `true` the answer says whether the request would be admitted and what it would reserve; nothing is sent or reserved"),
        ("X-Keyway-Max-Cost" = Option<String>, Header, description = "The most that this request may cost, in USD as decimal text"),
    ),
    request_body(content = serde_json::Value, description = "A rerank request as Cohere and Jina have it. Unknown fields are passed on."),
    responses(
        (
            status = 200,
            description = "The ranking; with `dry_run` what would become of the request",
            body = RerankAnswer,
        ),
        (status = 400, description = "The request is malformed, or names no model of this gateway"),
        (status = 401, description = "No valid key"),
        (status = 402, description = "The key, or the request's own ceiling, cannot afford what the request may cost"),
        (status = 403, description = "Nothing is left under the key's limit, or it is a management key"),
        (status = 408, description = "The body took too long to arrive"),
        (status = 413, description = "The body is too large"),
        (status = 429, description = "A rate limit of the key is reached, or the provider asks to wait"),
        (status = 502, description = "The provider failed"),
        (status = 503, description = "The store cannot be written, or the provider is overloaded"),
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
