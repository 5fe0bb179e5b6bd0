//! `GET /api/v1/models/user`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use keyway_core::catalogue::Model;

use super::page::ModelList;
use crate::app::App;
use crate::http::caller::AnyCaller;
use crate::http::error::ApiError;
use crate::http::query::Query;

/// Lists the models that the caller's key may use: one with a limit only those whose price is known.
#[utoipa::path(
    get,
    path = "/models/user",
    operation_id = "listModelsUser",
    tag = "Models",
    params(
        ("offset" = Option<u64>, Query, description = "How many models to skip"),
        ("limit" = Option<u64>, Query, description = "Models on a page, 1 to 1000; all where both are absent"),
    ),
    responses(
        (status = 200, description = "The models; empty past the end", body = ModelList),
        (status = 400, description = "A parameter is wrong; the message says which and why"),
        (status = 401, description = "No valid key"),
    ),
    security(("inference_key" = []), ("management_key" = []))
)]
pub async fn list_models_of_user(
    State(app): State<Arc<App>>,
    AnyCaller(key): AnyCaller,
    query: Query,
) -> Result<Json<ModelList>, ApiError> {
    let is_limited = app.is_budgeted() || key.terms.limit.is_some();
    let usable = |model: &&Model| {
        !is_limited || model.endpoints.iter().any(|endpoint| endpoint.pricing.is_some())
    };
    let catalogue = app.catalogue();
    let models: Vec<&Model> = catalogue.models().iter().map(AsRef::as_ref).filter(usable).collect();
    ModelList::page(&models, &app, &query, "/models/user")
}
