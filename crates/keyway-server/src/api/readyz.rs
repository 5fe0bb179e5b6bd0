//! `GET /readyz`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use keyway_core::error::{Error, ErrorKind};

use super::healthz::Health;
use crate::app::App;
use crate::http::error::ApiError;

/// Says whether requests should be sent to this node. Needs no key.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "getReadiness",
    tag = "Health",
    responses(
        (status = 200, description = "It takes requests", body = Health),
        (status = 503, description = "It is stopping, cannot reach its store, or is not sure of what it knows of keys"),
    )
)]
pub async fn get_readiness(State(app): State<Arc<App>>) -> Result<Json<Health>, ApiError> {
    if app.tasks.is_closed() {
        return Err(Error::new(ErrorKind::Unavailable, "The gateway is shutting down").into());
    }
    app.node.check_confirmed()?;
    app.meter.check_store().await?;
    Ok(Json(Health { status: "ok" }))
}
