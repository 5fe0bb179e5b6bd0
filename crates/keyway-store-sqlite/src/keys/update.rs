//! Changes to a key.

use keyway_core::budget::ResetInterval;
use keyway_core::clock::Timestamp;
use keyway_core::id::{AccountId, KeyHash, KeyId};
use keyway_core::key::{KeyKind, KeyName, KeyPatch, KeyRecord, OnLimit};
use keyway_core::money::Nanos;
use rusqlite::{Connection, Error, params};

use super::find::find;
use crate::nodes;
use crate::rows::figure;

/// Applies `patch`: of each pair the first says whether, the second what.
pub(crate) fn update(
    connection: &Connection,
    hash: KeyHash,
    patch: &KeyPatch,
    now: Timestamp,
) -> Result<Option<KeyRecord>, Error> {
    let Some(key) = find(connection, KeyKind::Inference, hash, now)? else { return Ok(None) };
    update_key(connection, key.id, patch, now)?;
    update_terms(connection, key.account, patch)?;
    nodes::changed(connection, key.account, now)?;
    find(connection, KeyKind::Inference, hash, now)
}

fn update_key(
    connection: &Connection,
    key: KeyId,
    patch: &KeyPatch,
    now: Timestamp,
) -> Result<(), Error> {
    let mut statement = connection.prepare_cached(
        "UPDATE api_key SET
           name = coalesce(?2, name),
           disabled = coalesce(?3, disabled),
           updated_at = ?4,
           requests_per_minute = CASE WHEN ?5 THEN ?6 ELSE requests_per_minute END,
           tokens_per_minute = CASE WHEN ?7 THEN ?8 ELSE tokens_per_minute END,
           max_concurrent_requests = CASE WHEN ?9 THEN ?10 ELSE max_concurrent_requests END,
           on_limit = coalesce(?11, on_limit),
           log_content = coalesce(?12, log_content)
         WHERE id = ?1",
    )?;
    statement.execute(params![
        key.0,
        patch.name.as_ref().map(KeyName::as_str),
        patch.disabled,
        now.as_micros(),
        patch.rates.requests_per_minute.is_some(),
        figure(patch.rates.requests_per_minute.flatten()),
        patch.rates.tokens_per_minute.is_some(),
        figure(patch.rates.tokens_per_minute.flatten()),
        patch.rates.max_concurrent_requests.is_some(),
        figure(patch.rates.max_concurrent_requests.flatten()),
        patch.on_limit.map(OnLimit::as_str),
        patch.log_content,
    ])?;
    Ok(())
}

/// The terms of a budget stand at its account.
fn update_terms(
    connection: &Connection,
    account: AccountId,
    patch: &KeyPatch,
) -> Result<(), Error> {
    let mut statement = connection.prepare_cached(
        "UPDATE account SET
           limit_nanos = CASE WHEN ?2 THEN ?3 ELSE limit_nanos END,
           reset = CASE WHEN ?4 THEN ?5 ELSE reset END,
           include_byok_in_limit = coalesce(?6, include_byok_in_limit)
         WHERE id = ?1",
    )?;
    statement.execute(params![
        account.0,
        patch.limit.is_some(),
        patch.limit.flatten().map(Nanos::get),
        patch.reset.is_some(),
        patch.reset.flatten().map(ResetInterval::as_str),
        patch.include_byok_in_limit,
    ])?;
    Ok(())
}
