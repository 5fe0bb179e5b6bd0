//! `POST /api/v1/chat/completions`

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
pub enum ChatAnswer {
    Completion(serde_json::Value),
    DryRun(DryRunAnswer),
}

/// One event of a streamed answer; the last has `[DONE]` in place of a chunk.
#[derive(Debug, ToSchema)]
pub struct ChatEvent {
    pub data: serde_json::Value,
}

/// Answers with a model's completion of `messages`, whole or as a stream of events.
#[utoipa::path(
    post,
    path = "/chat/completions",
    operation_id = "sendChatCompletionRequest",
    tag = "Chat",
    params(
        Question,
        ("X-Keyway-On-Limit" = Option<String>, Header, description = "`clamp` lowers `max_tokens` to what the budgets afford, `refuse` does not; what the key says (`on_limit`) where absent"),
        ("X-Keyway-Max-Cost" = Option<String>, Header, description = "The most that this request may cost, in USD as decimal text"),
    ),
    request_body(
        content = serde_json::Value,
        description = "OpenAI's chat completion request. Unknown fields are passed on."
    ),
    responses(
        (
            status = 200,
            description = "The completion; with `stream` as server-sent events; with `dry_run` what would become of the request",
            content((ChatAnswer = "application/json"), (ChatEvent = "text/event-stream")),
            headers(("X-Keyway-Max-Tokens" = u64, description = "The `max_tokens` in force; only where the request or its key says `clamp`")),
        ),
        Refusals,
    ),
    security(("inference_key" = []))
)]
pub async fn chat_completion(
    State(app): State<Arc<App>>,
    InferenceCaller(key): InferenceCaller,
    query: Query,
    request: Request,
) -> Result<Response, ApiError> {
    admit(app, key, &query, request, Face::Chat).await
}
