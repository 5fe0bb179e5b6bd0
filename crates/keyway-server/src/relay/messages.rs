//! `POST /api/v1/messages`

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
pub enum MessagesAnswer {
    Message(serde_json::Value),
    DryRun(DryRunAnswer),
}

/// One event of a streamed message, under its type's name.
#[derive(Debug, ToSchema)]
pub struct MessagesEvent {
    pub event: String,
    pub data: serde_json::Value,
}

/// Answers with a model's message in Anthropic's words, whole or as a stream of events.
///
/// The key comes as `Authorization` or as `x-api-key`; errors come in Anthropic's envelope.
#[utoipa::path(
    post,
    path = "/messages",
    operation_id = "createMessages",
    tag = "Anthropic Messages",
    params(
        Question,
        ("X-Keyway-On-Limit" = Option<String>, Header, description = "`clamp` lowers the most tokens to what the budgets afford, `refuse` does not; what the key says (`on_limit`) where absent"),
        ("X-Keyway-Max-Cost" = Option<String>, Header, description = "The most that this request may cost, in USD as decimal text"),
    ),
    request_body(content = serde_json::Value, description = "Anthropic's Messages request, with OpenRouter's `models`, `fallbacks`, `provider`, `plugins`, `session_id`, `user` and `trace`."),
    responses(
        (
            status = 200,
            description = "The message; with `stream` as server-sent events; with `dry_run` what would become of the request",
            content((MessagesAnswer = "application/json"), (MessagesEvent = "text/event-stream")),
            headers(("X-Keyway-Max-Tokens" = u64, description = "The most tokens in force; only where the request or its key says `clamp`")),
        ),
        Refusals,
    ),
    security(("inference_key" = []))
)]
pub async fn create_message(
    State(app): State<Arc<App>>,
    InferenceCaller(key): InferenceCaller,
    query: Query,
    request: Request,
) -> Result<Response, ApiError> {
    admit(app, key, &query, request, Face::Messages).await
}
