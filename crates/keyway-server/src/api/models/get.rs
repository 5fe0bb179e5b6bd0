//! `GET /api/v1/model/{author}/{slug}`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::ModelPath;
use super::object::ModelObject;
use crate::app::App;
use crate::http::error::ApiError;

/// `{"data": …}`
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelAnswer {
    data: ModelObject,
}

/// Shows a model. Needs no key.
#[utoipa::path(
    get,
    path = "/model/{author}/{slug}",
    operation_id = "getModel",
    tag = "Models",
    params(
        ("author" = String, Path, description = "Who made it"),
        ("slug" = String, Path, description = "What it is called"),
    ),
    responses(
        (status = 200, description = "The model", body = ModelAnswer),
        (status = 404, description = "No such model"),
    )
)]
pub async fn get_model(
    State(app): State<Arc<App>>,
    path: ModelPath,
) -> Result<Json<ModelAnswer>, ApiError> {
    let model = path.find(&app)?;
    let data = ModelObject::of(&model, &app);
    Ok(Json(ModelAnswer { data }))
}
