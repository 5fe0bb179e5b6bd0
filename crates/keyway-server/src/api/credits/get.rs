//! `GET /api/v1/credits`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use keyway_core::error::{Error, ErrorKind};
use keyway_core::key::KeyKind;

use super::CreditsAnswer;
use crate::app::App;
use crate::http::caller::AnyCaller;
use crate::http::error::ApiError;

/// Shows the installation's credits.
///
/// They are enforced unless the configuration has a budget, which goes before them.
#[utoipa::path(
    get,
    path = "/credits",
    operation_id = "getCredits",
    tag = "Credits",
    responses(
        (status = 200, description = "What was added, and what was spent", body = CreditsAnswer),
        (status = 401, description = "No valid key"),
        (status = 403, description = "Not a management key, and the configuration does not allow others"),
    ),
    security(("management_key" = []))
)]
pub async fn get_credits(
    State(app): State<Arc<App>>,
    AnyCaller(key): AnyCaller,
) -> Result<Json<CreditsAnswer>, ApiError> {
    if key.kind != KeyKind::Management && !app.shows_credits {
        let message = "Only management keys can perform this operation";
        return Err(Error::new(ErrorKind::Forbidden, message).into());
    }
    CreditsAnswer::read(&app).await.map(Json)
}
