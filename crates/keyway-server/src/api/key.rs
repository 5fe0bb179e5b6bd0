//! `GET /api/v1/key`, and `/api/v1/auth/key` as it was called before 2025.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use keyway_core::error::{Error, ErrorKind};
use keyway_core::key::{KeyKind, KeyRecord};
use serde::Serialize;
use utoipa::ToSchema;

use super::keys::object::KeyObject;
use crate::app::App;
use crate::http::caller::AnyCaller;
use crate::http::error::ApiError;
use crate::http::usd::Usd;

/// `{"data": …}`
#[derive(Debug, Serialize, ToSchema)]
pub struct CurrentKeyAnswer {
    data: CurrentKey,
}

/// The key that asks. Fields that have no meaning here keep the neutral value that clients expect.
#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_excessive_bools, reason = "the contract's fields")]
struct CurrentKey {
    label: String,
    #[schema(value_type = Option<f64>)]
    limit: Option<Usd>,
    #[schema(value_type = Option<f64>)]
    limit_remaining: Option<Usd>,
    limit_reset: Option<&'static str>,
    include_byok_in_limit: bool,
    #[schema(value_type = f64)]
    usage: Usd,
    #[schema(value_type = f64)]
    usage_daily: Usd,
    #[schema(value_type = f64)]
    usage_weekly: Usd,
    #[schema(value_type = f64)]
    usage_monthly: Usd,
    #[schema(value_type = f64)]
    byok_usage: Usd,
    #[schema(value_type = f64)]
    byok_usage_daily: Usd,
    #[schema(value_type = f64)]
    byok_usage_weekly: Usd,
    #[schema(value_type = f64)]
    byok_usage_monthly: Usd,
    /// Always false: who hosts the gateway has no tiers.
    is_free_tier: bool,
    is_management_key: bool,
    /// The older name of `is_management_key`.
    is_provisioning_key: bool,
    creator_user_id: Option<String>,
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    rate_limit: DeprecatedRateLimit,
    allowed_data_regions: Vec<&'static str>,
    free_model_daily_requests: FreeModelRequests,
    organization_id: Option<String>,
    #[schema(format = Uuid)]
    workspace_id: Option<String>,
    budgets: Vec<KeyBudget>,
    effective_budget: Option<KeyBudget>,
}

#[derive(Debug, Serialize, ToSchema)]
struct DeprecatedRateLimit {
    requests: i64,
    interval: &'static str,
    note: &'static str,
}

/// There are no platform limits on free models; -1 says so.
#[derive(Debug, Serialize, ToSchema)]
struct FreeModelRequests {
    limit: i64,
    used: i64,
    remaining: i64,
}

/// One layer that can refuse a request of the key.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct KeyBudget {
    /// `key_limit`: the key's own limit.
    scope: &'static str,
    #[schema(value_type = f64)]
    limit_usd: Usd,
    #[schema(value_type = f64)]
    spend_usd: Usd,
    #[schema(value_type = f64)]
    remaining_usd: Usd,
    include_byok: bool,
    reset_interval: Option<&'static str>,
    #[schema(format = DateTime)]
    resets_at: Option<String>,
    guardrail_id: Option<String>,
    budget_id: Option<String>,
}

/// Shows the key that is presented, of either kind.
#[utoipa::path(
    get,
    path = "/key",
    operation_id = "getCurrentKey",
    tag = "API keys",
    responses(
        (status = 200, description = "The key", body = CurrentKeyAnswer),
        (status = 401, description = "No valid key"),
    ),
    security(("inference_key" = []), ("management_key" = []))
)]
pub async fn get_current_key(
    State(app): State<Arc<App>>,
    AnyCaller(caller): AnyCaller,
) -> Result<Json<CurrentKeyAnswer>, ApiError> {
    answer(&app, &caller).await
}

/// The path of `GET /key` before 2025.
#[utoipa::path(
    get,
    path = "/auth/key",
    operation_id = "getCurrentKeyByOldPath",
    tag = "API keys",
    responses(
        (status = 200, description = "The key", body = CurrentKeyAnswer),
        (status = 401, description = "No valid key"),
    ),
    security(("inference_key" = []), ("management_key" = []))
)]
pub async fn get_current_key_by_old_path(
    State(app): State<Arc<App>>,
    AnyCaller(caller): AnyCaller,
) -> Result<Json<CurrentKeyAnswer>, ApiError> {
    answer(&app, &caller).await
}

async fn answer(app: &App, caller: &KeyRecord) -> Result<Json<CurrentKeyAnswer>, ApiError> {
    let now = app.clock.now();
    // What is spent is not in the keyring: it is read when it is asked for.
    let key = app.store.key_get(caller.kind, caller.hash, now).await?;
    let gone = || Error::new(ErrorKind::Unauthenticated, "User not found.");
    let key = key.ok_or_else(gone)?;
    Ok(Json(CurrentKeyAnswer { data: CurrentKey::of(&key, now) }))
}

impl CurrentKey {
    fn of(key: &KeyRecord, now: keyway_core::clock::Timestamp) -> Self {
        let object = KeyObject::from(key);
        let manages = key.kind == KeyKind::Management;
        let budget = KeyBudget::of(key, now);
        Self {
            label: object.label,
            limit: object.limit,
            limit_remaining: object.limit_remaining,
            limit_reset: object.limit_reset,
            include_byok_in_limit: object.include_byok_in_limit,
            usage: object.usage,
            usage_daily: object.usage_daily,
            usage_weekly: object.usage_weekly,
            usage_monthly: object.usage_monthly,
            byok_usage: object.byok_usage,
            byok_usage_daily: object.byok_usage_daily,
            byok_usage_weekly: object.byok_usage_weekly,
            byok_usage_monthly: object.byok_usage_monthly,
            is_free_tier: false,
            is_management_key: manages,
            is_provisioning_key: manages,
            creator_user_id: object.creator_user_id,
            expires_at: object.expires_at,
            rate_limit: DeprecatedRateLimit {
                requests: -1,
                interval: "10s",
                note: "This field is deprecated and safe to ignore.",
            },
            allowed_data_regions: vec!["global"],
            free_model_daily_requests: FreeModelRequests { limit: -1, used: 0, remaining: -1 },
            organization_id: None,
            workspace_id: Some(object.workspace_id),
            budgets: budget.clone().into_iter().collect(),
            effective_budget: budget,
        }
    }
}

impl KeyBudget {
    /// The key's own limit; `None` where it has none.
    fn of(key: &KeyRecord, now: keyway_core::clock::Timestamp) -> Option<Self> {
        let (limit, remaining) = (key.terms.limit?, key.limit_remaining()?);
        let reset = key.terms.reset;
        Some(Self {
            scope: "key_limit",
            limit_usd: Usd(limit),
            spend_usd: Usd(key.spend_against_limit()),
            remaining_usd: Usd(remaining),
            include_byok: key.terms.include_byok_in_limit,
            reset_interval: reset.map(keyway_core::budget::ResetInterval::as_str),
            resets_at: reset.and_then(|reset| reset.window().ends_at(now)).map(|at| at.to_string()),
            guardrail_id: None,
            budget_id: None,
        })
    }
}
