//! What authentication needs to know.

use deadpool_postgres::Transaction;
use keyway_core::clock::Timestamp;
use keyway_core::id::KeyHash;
use keyway_core::key::SecretRecord;
use keyway_core::store::KeyWithSecrets;

use crate::error::Failure;
use crate::rows::{self, KEY, KEY_COLUMNS, SECRET_COLUMNS};
use crate::spend::spend;

/// The key that `hash` is or was a secret of, with all its secrets.
pub(crate) async fn find(
    tx: &Transaction<'_>,
    hash: KeyHash,
    now: Timestamp,
) -> Result<Option<KeyWithSecrets>, Failure> {
    let sql = format!(
        "SELECT {KEY_COLUMNS} FROM {KEY} JOIN key_secret AS s ON s.key_id = k.id
         WHERE s.hash = $1 AND k.deleted_at IS NULL"
    );
    let hash: &[u8] = hash.as_bytes();
    let found = tx.query_opt(&tx.prepare_cached(&sql).await?, &[&hash]).await?;
    let Some(row) = found else { return Ok(None) };
    let mut key = rows::key(&row)?;
    key.spend = spend(tx, key.account, now).await?;
    let sql = format!("SELECT {SECRET_COLUMNS} FROM key_secret WHERE key_id = $1 ORDER BY hash");
    let secrets = tx.query(&tx.prepare_cached(&sql).await?, &[&key.id.0]).await?;
    let secrets: Result<Vec<_>, Failure> = secrets.iter().map(rows::secret).collect();
    Ok(Some(KeyWithSecrets { key, secrets: secrets? }))
}

/// Secrets that Keyway did not make. They are few among many.
pub(crate) async fn brought(tx: &Transaction<'_>) -> Result<Vec<SecretRecord>, Failure> {
    let sql = "SELECT s.hash, s.tag, s.label, s.minted, s.valid_until
               FROM key_secret AS s JOIN api_key AS k ON k.id = s.key_id
               WHERE s.minted = FALSE AND k.deleted_at IS NULL ORDER BY s.hash";
    tx.query(sql, &[]).await?.iter().map(rows::secret).collect()
}
