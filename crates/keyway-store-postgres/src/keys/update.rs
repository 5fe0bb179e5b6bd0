//! Changes to a key.

use deadpool_postgres::Transaction;
use keyway_core::budget::ResetInterval;
use keyway_core::clock::Timestamp;
use keyway_core::id::{AccountId, KeyHash, KeyId};
use keyway_core::key::{KeyKind, KeyName, KeyPatch, KeyRecord, OnLimit};
use keyway_core::money::Nanos;

use super::find::{find, find_to_change};
use crate::error::Failure;
use crate::nodes;
use crate::rows::figure;

/// Applies `patch`: of each pair the first says whether, the second what.
pub(crate) async fn update(
    tx: &Transaction<'_>,
    hash: KeyHash,
    patch: &KeyPatch,
    now: Timestamp,
) -> Result<Option<KeyRecord>, Failure> {
    let Some(key) = find_to_change(tx, KeyKind::Inference, hash, now).await? else {
        return Ok(None);
    };
    update_key(tx, key.id, patch, now).await?;
    update_terms(tx, key.account, patch).await?;
    nodes::changed(tx, key.account, now).await?;
    find(tx, KeyKind::Inference, hash, now).await
}

async fn update_key(
    tx: &Transaction<'_>,
    key: KeyId,
    patch: &KeyPatch,
    now: Timestamp,
) -> Result<(), Failure> {
    let statement = tx
        .prepare_cached(
            "UPDATE api_key SET
               name = coalesce($2, name),
               disabled = coalesce($3, disabled),
               updated_at = $4,
               requests_per_minute =
                 CASE WHEN $5::BOOLEAN THEN $6::BIGINT ELSE requests_per_minute END,
               tokens_per_minute =
                 CASE WHEN $7::BOOLEAN THEN $8::BIGINT ELSE tokens_per_minute END,
               max_concurrent_requests =
                 CASE WHEN $9::BOOLEAN THEN $10::BIGINT ELSE max_concurrent_requests END,
               on_limit = coalesce($11, on_limit),
               log_content = coalesce($12, log_content)
             WHERE id = $1",
        )
        .await?;
    tx.execute(
        &statement,
        &[
            &key.0,
            &patch.name.as_ref().map(KeyName::as_str),
            &patch.disabled,
            &now.as_micros(),
            &patch.rates.requests_per_minute.is_some(),
            &figure(patch.rates.requests_per_minute.flatten()),
            &patch.rates.tokens_per_minute.is_some(),
            &figure(patch.rates.tokens_per_minute.flatten()),
            &patch.rates.max_concurrent_requests.is_some(),
            &figure(patch.rates.max_concurrent_requests.flatten()),
            &patch.on_limit.map(OnLimit::as_str),
            &patch.log_content,
        ],
    )
    .await?;
    Ok(())
}

/// The terms of a budget stand at its account.
async fn update_terms(
    tx: &Transaction<'_>,
    account: AccountId,
    patch: &KeyPatch,
) -> Result<(), Failure> {
    let statement = tx
        .prepare_cached(
            "UPDATE account SET
               limit_nanos = CASE WHEN $2::BOOLEAN THEN $3::BIGINT ELSE limit_nanos END,
               reset = CASE WHEN $4::BOOLEAN THEN $5::TEXT ELSE reset END,
               include_byok_in_limit = coalesce($6, include_byok_in_limit)
             WHERE id = $1",
        )
        .await?;
    tx.execute(
        &statement,
        &[
            &account.0,
            &patch.limit.is_some(),
            &patch.limit.flatten().map(Nanos::get),
            &patch.reset.is_some(),
            &patch.reset.flatten().map(ResetInterval::as_str),
            &patch.include_byok_in_limit,
        ],
    )
    .await?;
    Ok(())
}
