//! The end of a key.

use deadpool_postgres::Transaction;
use keyway_core::clock::Timestamp;
use keyway_core::id::{AccountId, KeyHash, KeyId};
use keyway_core::key::KeyKind;
use keyway_core::store::KeyDeleted;

use super::find::find_to_change;
use crate::error::Failure;
use crate::nodes;
use crate::rows::kind_name;

/// Ends the key. Its rows stay: charges name it, and a cursor on it keeps its place. `again`: an
/// earlier try may have done it.
pub(crate) async fn delete(
    tx: &Transaction<'_>,
    kind: KeyKind,
    hash: KeyHash,
    now: Timestamp,
    again: bool,
) -> Result<KeyDeleted, Failure> {
    if again && let Some(done) = deleted_before(tx, kind, hash, now).await? {
        return Ok(done);
    }
    if kind == KeyKind::Management {
        // Two that go at once must not both believe that the other stays.
        tx.query_one("SELECT 1 FROM installation FOR UPDATE", &[]).await?;
    }
    let Some(key) = find_to_change(tx, kind, hash, now).await? else {
        return Ok(KeyDeleted::NotFound);
    };
    if kind == KeyKind::Management && !others_can_manage(tx, key.id, now).await? {
        return Ok(KeyDeleted::LastManagementKey);
    }
    let sql = "UPDATE api_key SET deleted_at = $2 WHERE id = $1";
    tx.execute(sql, &[&key.id.0, &now.as_micros()]).await?;
    nodes::changed(tx, key.account, now).await?;
    Ok(KeyDeleted::Deleted(key.id, key.account))
}

async fn deleted_before(
    tx: &Transaction<'_>,
    kind: KeyKind,
    hash: KeyHash,
    now: Timestamp,
) -> Result<Option<KeyDeleted>, Failure> {
    let sql = "SELECT k.id, k.account_id FROM key_secret AS s JOIN api_key AS k ON k.id = s.key_id
               WHERE s.hash = $1 AND k.kind = $2 AND k.deleted_at = $3";
    let hash: &[u8] = hash.as_bytes();
    let row = tx.query_opt(sql, &[&hash, &kind_name(kind), &now.as_micros()]).await?;
    Ok(row.map(|row| KeyDeleted::Deleted(KeyId(row.get(0)), AccountId(row.get(1)))))
}

async fn others_can_manage(
    tx: &Transaction<'_>,
    besides: KeyId,
    now: Timestamp,
) -> Result<bool, Failure> {
    let sql = "SELECT EXISTS (SELECT 1 FROM api_key
                 WHERE kind = 'management' AND deleted_at IS NULL AND NOT disabled AND id <> $1
                   AND (expires_at IS NULL OR expires_at > $2))";
    Ok(tx.query_one(sql, &[&besides.0, &now.as_micros()]).await?.get(0))
}
