//! `GET /api/v1/generation`

use std::str::FromStr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use keyway_core::error::Error;
use keyway_core::id::GenerationId;
use keyway_core::key::KeyKind;
use keyway_core::ledger::{Ending, Settlement};
use keyway_core::money::Nanos;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::caller::AnyCaller;
use crate::http::error::ApiError;
use crate::http::query::Query;
use crate::http::usd::Usd;

const MICROS_PER_MS: i64 = 1_000;

/// One metered request. Money is in USD, durations are in milliseconds; what is not kept is null.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the contract's fields")]
pub struct Generation {
    id: String,
    model: String,
    #[schema(format = DateTime)]
    created_at: String,
    data_region: &'static str,
    origin: &'static str,
    /// What was charged.
    #[schema(value_type = f64)]
    total_cost: Usd,
    #[schema(value_type = f64)]
    usage: Usd,
    /// Whether another credential than the gateway's own paid the provider,
    is_byok: bool,
    /// and how much, at list price.
    #[schema(value_type = Option<f64>)]
    upstream_inference_cost: Option<Usd>,
    /// Whether the client left before the end.
    cancelled: Option<bool>,
    streamed: Option<bool>,
    provider_name: Option<String>,
    /// From its admission to its charge.
    generation_time: Option<i64>,
    tokens_prompt: Option<u64>,
    tokens_completion: Option<u64>,
    native_tokens_prompt: Option<u64>,
    native_tokens_completion: Option<u64>,
    native_tokens_completion_images: Option<u64>,
    native_tokens_cached: Option<u64>,
    native_tokens_reasoning: Option<u64>,
    #[schema(format = Uuid)]
    workspace_id: Option<String>,
    api_type: Option<String>,
    app_id: Option<i64>,
    #[schema(value_type = Option<f64>)]
    cache_discount: Option<Usd>,
    external_user: Option<String>,
    finish_reason: Option<String>,
    http_referer: Option<String>,
    latency: Option<i64>,
    moderation_latency: Option<i64>,
    native_finish_reason: Option<String>,
    num_fetches: Option<u64>,
    num_input_audio_prompt: Option<u64>,
    num_media_completion: Option<u64>,
    num_media_prompt: Option<u64>,
    num_search_results: Option<u64>,
    preset_id: Option<String>,
    provider_responses: Option<Vec<serde_json::Value>>,
    request_id: Option<String>,
    response_cache_source_id: Option<String>,
    router: Option<String>,
    service_tier: Option<String>,
    session_id: Option<String>,
    upstream_id: Option<String>,
    user_agent: Option<String>,
    web_search_engine: Option<String>,
    /// How it ended: `completed`, `client_left`, `provider_failed`, `stopped`, `revoked`,
    /// `limit_reached` or `crashed`. A field of this gateway's own, as the next three are.
    ending: &'static str,
    /// The provider did not say what it used.
    estimated: bool,
    /// What the provider bills beyond what the request held: the operator's, never the key's.
    #[schema(value_type = f64)]
    overrun: Usd,
    /// What an answer cost that the provider itself ended: the operator's, never the key's.
    #[schema(value_type = f64)]
    absorbed: Usd,
}

/// `{"data": …}`
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct GenerationAnswer {
    data: Generation,
}

/// Shows what a request used and was charged: any of them to a management key, its own to an inference
/// key.
#[utoipa::path(
    get,
    path = "/generation",
    operation_id = "getGeneration",
    tag = "Generations",
    params(("id" = String, Query, description = "`gen-…`, as `id` and `X-Generation-Id` of its answer have it")),
    responses(
        (status = 200, description = "The request", body = GenerationAnswer),
        (status = 400, description = "No id"),
        (status = 401, description = "No valid key"),
        (status = 404, description = "No such request of this key, or it is not charged yet"),
    ),
    security(("inference_key" = []), ("management_key" = []))
)]
pub async fn get_generation(
    State(app): State<Arc<App>>,
    AnyCaller(key): AnyCaller,
    query: Query,
) -> Result<Json<GenerationAnswer>, ApiError> {
    let Some(text) = query.get("id") else {
        return Err(Error::invalid("id", "is required").into());
    };
    let id = GenerationId::from_str(text).map_err(|_| Error::not_found())?;
    let record = app.store.generation(id).await?.ok_or_else(Error::not_found)?;
    if key.kind != KeyKind::Management && record.request.key != key.id {
        return Err(Error::not_found().into());
    }
    let settlement = record.settlement.ok_or_else(Error::not_found)?;
    Ok(Json(GenerationAnswer { data: generation(&app, &settlement) }))
}

fn generation(app: &App, settlement: &Settlement) -> Generation {
    let Settlement { request, usage, byok, .. } = settlement;
    let (is_byok, tokens) = (*byok > Nanos::ZERO, Some);
    let took = settlement.settled_at.as_micros() - request.admitted_at.as_micros();
    Generation {
        id: request.id.to_string(),
        model: request.model.clone(),
        created_at: request.admitted_at.to_string(),
        data_region: "global",
        origin: "",
        total_cost: Usd(settlement.charge),
        usage: Usd(settlement.charge),
        is_byok,
        upstream_inference_cost: is_byok.then_some(Usd(*byok)),
        cancelled: Some(settlement.ending == Ending::ClientLeft),
        streamed: Some(request.streamed),
        provider_name: Some(app.provider_name(&request.provider)),
        generation_time: Some((took / MICROS_PER_MS).max(0)),
        tokens_prompt: tokens(usage.prompt_tokens),
        tokens_completion: tokens(usage.completion_tokens),
        native_tokens_prompt: tokens(usage.prompt_tokens),
        native_tokens_completion: tokens(usage.completion_tokens),
        native_tokens_completion_images: tokens(usage.image_output_tokens),
        native_tokens_cached: tokens(usage.cached_tokens),
        native_tokens_reasoning: tokens(usage.reasoning_tokens),
        workspace_id: Some(app.store.default_workspace().to_string()),
        api_type: None,
        app_id: None,
        cache_discount: None,
        external_user: None,
        finish_reason: None,
        http_referer: None,
        latency: None,
        moderation_latency: None,
        native_finish_reason: None,
        num_fetches: None,
        num_input_audio_prompt: None,
        num_media_completion: None,
        num_media_prompt: None,
        num_search_results: None,
        preset_id: None,
        provider_responses: None,
        request_id: None,
        response_cache_source_id: None,
        router: None,
        service_tier: None,
        session_id: None,
        upstream_id: None,
        user_agent: None,
        web_search_engine: None,
        ending: settlement.ending.as_str(),
        estimated: settlement.estimated,
        overrun: Usd(settlement.overrun),
        absorbed: Usd(settlement.absorbed),
    }
}
