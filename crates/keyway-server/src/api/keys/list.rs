//! `GET /api/v1/keys`

use std::str::FromStr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use keyway_core::error::Error;
use keyway_core::id::{KeyHash, WorkspaceId};
use keyway_core::key::{KeyKind, KeyRecord};
use keyway_core::store::{KeyPage, KeyQuery, KeySort, PageStart};
use serde::Serialize;
use utoipa::ToSchema;

use super::object::KeyObject;
use crate::app::App;
use crate::http::caller::ManagementCaller;
use crate::http::error::ApiError;
use crate::http::query::Query;

/// Keys on a page unless `limit` says otherwise.
const PAGE_KEYS: u32 = 100;
const PAGE_KEYS_MAX: u64 = 1_000;
/// Longest text to search for, in characters.
const SEARCH_CHARACTERS_MAX: usize = 256;

/// `{"data": […]}`
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct KeyList {
    data: Vec<KeyObject>,
}

impl KeyList {
    pub fn of(keys: &[KeyRecord], app: &App) -> Self {
        Self { data: keys.iter().map(|key| KeyObject::of(key, app)).collect() }
    }
}

/// Lists inference keys, newest first, 100 to a page.
#[utoipa::path(
    get,
    path = "/keys",
    operation_id = "list",
    tag = "API keys",
    params(
        ("offset" = Option<u64>, Query, description = "How many keys to skip"),
        ("include_disabled" = Option<bool>, Query, description = "Disabled keys too"),
        ("include_expired" = Option<bool>, Query, description = "Expired keys too"),
        ("workspace_id" = Option<String>, Query, description = "The default workspace where absent"),
        ("q" = Option<String>, Query, description = "Only keys whose name or label contains this"),
        ("limit" = Option<u32>, Query, description = "Keys on a page, 1 to 1000; 100 where absent"),
        ("sort" = Option<String>, Query, description = "`-created_at` (the default), `created_at`, `name`, `-name` or `-usage`"),
        ("after" = Option<String>, Query, description = "Starts behind the key with this hash, as fast on the last page as on the first; instead of `offset`"),
    ),
    responses(
        (status = 200, description = "A page; empty past the end", body = KeyList),
        (status = 400, description = "A parameter is wrong; the message says which and why"),
        (status = 401, description = "No valid key"),
        (status = 403, description = "Not a management key"),
        (status = 408, description = "The search took too long"),
    ),
    security(("management_key" = []))
)]
pub async fn list_keys(
    State(app): State<Arc<App>>,
    ManagementCaller(_): ManagementCaller,
    query: Query,
) -> Result<Json<KeyList>, ApiError> {
    let query = parse(&query, app.store.default_workspace())?;
    match app.store.key_list(query, app.clock.now()).await? {
        KeyPage::Keys(keys) => Ok(Json(KeyList::of(&keys, &app))),
        KeyPage::UnknownCursor => Err(Error::invalid("after", "is the hash of no key").into()),
    }
}

fn parse(query: &Query, default_workspace: WorkspaceId) -> Result<KeyQuery, Error> {
    let workspace = match query.get("workspace_id") {
        None => default_workspace,
        Some(text) => WorkspaceId::from_str(text)
            .map_err(|_| Error::invalid("workspace_id", "must be the UUID of a workspace"))?,
    };
    let limit = query.whole("limit", 1..=PAGE_KEYS_MAX)?;
    Ok(KeyQuery {
        kind: KeyKind::Inference,
        workspace,
        include_disabled: query.boolean("include_disabled")?.unwrap_or(false),
        include_expired: query.boolean("include_expired")?.unwrap_or(false),
        contains: contains(query)?,
        sort: sort(query)?,
        start: start(query)?,
        limit: limit.and_then(|limit| u32::try_from(limit).ok()).unwrap_or(PAGE_KEYS),
    })
}

fn contains(query: &Query) -> Result<Option<String>, Error> {
    match query.get("q") {
        Some(text) if text.chars().count() > SEARCH_CHARACTERS_MAX => {
            Err(Error::invalid("q", "must not be longer than 256 characters"))
        }
        text => Ok(text.map(str::to_owned)),
    }
}

fn sort(query: &Query) -> Result<KeySort, Error> {
    let Some(text) = query.get("sort") else { return Ok(KeySort::default()) };
    KeySort::ALL.into_iter().find(|sort| sort.as_str() == text).ok_or_else(|| {
        let words = KeySort::ALL.map(KeySort::as_str).join(", ");
        Error::invalid("sort", format!("must be one of {words}"))
    })
}

fn start(query: &Query) -> Result<PageStart, Error> {
    let offset = query.whole("offset", 0..=u64::from(u32::MAX))?;
    match (query.get("after"), offset) {
        (None, offset) => Ok(PageStart::Offset(offset.unwrap_or(0))),
        (Some(_), Some(_)) => Err(Error::invalid("after", "cannot be combined with offset")),
        (Some(hash), None) => KeyHash::from_str(hash)
            .map(PageStart::After)
            .map_err(|_| Error::invalid("after", "must be a hash of 64 lower-case hex digits")),
    }
}
