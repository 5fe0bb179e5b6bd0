//! `GET /api/v1/models/{author}/{slug}/endpoints`

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use keyway_core::catalogue::{Endpoint, Model};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::ModelPath;
use super::object::{Architecture, parameters_of};
use crate::app::App;
use crate::catalogue::written;
use crate::http::error::ApiError;

/// `{"data": …}`
#[derive(Debug, Serialize, ToSchema)]
pub struct EndpointsAnswer {
    data: EndpointList,
}

#[derive(Debug, Serialize, ToSchema)]
struct EndpointList {
    id: String,
    name: String,
    /// Unix seconds since when this gateway offers it.
    created: i64,
    description: String,
    architecture: Architecture,
    endpoints: Vec<EndpointObject>,
}

/// A model at a provider. What is null is not measured.
#[derive(Debug, Serialize, ToSchema)]
struct EndpointObject {
    name: String,
    model_id: String,
    model_name: String,
    context_length: u64,
    /// USD per token, or per item, as decimal strings; `-1` is unknown.
    #[schema(value_type = Object)]
    pricing: Map<String, Value>,
    provider_name: String,
    tag: String,
    quantization: &'static str,
    max_completion_tokens: u64,
    max_prompt_tokens: Option<u64>,
    supported_parameters: Vec<String>,
    uptime_last_30m: Option<()>,
    uptime_last_5m: Option<()>,
    uptime_last_1d: Option<()>,
    supports_implicit_caching: bool,
    supports_tool_choice: ToolChoice,
    native_tools: Map<String, Value>,
    service_tier: Option<String>,
    supports_diarization: bool,
    latency_last_30m: Option<()>,
    throughput_last_30m: Option<()>,
}

/// Which values of `tool_choice` it heeds.
#[expect(clippy::struct_excessive_bools, reason = "clients want these four")]
#[derive(Debug, Serialize, ToSchema)]
struct ToolChoice {
    auto: bool,
    function: bool,
    none: bool,
    required: bool,
}

/// Lists the endpoints of a model. Needs no key.
#[utoipa::path(
    get,
    path = "/models/{author}/{slug}/endpoints",
    operation_id = "listEndpoints",
    tag = "Models",
    params(
        ("author" = String, Path, description = "Who made it"),
        ("slug" = String, Path, description = "What it is called"),
    ),
    responses(
        (status = 200, description = "The endpoints", body = EndpointsAnswer),
        (status = 404, description = "No such model"),
    )
)]
pub async fn list_endpoints(
    State(app): State<Arc<App>>,
    path: ModelPath,
) -> Result<Json<EndpointsAnswer>, ApiError> {
    let model = path.find(&app)?;
    let endpoints = model.endpoints.iter().map(|it| EndpointObject::of(it, &model, &app));
    let data = EndpointList {
        id: model.id.clone(),
        name: model.name.clone(),
        created: app.started_at.as_seconds(),
        description: String::new(),
        architecture: Architecture::of(&model),
        endpoints: endpoints.collect(),
    };
    Ok(Json(EndpointsAnswer { data }))
}

impl EndpointObject {
    fn of(endpoint: &Endpoint, model: &Model, app: &App) -> Self {
        let traits = &endpoint.traits;
        let parameters = parameters_of(endpoint);
        let own = |length: Option<u64>, whole: u64| length.unwrap_or(whole).min(whole);
        let provider = app.upstreams.get(&endpoint.provider).map(|upstream| upstream.name.clone());
        let provider_name = provider.unwrap_or_else(|| endpoint.provider.clone());
        Self {
            name: format!("{provider_name} | {}", model.id),
            model_id: model.id.clone(),
            model_name: model.name.clone(),
            context_length: own(traits.context_length, model.context_length),
            pricing: written::price(endpoint.pricing.as_ref()),
            provider_name,
            tag: endpoint.tag(),
            quantization: traits.quantization.as_str(),
            max_completion_tokens: own(traits.max_completion_tokens, model.max_completion_tokens),
            max_prompt_tokens: None,
            supports_tool_choice: ToolChoice::of(&parameters),
            supported_parameters: parameters.into_iter().map(str::to_owned).collect(),
            uptime_last_30m: None,
            uptime_last_5m: None,
            uptime_last_1d: None,
            supports_implicit_caching: false,
            native_tools: Map::new(),
            service_tier: traits.service_tier.clone(),
            supports_diarization: false,
            latency_last_30m: None,
            throughput_last_30m: None,
        }
    }
}

impl ToolChoice {
    fn of(parameters: &BTreeSet<&str>) -> Self {
        let heeds = parameters.contains("tool_choice");
        Self { auto: heeds, function: heeds, none: heeds, required: heeds }
    }
}
