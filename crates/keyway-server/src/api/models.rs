//! `GET /api/v1/models`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use keyway_core::catalogue::Model;
use keyway_core::clock::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::error::ApiError;
use crate::http::query::Query;

const PAGE_MODELS: u64 = 500;
const PAGE_MODELS_MAX: u64 = 1_000;

/// The models on offer.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelList {
    data: Vec<ModelObject>,
    total_count: usize,
    links: PageLinks,
}

#[derive(Debug, Serialize, ToSchema)]
struct PageLinks {
    next: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ModelObject {
    id: String,
    canonical_slug: String,
    name: String,
    /// Unix seconds since when this gateway offers it.
    created: i64,
    description: String,
    context_length: u64,
    architecture: Architecture,
    pricing: ModelPricing,
    top_provider: TopProvider,
    per_request_limits: Option<()>,
    supported_parameters: Vec<&'static str>,
    default_parameters: Option<()>,
    supported_voices: Option<()>,
    links: ModelLinks,
}

#[derive(Debug, Serialize, ToSchema)]
struct Architecture {
    modality: &'static str,
    input_modalities: Vec<&'static str>,
    output_modalities: Vec<&'static str>,
    tokenizer: &'static str,
    instruct_type: Option<String>,
}

/// USD per token, as decimal strings.
#[derive(Debug, Serialize, ToSchema)]
struct ModelPricing {
    prompt: String,
    completion: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct TopProvider {
    context_length: u64,
    max_completion_tokens: u64,
    is_moderated: bool,
}

#[derive(Debug, Serialize, ToSchema)]
struct ModelLinks {
    /// Where the model is listed.
    details: String,
}

/// Lists the models that requests may name. Needs no key.
#[utoipa::path(
    get,
    path = "/models",
    operation_id = "getModels",
    tag = "Models",
    params(
        ("offset" = Option<u64>, Query, description = "How many models to skip"),
        ("limit" = Option<u64>, Query, description = "Models on a page, 1 to 1000; all where both are absent"),
    ),
    responses(
        (status = 200, description = "The models; empty past the end", body = ModelList),
        (status = 400, description = "A parameter is wrong; the message says which and why"),
    )
)]
pub async fn list_models(
    State(app): State<Arc<App>>,
    query: Query,
) -> Result<Json<ModelList>, ApiError> {
    let offset = query.whole("offset", 0..=u64::from(u32::MAX))?;
    let limit = query.whole("limit", 1..=PAGE_MODELS_MAX)?;
    let models = &app.catalogue.models;
    // Clients that page ask past the end to learn where it is, so an offset always makes pages.
    let paged = offset.is_some() || limit.is_some();
    let skip = usize::try_from(offset.unwrap_or(0)).unwrap_or(usize::MAX);
    let take = if paged { limit.unwrap_or(PAGE_MODELS) } else { u64::MAX };
    let take = usize::try_from(take).unwrap_or(usize::MAX);
    let data: Vec<ModelObject> = models
        .iter()
        .skip(skip)
        .take(take)
        .map(|model| ModelObject::of(model, app.started_at, &app.public_url))
        .collect();
    let end = skip.saturating_add(data.len());
    let next = (end < models.len() && paged)
        .then(|| format!("{}/api/v1/models?offset={end}&limit={take}", app.public_url));
    Ok(Json(ModelList { data, total_count: models.len(), links: PageLinks { next } }))
}

impl ModelObject {
    /// Of several endpoints the first is shown: it is the one that is tried first.
    fn of(model: &Model, created: Timestamp, public_url: &str) -> Self {
        let pricing = model
            .endpoints
            .first()
            .and_then(|endpoint| endpoint.pricing.clone())
            .unwrap_or_default();
        Self {
            id: model.id.clone(),
            canonical_slug: model.id.clone(),
            name: model.name.clone(),
            created: created.as_seconds(),
            description: String::new(),
            context_length: model.context_length,
            architecture: Architecture {
                modality: "text->text",
                input_modalities: vec!["text"],
                output_modalities: vec!["text"],
                tokenizer: "Other",
                instruct_type: None,
            },
            pricing: ModelPricing {
                prompt: pricing.prompt.to_string(),
                completion: pricing.completion.to_string(),
            },
            top_provider: TopProvider {
                context_length: model.context_length,
                max_completion_tokens: model.max_completion_tokens,
                is_moderated: false,
            },
            per_request_limits: None,
            supported_parameters: vec!["max_tokens", "stop", "temperature", "top_p"],
            default_parameters: None,
            supported_voices: None,
            links: ModelLinks { details: format!("{public_url}/api/v1/models") },
        }
    }
}
