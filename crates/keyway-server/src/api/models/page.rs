//! A page of models.

use axum::Json;
use keyway_core::catalogue::Model;
use serde::Serialize;
use utoipa::ToSchema;

use super::object::ModelObject;
use crate::app::App;
use crate::http::error::ApiError;
use crate::http::query::Query;

const PAGE_MODELS: u64 = 500;
const PAGE_MODELS_MAX: u64 = 1_000;

/// Models, and where the next are.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelList {
    data: Vec<ModelObject>,
    /// Of all pages together.
    total_count: usize,
    links: PageLinks,
}

#[derive(Debug, Serialize, ToSchema)]
struct PageLinks {
    next: Option<String>,
}

impl ModelList {
    /// The page of `models` that `query` asks for, at `path`.
    pub(super) fn page(
        models: &[&Model],
        app: &App,
        query: &Query,
        path: &str,
    ) -> Result<Json<Self>, ApiError> {
        let offset = query.whole("offset", 0..=u64::from(u32::MAX))?;
        let limit = query.whole("limit", 1..=PAGE_MODELS_MAX)?;
        // Clients that page ask past the end to learn where it is, so an offset always makes pages.
        let paged = offset.is_some() || limit.is_some();
        let skip = usize::try_from(offset.unwrap_or(0)).unwrap_or(usize::MAX);
        let take = if paged { limit.unwrap_or(PAGE_MODELS) } else { u64::MAX };
        let take = usize::try_from(take).unwrap_or(usize::MAX);
        let page = models.iter().skip(skip).take(take);
        let data: Vec<ModelObject> = page.map(|model| ModelObject::of(model, app)).collect();
        let end = skip.saturating_add(data.len());
        let next = (end < models.len() && paged).then(|| {
            let others = query.without(&["offset", "limit"]);
            format!("{}/api/v1{path}?{others}offset={end}&limit={take}", app.public_url)
        });
        Ok(Json(Self { data, total_count: models.len(), links: PageLinks { next } }))
    }
}
