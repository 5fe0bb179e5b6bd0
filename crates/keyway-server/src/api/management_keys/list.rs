//! `GET /api/v1/management-keys`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use keyway_core::error::Error;
use keyway_core::key::KeyKind;
use keyway_core::store::{KeyPage, KeyQuery, KeySort, PageStart};

use crate::api::keys::list::KeyList;
use crate::app::App;
use crate::http::caller::ManagementCaller;
use crate::http::error::ApiError;
use crate::http::query::Query;

const PAGE_KEYS: u32 = 1_000;

/// Lists management keys, newest first, expired ones too.
#[utoipa::path(
    get,
    path = "/management-keys",
    operation_id = "listManagementKeys",
    tag = "Management keys",
    params(("offset" = Option<u64>, Query, description = "How many keys to skip")),
    responses(
        (status = 200, description = "The keys, 1000 at most", body = KeyList),
        (status = 400, description = "A parameter is wrong; the message says which and why"),
        (status = 401, description = "No valid key"),
        (status = 403, description = "Not a management key"),
    ),
    security(("management_key" = []))
)]
pub async fn list_management_keys(
    State(app): State<Arc<App>>,
    ManagementCaller(_): ManagementCaller,
    query: Query,
) -> Result<Json<KeyList>, ApiError> {
    let offset = query.whole("offset", 0..=u64::from(u32::MAX))?.unwrap_or(0);
    let query = KeyQuery {
        kind: KeyKind::Management,
        workspace: app.store.default_workspace(),
        include_disabled: true,
        include_expired: true,
        contains: None,
        sort: KeySort::Newest,
        start: PageStart::Offset(offset),
        limit: PAGE_KEYS,
    };
    match app.store.key_list(query, app.clock.now()).await? {
        KeyPage::Keys(keys) => Ok(Json(KeyList::of(&keys, &app))),
        KeyPage::UnknownCursor => Err(Error::internal("an offset is no cursor").into()),
    }
}
