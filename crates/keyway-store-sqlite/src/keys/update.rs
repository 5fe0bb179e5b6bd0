//! Changes to a key.

use keyway_core::budget::ResetInterval;
use keyway_core::clock::Timestamp;
use keyway_core::id::KeyHash;
use keyway_core::key::{KeyKind, KeyName, KeyPatch, KeyRecord};
use keyway_core::money::Nanos;
use rusqlite::{Connection, Error, params};

use super::find::find;
use crate::nodes;

/// Applies `patch`: of each pair the first says whether, the second what.
pub(crate) fn update(
    connection: &Connection,
    hash: KeyHash,
    patch: &KeyPatch,
    now: Timestamp,
) -> Result<Option<KeyRecord>, Error> {
    let Some(key) = find(connection, KeyKind::Inference, hash, now)? else { return Ok(None) };
    let mut statement = connection.prepare_cached(
        "UPDATE api_key SET
           name = coalesce(?2, name),
           disabled = coalesce(?3, disabled),
           updated_at = ?4
         WHERE id = ?1",
    )?;
    statement.execute(params![
        key.id.0,
        patch.name.as_ref().map(KeyName::as_str),
        patch.disabled,
        now.as_micros(),
    ])?;
    let mut statement = connection.prepare_cached(
        "UPDATE account SET
           limit_nanos = CASE WHEN ?2 THEN ?3 ELSE limit_nanos END,
           reset = CASE WHEN ?4 THEN ?5 ELSE reset END,
           include_byok_in_limit = coalesce(?6, include_byok_in_limit)
         WHERE id = ?1",
    )?;
    statement.execute(params![
        key.account.0,
        patch.limit.is_some(),
        patch.limit.flatten().map(Nanos::get),
        patch.reset.is_some(),
        patch.reset.flatten().map(ResetInterval::as_str),
        patch.include_byok_in_limit,
    ])?;
    nodes::changed(connection, key.account, now)?;
    find(connection, KeyKind::Inference, hash, now)
}
