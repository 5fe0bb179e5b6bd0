//! `POST /api/v1/messages/count_tokens`

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use http::request::Parts;
use keyway_core::error::Error;
use keyway_core::routing::Plan;
use keyway_providers::chat::ChatRequest;
use keyway_providers::dialect::Target;
use keyway_providers::face::Face;
use serde::Serialize;
use utoipa::ToSchema;

use super::admit::invalid;
use super::betas;
use super::byok::Brought;
use super::route::{Asker, route};
use super::sticky::Conversation;
use crate::app::App;
use crate::http::body;
use crate::http::caller::InferenceCaller;
use crate::http::error::ApiError;

/// A field that counting does not need, and reading does.
const MAX_TOKENS: &str = "max_tokens";
/// Providers that are asked, at most: an estimate is better than a long wait.
const ASKED_MAX: usize = 2;

#[derive(Debug, Serialize, ToSchema)]
pub struct CountedTokens {
    /// As a provider of Anthropic's dialect counts; where none does, an estimate from the bytes of the
    /// texts, tools and schemas, three to a token.
    input_tokens: u64,
}

/// Counts how many tokens a message's prompt has. Nothing is charged.
///
/// An endpoint of the model that speaks Anthropic's dialect is asked, which costs nothing. Where there is
/// none, or none answers, it is an estimate: text, tools and schemas count a token for each three bytes,
/// and what cannot be counted from its bytes, a picture for one, does not count.
#[utoipa::path(
    post,
    path = "/messages/count_tokens",
    operation_id = "countMessagesTokens",
    tag = "Anthropic Messages",
    request_body(content = serde_json::Value, description = "Anthropic's Messages request; `max_tokens` is not needed."),
    responses(
        (status = 200, description = "The count", body = CountedTokens),
        (status = 400, description = "The request is malformed, or names no model of this gateway"),
        (status = 401, description = "No valid key"),
        (status = 403, description = "It is a management key"),
        (status = 404, description = "The request allows none of the model's endpoints"),
        (status = 408, description = "The body took too long to arrive"),
        (status = 413, description = "The body is too large"),
    ),
    security(("inference_key" = []))
)]
pub async fn count_tokens(
    State(app): State<Arc<App>>,
    InferenceCaller(key): InferenceCaller,
    request: Request,
) -> Result<Json<CountedTokens>, ApiError> {
    let (Parts { headers, .. }, body) = request.into_parts();
    let brought = Brought::of(&headers)?;
    let bytes_max = app.edge.limits.body_bytes_max;
    let held = body::read(&headers, body, bytes_max, Some(key.id), &app.edge).await?;
    let (mut body, _hold) = held.parse()?;
    let fields = body.as_object_mut();
    let fields = fields.ok_or_else(|| Error::invalid("The request's body", "must be an object"))?;
    fields.shift_remove(MAX_TOKENS);
    let (mut request, _) = Face::Messages.read(body).map_err(invalid)?;
    request.betas = betas::of(&headers);
    let conversation = Conversation::of(&headers, &request, key.id)?;
    let catalogue = app.catalogue();
    let asker = Asker {
        key: &key,
        catalogue: &catalogue,
        brought: &brought,
        conversation: &conversation,
        now: app.clock.now(),
    };
    let plan = route(&app, &mut request, &asker, false)?;
    let input_tokens = match counted(&app, &plan, &brought, &request).await {
        Some(tokens) => tokens,
        None => request.prompt_estimate().prompt_tokens,
    };
    Ok(Json(CountedTokens { input_tokens }))
}

/// What the first endpoint of the plan counts that does; a failure is for the log.
async fn counted(app: &App, plan: &Plan, brought: &Brought, request: &ChatRequest) -> Option<u64> {
    let mut asked = 0;
    let model = &plan.first().model().id;
    // Another model, which it may fall back to, counts in another way.
    for attempt in plan.attempts().iter().filter(|attempt| attempt.model().id == *model) {
        let endpoint = attempt.endpoint();
        let Some(upstream) = app.upstreams.get(&endpoint.provider) else { continue };
        let Ok(credential) = brought.presented(app, attempt) else { continue };
        let target = Target {
            model: &endpoint.upstream_model,
            completion_tokens_max: attempt.max_completion_tokens(),
        };
        match upstream.count(request, &target, credential.as_ref(), endpoint.patience).await {
            None => {}
            Some(Ok(tokens)) => return Some(tokens),
            Some(Err(failure)) => {
                let status = failure.status.map(|status| status.as_u16());
                tracing::debug!(provider = upstream.name, status, "a prompt was not counted");
                asked += 1;
            }
        }
        if asked == ASKED_MAX {
            break;
        }
    }
    None
}
