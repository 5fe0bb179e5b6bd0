//! `POST /api/v1/credits`: a route of this gateway's own.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::{HeaderMap, HeaderName};
use keyway_core::error::{Error, ErrorKind};
use keyway_core::id::CreditId;
use keyway_core::money::Nanos;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::CreditsAnswer;
use crate::api::fields::Fields;
use crate::app::App;
use crate::entropy::random;
use crate::http::body::ObjectBody;
use crate::http::caller::ManagementCaller;
use crate::http::error::ApiError;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What is added.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes the body; `Fields` reads it")]
pub struct AddCreditsBody {
    /// USD, above 0. Decimals after the ninth are cut.
    #[schema(value_type = f64)]
    amount: serde_json::Number,
}

/// Adds to the installation's credits, which are enforced from then on; in force when it is answered.
#[utoipa::path(
    post,
    path = "/credits",
    operation_id = "addCredits",
    tag = "Credits",
    params(("Idempotency-Key" = Option<String>, Header, description = "With the same one it is added once")),
    request_body = AddCreditsBody,
    responses(
        (status = 200, description = "What there is now", body = CreditsAnswer),
        (status = 400, description = "A field is wrong; the message says which and why"),
        (status = 401, description = "No valid key"),
        (status = 403, description = "Not a management key"),
        (status = 409, description = "The configuration has a [budget], which goes before credits"),
        (status = 413, description = "The body is too large"),
        (status = 503, description = "The store cannot be written; nothing was added"),
    ),
    security(("management_key" = []))
)]
pub async fn add_credits(
    State(app): State<Arc<App>>,
    ManagementCaller(_): ManagementCaller,
    headers: HeaderMap,
    body: ObjectBody,
) -> Result<Json<CreditsAnswer>, ApiError> {
    let amount = Fields(&body.fields).limit("amount")?.value();
    let amount = amount.filter(|amount| *amount > Nanos::ZERO);
    let amount =
        amount.ok_or_else(|| Error::invalid("amount", "must be a number of USD above 0"))?;
    if app.has_budget {
        let message =
            "The configuration has a [budget], which goes before credits; take it out first";
        return Err(Error::new(ErrorKind::Conflict, message).into());
    }
    app.store.credits_add(id(&headers), amount, app.clock.now()).await?;
    app.node.in_force().await?;
    CreditsAnswer::read(&app).await.map(Json)
}

/// The same for the same `Idempotency-Key`.
fn id(headers: &HeaderMap) -> CreditId {
    let Some(key) = headers.get(IDEMPOTENCY_KEY) else { return CreditId(random()) };
    let digest = Sha256::digest(key.as_bytes());
    CreditId(std::array::from_fn(|at| digest[at]))
}
