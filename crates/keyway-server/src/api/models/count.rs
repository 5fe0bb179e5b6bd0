//! `GET /api/v1/models/count`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::filter::Filter;
use crate::app::App;
use crate::http::error::ApiError;
use crate::http::query::Query;

/// `{"data": {"count": …}}`
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelCount {
    data: Count,
}

#[derive(Debug, Serialize, ToSchema)]
struct Count {
    count: usize,
}

/// Counts the models that requests may name. Needs no key.
#[utoipa::path(
    get,
    path = "/models/count",
    operation_id = "listModelsCount",
    tag = "Models",
    params(
        ("output_modalities" = Option<String>, Query, description = "What they may write, separated by commas, or `all`; `text` where absent"),
    ),
    responses(
        (status = 200, description = "How many there are", body = ModelCount),
        (status = 400, description = "The parameter is wrong; the message says why"),
    )
)]
pub async fn count_models(
    State(app): State<Arc<App>>,
    query: Query,
) -> Result<Json<ModelCount>, ApiError> {
    let filter = Filter::of_output(&query)?;
    let count = app.catalogue().models().iter().filter(|model| filter.admits(model, &app)).count();
    Ok(Json(ModelCount { data: Count { count } }))
}
