//! `POST /api/v1/responses`

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
pub enum ResponsesAnswer {
    Response(serde_json::Value),
    DryRun(DryRunAnswer),
}

/// One event of a streamed response, under its type's name; the last has `[DONE]` in place of one.
#[derive(Debug, ToSchema)]
pub struct ResponsesEvent {
    pub event: String,
    pub data: serde_json::Value,
}

/// Answers `input` with a response of items, whole or as a stream of events. Nothing is kept.
#[utoipa::path(
    post,
    path = "/responses",
    operation_id = "createResponses",
    tag = "Responses",
    params(
        Question,
        ("X-Keyway-On-Limit" = Option<String>, Header, description = "`clamp` lowers the most tokens to what the budgets afford, `refuse` does not; what the key says (`on_limit`) where absent"),
        ("X-Keyway-Max-Cost" = Option<String>, Header, description = "The most that this request may cost, in USD as decimal text"),
    ),
    request_body(content = serde_json::Value, description = "OpenAI's request for a response; `store`, `previous_response_id`, `conversation`, `prompt` and `background` stand for what is kept elsewhere, and are refused."),
    responses(
        (
            status = 200,
            description = "The response; with `stream` as server-sent events; with `dry_run` what would become of the request",
            content((ResponsesAnswer = "application/json"), (ResponsesEvent = "text/event-stream")),
            headers(("X-Keyway-Max-Tokens" = u64, description = "The most tokens in force; only where the request or its key says `clamp`")),
        ),
        Refusals,
    ),
    security(("inference_key" = []))
)]
pub async fn create_response(
    State(app): State<Arc<App>>,
    InferenceCaller(key): InferenceCaller,
    query: Query,
    request: Request,
) -> Result<Response, ApiError> {
    admit(app, key, &query, request, Face::Responses).await
}
