//! `GET /api/v1/parameters/{author}/{slug}`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::{ModelPath, object};
use crate::app::App;
use crate::http::error::ApiError;

/// `{"data": …}`
#[derive(Debug, Serialize, ToSchema)]
pub struct ParametersAnswer {
    data: Parameters,
}

#[derive(Debug, Serialize, ToSchema)]
struct Parameters {
    model: String,
    supported_parameters: Vec<String>,
}

/// Tells what a model heeds of a request. Needs no key.
#[utoipa::path(
    get,
    path = "/parameters/{author}/{slug}",
    operation_id = "getParameters",
    tag = "Models",
    params(
        ("author" = String, Path, description = "Who made it"),
        ("slug" = String, Path, description = "What it is called"),
    ),
    responses(
        (status = 200, description = "The parameters", body = ParametersAnswer),
        (status = 404, description = "No such model"),
    )
)]
pub async fn get_parameters(
    State(app): State<Arc<App>>,
    path: ModelPath,
) -> Result<Json<ParametersAnswer>, ApiError> {
    let model = path.find(&app)?;
    let supported_parameters = object::parameters(&model).into_iter().map(str::to_owned).collect();
    Ok(Json(ParametersAnswer {
        data: Parameters { model: model.id.clone(), supported_parameters },
    }))
}
