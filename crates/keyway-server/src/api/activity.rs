//! `GET /api/v1/activity`

use std::str::FromStr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use keyway_core::budget::WindowKind;
use keyway_core::clock::Timestamp;
use keyway_core::error::Error;
use keyway_core::id::{AccountId, KeyHash, WorkspaceId};
use keyway_core::key::KeyKind;
use keyway_core::store::UsageDay;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::caller::ManagementCaller;
use crate::http::error::ApiError;
use crate::http::query::Query;
use crate::http::usd::Usd;

/// Days that are shown: completed ones.
const DAYS: i64 = 30;
const DAY_SECONDS: i64 = 86_400;

/// What was used on one day, of one model at one provider. Money is in USD.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ActivityRow {
    /// `YYYY-MM-DD`, UTC. Requests count on the day of their admission.
    date: String,
    model: String,
    model_permaslug: String,
    /// The model at the provider.
    endpoint_id: String,
    /// The provider's name for people.
    provider_name: String,
    /// What was charged.
    #[schema(value_type = f64)]
    usage: Usd,
    /// What other credentials than the gateway's own paid, at list price.
    #[schema(value_type = f64)]
    byok_usage_inference: Usd,
    requests: u64,
    prompt_tokens: u64,
    completion_tokens: u64,
    reasoning_tokens: u64,
    cached_tokens: u64,
    /// Only with `group_by=workspace`.
    #[serde(skip_serializing_if = "Option::is_none")]
    workspace_id: Option<String>,
}

/// `{"data": […]}`
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Activity {
    data: Vec<ActivityRow>,
}

/// Shows what was used on the last 30 completed days (UTC), newest first.
#[utoipa::path(
    get,
    path = "/activity",
    operation_id = "getUserActivity",
    tag = "Analytics",
    params(
        ("date" = Option<String>, Query, description = "One of those days, `YYYY-MM-DD`"),
        ("api_key_hash" = Option<String>, Query, description = "Only what this inference key used"),
        ("group_by" = Option<String>, Query, description = "`workspace` names it in each row"),
        ("workspace_id" = Option<String>, Query, description = "The default workspace where absent"),
    ),
    responses(
        (status = 200, description = "A row a day, model and provider", body = Activity),
        (status = 400, description = "A parameter is wrong; the message says which and why"),
        (status = 401, description = "No valid key"),
        (status = 403, description = "Not a management key"),
        (status = 404, description = "No such key"),
    ),
    security(("management_key" = []))
)]
pub async fn get_activity(
    State(app): State<Arc<App>>,
    ManagementCaller(_): ManagementCaller,
    query: Query,
) -> Result<Json<Activity>, ApiError> {
    let now = app.clock.now();
    let (from, until) = days(&query, now)?;
    let default = app.store.default_workspace();
    let grouped = group_by_workspace(&query)?.then(|| default.to_string());
    let account = account(&app, &query, now).await?;
    if workspace(&query)?.is_some_and(|named| named != default) {
        return Ok(Json(Activity { data: Vec::new() }));
    }
    let mut used = app.store.activity(account, from, until).await?;
    used.reverse();
    let data = used.into_iter().map(|day| row(&app, day, grouped.clone())).collect();
    Ok(Json(Activity { data }))
}

/// From the first day that is asked for to the one behind the last.
fn days(query: &Query, now: Timestamp) -> Result<(Timestamp, Timestamp), Error> {
    let today = WindowKind::Day.starts_at(now);
    let first = today.plus_seconds(-DAYS * DAY_SECONDS);
    let Some(text) = query.get("date") else { return Ok((first, today)) };
    let why = || {
        let last = today.plus_seconds(-DAY_SECONDS);
        let allowed = format!("must be a day from {} to {}", date(first), date(last));
        Error::invalid("date", allowed)
    };
    let day = Timestamp::parse_utc(&format!("{text}T00:00:00Z")).map_err(|_| why())?;
    if (first..today).contains(&day) {
        Ok((day, day.plus_seconds(DAY_SECONDS)))
    } else {
        Err(why())
    }
}

async fn account(app: &App, query: &Query, now: Timestamp) -> Result<AccountId, ApiError> {
    if query.get("user_id").is_some() {
        let why = "there are no members of an organization here; api_key_hash selects a key";
        return Err(Error::invalid("user_id", why).into());
    }
    let Some(text) = query.get("api_key_hash") else { return Ok(AccountId::INSTALLATION) };
    let why = "must be a hash of 64 lower-case hex digits";
    let hash = KeyHash::from_str(text).map_err(|_| Error::invalid("api_key_hash", why))?;
    let key = app.store.key_get(KeyKind::Inference, hash, now).await?;
    Ok(key.ok_or_else(Error::not_found)?.account)
}

fn group_by_workspace(query: &Query) -> Result<bool, Error> {
    match query.get("group_by") {
        None => Ok(false),
        Some("workspace") => Ok(true),
        Some(_) => Err(Error::invalid("group_by", "must be workspace")),
    }
}

fn workspace(query: &Query) -> Result<Option<WorkspaceId>, Error> {
    let parse = |text| {
        WorkspaceId::from_str(text)
            .map_err(|_| Error::invalid("workspace_id", "must be the UUID of a workspace"))
    };
    query.get("workspace_id").map(parse).transpose()
}

fn row(app: &App, day: UsageDay, workspace_id: Option<String>) -> ActivityRow {
    ActivityRow {
        date: date(day.day),
        endpoint_id: format!("{}/{}", day.provider, day.model),
        provider_name: app.provider_name(&day.provider),
        model_permaslug: day.model.clone(),
        model: day.model,
        usage: Usd(day.spend.spent),
        byok_usage_inference: Usd(day.spend.byok),
        requests: day.requests,
        prompt_tokens: day.usage.prompt_tokens,
        completion_tokens: day.usage.completion_tokens,
        reasoning_tokens: day.usage.reasoning_tokens,
        cached_tokens: day.usage.cached_tokens,
        workspace_id,
    }
}

fn date(day: Timestamp) -> String {
    day.to_string().split('T').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_completed_ones() {
        let now = Timestamp::parse_utc("2026-07-15T12:00:00Z").expect("a moment");
        let of = |text: &str| days(&Query::of(&[("date", text)]), now);
        let day = |text: &str| Timestamp::parse_utc(&format!("{text}T00:00:00Z")).expect(text);
        let all = days(&Query::default(), now);
        assert_eq!(all, Ok((day("2026-06-15"), day("2026-07-15"))));
        assert_eq!(of("2026-06-15"), Ok((day("2026-06-15"), day("2026-06-16"))));
        assert_eq!(of("2026-07-14"), Ok((day("2026-07-14"), day("2026-07-15"))));
        for wrong in ["2026-07-15", "2026-06-14", "2026-7-1", "yesterday", "2026-07-01T00:00:00Z"] {
            let error = of(wrong).expect_err(wrong).to_string();
            assert!(error.contains("from 2026-06-15 to 2026-07-14"), "{error}");
        }
    }
}
