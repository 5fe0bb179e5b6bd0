//! `GET /api/v1/byok`

use std::str::FromStr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use keyway_core::error::Error;
use keyway_core::id::WorkspaceId;
use serde::Serialize;
use utoipa::ToSchema;

use super::create::check_slug;
use super::object::CredentialObject;
use crate::app::App;
use crate::http::caller::ManagementCaller;
use crate::http::error::ApiError;
use crate::http::query::Query;

/// Credentials on a page unless `limit` says otherwise,
const PAGE: u64 = 50;
/// and at most.
const PAGE_MAX: u64 = 100;

/// `{"data": […], "total_count": …}`
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CredentialList {
    data: Vec<CredentialObject>,
    /// On all pages together.
    total_count: usize,
}

/// Lists credentials by provider, in the order in which they are tried, 50 to a page.
#[utoipa::path(
    get,
    path = "/byok",
    operation_id = "listBYOKKeys",
    tag = "BYOK",
    params(
        ("offset" = Option<u64>, Query, description = "How many credentials to skip"),
        ("limit" = Option<u32>, Query, description = "Credentials on a page, 1 to 100; 50 where absent"),
        ("workspace_id" = Option<String>, Query, description = "The default workspace where absent"),
        ("provider" = Option<String>, Query, description = "Only those of the provider with this slug"),
    ),
    responses(
        (status = 200, description = "A page; empty past the end", body = CredentialList),
        (status = 400, description = "A parameter is wrong; the message says which and why"),
        (status = 401, description = "No valid key"),
        (status = 403, description = "Not a management key"),
    ),
    security(("management_key" = []))
)]
pub async fn list_credentials(
    State(app): State<Arc<App>>,
    ManagementCaller(_): ManagementCaller,
    query: Query,
) -> Result<Json<CredentialList>, ApiError> {
    let offset = query.whole("offset", 0..=u64::from(u32::MAX))?.unwrap_or(0);
    let limit = query.whole("limit", 1..=PAGE_MAX)?.unwrap_or(PAGE);
    let provider = query.get("provider");
    provider.map_or(Ok(()), check_slug)?;
    let workspace = workspace(&query, app.store.default_workspace())?;
    let mut all = app.store.credential_list().await?;
    all.retain(|it| it.workspace == workspace && provider.is_none_or(|slug| it.provider == slug));
    let rows = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    let page = all.iter().skip(rows(offset)).take(rows(limit));
    let data = page.map(CredentialObject::from).collect();
    Ok(Json(CredentialList { data, total_count: all.len() }))
}

fn workspace(query: &Query, default: WorkspaceId) -> Result<WorkspaceId, Error> {
    let Some(text) = query.get("workspace_id") else { return Ok(default) };
    WorkspaceId::from_str(text)
        .map_err(|_| Error::invalid("workspace_id", "must be the UUID of a workspace"))
}
