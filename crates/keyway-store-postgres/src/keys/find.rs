//! A key by one of its live hashes.

use deadpool_postgres::Transaction;
use keyway_core::clock::Timestamp;
use keyway_core::id::KeyHash;
use keyway_core::key::{KeyKind, KeyRecord};

use crate::error::Failure;
use crate::rows::{self, KEY, KEY_COLUMNS, kind_name};
use crate::spend::spend;

/// The key of `kind` that `hash` belongs to, with its spend at `now`.
pub(crate) async fn find(
    tx: &Transaction<'_>,
    kind: KeyKind,
    hash: KeyHash,
    now: Timestamp,
) -> Result<Option<KeyRecord>, Failure> {
    let sql = format!(
        "SELECT {KEY_COLUMNS} FROM {KEY} JOIN key_secret AS s ON s.key_id = k.id
         WHERE s.hash = $1 AND (s.valid_until IS NULL OR s.valid_until > $2)
           AND k.kind = $3 AND k.deleted_at IS NULL"
    );
    let statement = tx.prepare_cached(&sql).await?;
    let hash: &[u8] = hash.as_bytes();
    let found = tx.query_opt(&statement, &[&hash, &now.as_micros(), &kind_name(kind)]).await?;
    let Some(row) = found else { return Ok(None) };
    let mut key = rows::key(&row)?;
    key.spend = spend(tx, key.account, now).await?;
    Ok(Some(key))
}

/// The same, with its row locked until the commit: changes to one key are made one after the other.
pub(super) async fn find_to_change(
    tx: &Transaction<'_>,
    kind: KeyKind,
    hash: KeyHash,
    now: Timestamp,
) -> Result<Option<KeyRecord>, Failure> {
    let Some(key) = find(tx, kind, hash, now).await? else { return Ok(None) };
    // The account first, as grants do: no change comes between what a grant reads and writes.
    let sql = "SELECT 1 FROM account WHERE id = $1 FOR NO KEY UPDATE";
    tx.query_one(sql, &[&key.account.0]).await?;
    find(tx, kind, hash, now).await
}
