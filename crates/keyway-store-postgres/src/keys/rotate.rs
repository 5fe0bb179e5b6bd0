//! A new secret for a key.

use deadpool_postgres::Transaction;
use keyway_core::clock::Timestamp;
use keyway_core::id::KeyHash;
use keyway_core::key::{KeyKind, KeyRecord, SecretRecord};

use super::create::insert_secret;
use super::find::{find, find_to_change};
use crate::error::Failure;
use crate::nodes;

/// The live secrets stay valid until `grace_until`, those in an earlier grace period not longer than
/// that says. `again`: an earlier try may have done it.
pub(crate) async fn rotate(
    tx: &Transaction<'_>,
    hash: KeyHash,
    secret: &SecretRecord,
    grace_until: Timestamp,
    now: Timestamp,
    again: bool,
) -> Result<Option<KeyRecord>, Failure> {
    if again && let Some(done) = find(tx, KeyKind::Inference, secret.hash, now).await? {
        return Ok(Some(done));
    }
    let Some(key) = find_to_change(tx, KeyKind::Inference, hash, now).await? else {
        return Ok(None);
    };
    tx.execute(
        "UPDATE key_secret SET valid_until = least(coalesce(valid_until, $2), $2) WHERE key_id = $1",
        &[&key.id.0, &grace_until.as_micros()],
    )
    .await?;
    insert_secret(tx, key.id, secret).await?;
    let hash: &[u8] = secret.hash.as_bytes();
    tx.execute(
        "UPDATE api_key SET hash = $2, label = $3, updated_at = $4 WHERE id = $1",
        &[&key.id.0, &hash, &secret.label, &now.as_micros()],
    )
    .await?;
    nodes::changed(tx, key.account, now).await?;
    find(tx, KeyKind::Inference, secret.hash, now).await
}
