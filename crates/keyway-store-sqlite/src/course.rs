//! Who sent a request, and the course that it took, in the request's row.

use std::sync::Arc;

use keyway_core::ledger::{ApiType, Course, Origin, Tried, tokens_kept};
use keyway_core::money::Nanos;
use rusqlite::{Error, Row};

use crate::rows::broken;

/// What [`origin`] reads, in its order.
pub(crate) const ORIGIN_COLUMNS: &str = "catalogue_version, api_type, http_referer, user_agent, \
     external_user, session_id, media_prompt, audio_prompt";

/// What [`course`] reads, in its order.
pub(crate) const COURSE_COLUMNS: &str = "endpoint, upstream_id, finish_reason, native_finish_reason, \
     service_tier, first_ms, generation_ms, media_completion, cache_discount_nanos, tried";

/// From this column on.
pub(crate) fn origin(row: &Row<'_>, first: usize) -> Result<Arc<Origin>, Error> {
    let api_type: Option<String> = row.get(first + 1)?;
    let api_type = api_type.map(|word| {
        let known = ApiType::ALL.into_iter().find(|known| known.as_str() == word);
        known.ok_or_else(|| broken(first + 1, "kind of API"))
    });
    Ok(Arc::new(Origin {
        catalogue_version: row.get::<_, Option<String>>(first)?.map(Arc::from),
        api_type: api_type.transpose()?,
        http_referer: row.get(first + 2)?,
        user_agent: row.get(first + 3)?,
        external_user: row.get(first + 4)?,
        session_id: row.get(first + 5)?,
        media_prompt: count(row, first + 6)?,
        audio_prompt: count(row, first + 7)?,
    }))
}

/// From this column on.
pub(crate) fn course(row: &Row<'_>, first: usize) -> Result<Arc<Course>, Error> {
    let tried: Option<String> = row.get(first + 9)?;
    let tried = tried.map_or_else(|| Some(Vec::new()), |text| Tried::parse_all(&text));
    Ok(Arc::new(Course {
        endpoint: row.get(first)?,
        upstream_id: row.get(first + 1)?,
        finish_reason: row.get(first + 2)?,
        native_finish_reason: row.get(first + 3)?,
        service_tier: row.get(first + 4)?,
        first_ms: count(row, first + 5)?,
        generation_ms: count(row, first + 6)?,
        media_completion: count(row, first + 7)?,
        cache_discount: row.get::<_, Option<i64>>(first + 8)?.map(Nanos::new),
        tried: tried.ok_or_else(|| broken(first + 9, "list of attempts"))?,
    }))
}

fn count(row: &Row<'_>, column: usize) -> Result<Option<u64>, Error> {
    Ok(row.get::<_, Option<i64>>(column)?.map(i64::unsigned_abs))
}

/// A count as the schema has it.
pub(crate) fn whole(count: Option<u64>) -> Option<i64> {
    count.map(tokens_kept)
}
