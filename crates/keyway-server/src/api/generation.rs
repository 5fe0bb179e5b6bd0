//! `GET /api/v1/generation`

use std::str::FromStr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use keyway_core::error::Error;
use keyway_core::id::GenerationId;
use keyway_core::key::KeyKind;
use keyway_core::ledger::{Ending, Settlement};
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
    /// The same as `http_referer`, or nothing.
    origin: String,
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
    /// From its admission to the end of its answer.
    generation_time: Option<u64>,
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
    /// From its admission until the provider began to answer.
    latency: Option<u64>,
    moderation_latency: Option<u64>,
    native_finish_reason: Option<String>,
    num_fetches: Option<u64>,
    num_input_audio_prompt: Option<u64>,
    num_media_completion: Option<u64>,
    num_media_prompt: Option<u64>,
    num_search_results: Option<u64>,
    preset_id: Option<String>,
    /// The endpoints that were tried, the one that answered last.
    provider_responses: Option<Vec<ProviderResponse>>,
    request_id: Option<String>,
    response_cache_source_id: Option<String>,
    router: Option<String>,
    service_tier: Option<String>,
    session_id: Option<String>,
    upstream_id: Option<String>,
    user_agent: Option<String>,
    web_search_engine: Option<String>,
    /// The catalogue that it was routed and priced by. A field of this gateway's own, as those that follow.
    catalogue_version: Option<String>,
    /// How it ended: `completed`, `client_left`, `provider_failed`, `stopped`, `revoked`,
    /// `limit_reached` or `crashed`.
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

/// One endpoint's response.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ProviderResponse {
    endpoint_id: String,
    /// What the provider calls its answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    is_byok: bool,
    /// How long it took; of the one that answered, until it began to.
    #[serde(skip_serializing_if = "Option::is_none")]
    latency: Option<u64>,
    model_permaslug: String,
    provider_name: String,
    /// Null where it did not answer.
    status: Option<u16>,
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
    let Settlement { request, usage, byok, course, .. } = settlement;
    let (origin, tokens, is_byok) = (&request.origin, Some, request.is_byok);
    let took = settlement.settled_at.as_micros().saturating_sub(request.admitted_at.as_micros());
    // Older rows do not have it.
    let took = course.generation_ms.or_else(|| u64::try_from(took / MICROS_PER_MS).ok());
    let api_type = origin.api_type.map(|it| it.as_str().to_owned());
    Generation {
        id: request.id.to_string(),
        model: request.model.clone(),
        created_at: request.admitted_at.to_string(),
        data_region: "global",
        origin: origin.http_referer.clone().unwrap_or_default(),
        total_cost: Usd(settlement.charge),
        usage: Usd(settlement.charge),
        is_byok,
        upstream_inference_cost: is_byok.then_some(Usd(*byok)),
        cancelled: Some(settlement.ending == Ending::ClientLeft),
        streamed: Some(request.streamed),
        provider_name: Some(app.provider_name(&request.provider)),
        generation_time: took,
        tokens_prompt: tokens(usage.prompt_tokens),
        tokens_completion: tokens(usage.completion_tokens),
        native_tokens_prompt: tokens(usage.prompt_tokens),
        native_tokens_completion: tokens(usage.completion_tokens),
        native_tokens_completion_images: tokens(usage.image_output_tokens),
        native_tokens_cached: tokens(usage.cached_tokens),
        native_tokens_reasoning: tokens(usage.reasoning_tokens),
        workspace_id: Some(app.store.default_workspace().to_string()),
        api_type,
        app_id: None,
        cache_discount: course.cache_discount.map(Usd),
        external_user: origin.external_user.clone(),
        finish_reason: course.finish_reason.clone(),
        http_referer: origin.http_referer.clone(),
        latency: course.first_ms,
        moderation_latency: None,
        native_finish_reason: course.native_finish_reason.clone(),
        num_fetches: None,
        num_input_audio_prompt: origin.audio_prompt,
        num_media_completion: course.media_completion,
        num_media_prompt: origin.media_prompt,
        num_search_results: None,
        preset_id: None,
        provider_responses: responses(app, settlement),
        request_id: None,
        response_cache_source_id: None,
        router: None,
        service_tier: course.service_tier.clone(),
        session_id: origin.session_id.clone(),
        upstream_id: course.upstream_id.clone(),
        user_agent: origin.user_agent.clone(),
        web_search_engine: None,
        catalogue_version: origin.catalogue_version.as_deref().map(str::to_owned),
        ending: settlement.ending.as_str(),
        estimated: settlement.estimated,
        overrun: Usd(settlement.overrun),
        absorbed: Usd(settlement.absorbed),
    }
}

/// Those that failed, and the one that answered.
fn responses(app: &App, settlement: &Settlement) -> Option<Vec<ProviderResponse>> {
    let Settlement { request, course, .. } = settlement;
    let failed = course.tried.iter().map(|it| ProviderResponse {
        endpoint_id: it.endpoint.clone(),
        id: None,
        is_byok: it.is_byok,
        latency: Some(it.ms),
        model_permaslug: it.model.clone(),
        provider_name: app.provider_name(&it.provider),
        status: it.status,
    });
    let answered = course.endpoint.as_ref().map(|endpoint| ProviderResponse {
        endpoint_id: endpoint.clone(),
        id: course.upstream_id.clone(),
        is_byok: request.is_byok,
        latency: course.first_ms,
        model_permaslug: request.model.clone(),
        provider_name: app.provider_name(&request.provider),
        status: Some(200),
    });
    let all: Vec<ProviderResponse> = failed.chain(answered).collect();
    (!all.is_empty()).then_some(all)
}
