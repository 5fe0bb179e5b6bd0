//! `GET /healthz`

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    pub(super) status: &'static str,
}

/// Says that this process runs. Where it does not answer, start it anew. Needs no key.
#[utoipa::path(
    get,
    path = "/healthz",
    operation_id = "getHealth",
    tag = "Health",
    responses((status = 200, description = "It runs", body = Health))
)]
pub async fn get_health() -> Json<Health> {
    Json(Health { status: "ok" })
}
