//! Changes to a key.

use deadpool_postgres::Transaction;
use keyway_core::budget::ResetInterval;
use keyway_core::clock::Timestamp;
use keyway_core::id::KeyHash;
use keyway_core::key::{KeyKind, KeyName, KeyPatch, KeyRecord};
use keyway_core::money::Nanos;

use super::find::{find, find_to_change};
use crate::error::Failure;
use crate::nodes;

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
    let statement = tx
        .prepare_cached(
            "UPDATE api_key SET
               name = coalesce($2, name),
               disabled = coalesce($3, disabled),
               updated_at = $4
             WHERE id = $1",
        )
        .await?;
    tx.execute(
        &statement,
        &[&key.id.0, &patch.name.as_ref().map(KeyName::as_str), &patch.disabled, &now.as_micros()],
    )
    .await?;
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
            &key.account.0,
            &patch.limit.is_some(),
            &patch.limit.flatten().map(Nanos::get),
            &patch.reset.is_some(),
            &patch.reset.flatten().map(ResetInterval::as_str),
            &patch.include_byok_in_limit,
        ],
    )
    .await?;
    nodes::changed(tx, key.account, now).await?;
    find(tx, KeyKind::Inference, hash, now).await
}
