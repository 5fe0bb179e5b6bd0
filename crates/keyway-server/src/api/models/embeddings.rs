//! `GET /api/v1/embeddings/models`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use keyway_core::catalogue::{Modality, Model};

use super::page::ModelList;
use crate::app::App;
use crate::http::error::ApiError;
use crate::http::query::Query;

/// Lists the models that embed. Needs no key.
#[utoipa::path(
    get,
    path = "/embeddings/models",
    operation_id = "listEmbeddingsModels",
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
pub async fn list_embeddings_models(
    State(app): State<Arc<App>>,
    query: Query,
) -> Result<Json<ModelList>, ApiError> {
    let embeds = |model: &&Model| model.about.output_modalities.contains(&Modality::Embeddings);
    let catalogue = app.catalogue();
    let models: Vec<&Model> = catalogue.models().iter().map(AsRef::as_ref).filter(embeds).collect();
    ModelList::page(&models, &app, &query, "/embeddings/models")
}
