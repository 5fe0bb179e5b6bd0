//! `POST /api/v1/messages/count_tokens`

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use keyway_core::error::Error;
use keyway_providers::face::Face;
use serde::Serialize;
use utoipa::ToSchema;

use super::admit::invalid;
use super::route::known_model;
use crate::app::App;
use crate::http::body;
use crate::http::caller::InferenceCaller;
use crate::http::error::ApiError;

/// A field that counting does not need, and reading does.
const MAX_TOKENS: &str = "max_tokens";

#[derive(Debug, Serialize, ToSchema)]
pub struct CountedTokens {
    /// An estimate: the bytes of the texts, tools and schemas, three to a token.
    input_tokens: u64,
}

/// Estimates how many tokens a message's prompt has. Nothing is sent anywhere, and nothing charged.
///
/// Text, tools and schemas count a token for each three bytes. What cannot be counted from its
/// bytes, a picture for one, does not count.
#[utoipa::path(
    post,
    path = "/messages/count_tokens",
    operation_id = "countMessagesTokens",
    tag = "Anthropic Messages",
    request_body(content = serde_json::Value, description = "Anthropic's Messages request; `max_tokens` is not needed."),
    responses(
        (status = 200, description = "The estimate", body = CountedTokens),
        (status = 400, description = "The request is malformed, or names no model of this gateway"),
        (status = 401, description = "No valid key"),
        (status = 403, description = "It is a management key"),
        (status = 408, description = "The body took too long to arrive"),
        (status = 413, description = "The body is too large"),
    ),
    security(("inference_key" = []))
)]
pub async fn count_tokens(
    State(app): State<Arc<App>>,
    InferenceCaller(_): InferenceCaller,
    request: Request,
) -> Result<Json<CountedTokens>, ApiError> {
    let held = body::read(request, app.edge.limits.body_bytes_max, &app.edge).await?;
    let mut body = body::parse(&held.bytes)?;
    let fields = body.as_object_mut();
    let fields = fields.ok_or_else(|| Error::invalid("The request's body", "must be an object"))?;
    fields.shift_remove(MAX_TOKENS);
    let (request, _) = Face::Messages.read(body).map_err(invalid)?;
    known_model(&app.catalogue(), &request.model)?;
    Ok(Json(CountedTokens { input_tokens: request.prompt_estimate().prompt_tokens }))
}
