//! A model as the API shows it.

use std::collections::BTreeSet;

use keyway_core::catalogue::{Endpoint, Modality, Model};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::price;
use crate::app::App;
use crate::catalogue::written;

/// What every endpoint heeds of which nobody said more.
const USUAL_PARAMETERS: [&str; 4] = ["max_tokens", "stop", "temperature", "top_p"];
/// What a model that thinks heeds.
const REASONING: &str = "reasoning";

/// A model.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ModelObject {
    id: String,
    canonical_slug: String,
    name: String,
    /// Unix seconds since when this gateway offers it.
    created: i64,
    description: String,
    context_length: u64,
    pub(super) architecture: Architecture,
    /// That of the cheapest endpoint: USD per token, or per item, as decimal strings; `-1` is unknown.
    #[schema(value_type = Object)]
    pricing: Map<String, Value>,
    top_provider: TopProvider,
    per_request_limits: Option<()>,
    supported_parameters: Vec<String>,
    default_parameters: Option<()>,
    supported_voices: Option<()>,
    /// The day on which its provider withdraws it.
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration_date: Option<String>,
    /// Only of models that think.
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<Reasoning>,
    links: ModelLinks,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Architecture {
    modality: String,
    input_modalities: Vec<&'static str>,
    output_modalities: Vec<&'static str>,
    tokenizer: &'static str,
    instruct_type: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct TopProvider {
    context_length: u64,
    max_completion_tokens: u64,
    is_moderated: bool,
}

#[derive(Debug, Serialize, ToSchema)]
struct Reasoning {
    mandatory: bool,
}

#[derive(Debug, Serialize, ToSchema)]
struct ModelLinks {
    /// Its endpoints.
    details: String,
}

impl ModelObject {
    pub(super) fn of(model: &Model, app: &App) -> Self {
        let supported = parameters(model);
        let top = price::cheapest(&model.endpoints);
        let own = |length: Option<u64>, whole: u64| length.unwrap_or(whole).min(whole);
        let traits = top.map(|endpoint| &endpoint.traits);
        Self {
            id: model.id.clone(),
            canonical_slug: model.id.clone(),
            name: model.name.clone(),
            created: app.started_at.as_seconds(),
            description: String::new(),
            context_length: model.context_length,
            architecture: Architecture::of(model),
            pricing: written::price(top.and_then(|endpoint| endpoint.pricing.as_ref())),
            top_provider: TopProvider {
                context_length: own(traits.and_then(|it| it.context_length), model.context_length),
                max_completion_tokens: own(
                    traits.and_then(|it| it.max_completion_tokens),
                    model.max_completion_tokens,
                ),
                is_moderated: false,
            },
            per_request_limits: None,
            reasoning: supported.contains(REASONING).then_some(Reasoning { mandatory: false }),
            supported_parameters: supported.into_iter().map(str::to_owned).collect(),
            default_parameters: None,
            supported_voices: None,
            expiration_date: model.about.expiration_date.clone(),
            links: ModelLinks {
                details: format!("{}/api/v1/models/{}/endpoints", app.public_url, model.id),
            },
        }
    }
}

impl Architecture {
    pub(super) fn of(model: &Model) -> Self {
        let words = |all: &[Modality]| all.iter().map(|it| it.as_str()).collect::<Vec<_>>();
        let input_modalities = words(&model.about.input_modalities);
        let output_modalities = words(&model.about.output_modalities);
        Self {
            modality: format!("{}->{}", input_modalities.join("+"), output_modalities.join("+")),
            input_modalities,
            output_modalities,
            tokenizer: "Other",
            instruct_type: None,
        }
    }
}

/// What the endpoint heeds of a request.
pub(super) fn parameters_of(endpoint: &Endpoint) -> BTreeSet<&str> {
    match &endpoint.traits.supported_parameters {
        Some(known) => known.iter().map(String::as_str).collect(),
        None => USUAL_PARAMETERS.into_iter().collect(),
    }
}

/// What one of the model's endpoints at least heeds of a request.
pub(super) fn parameters(model: &Model) -> BTreeSet<&str> {
    model.endpoints.iter().flat_map(parameters_of).collect()
}
