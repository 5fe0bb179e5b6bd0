//! Key-encryption keys, as far as the store knows them.

use deadpool_postgres::Transaction;
use keyway_core::clock::Timestamp;
use keyway_core::credential::envelope::KekVersion;
use keyway_core::store::KekRecord;

use super::take_turn;
use crate::error::Failure;
use crate::rows::bytes;

pub(crate) async fn list(tx: &Transaction<'_>) -> Result<Vec<KekRecord>, Failure> {
    let sql = "SELECT version, fingerprint FROM key_encryption_key ORDER BY version";
    let rows = tx.query(sql, &[]).await?;
    let record = |row: &tokio_postgres::Row| {
        Ok(KekRecord { version: KekVersion(row.get(0)), fingerprint: bytes(row, 1)? })
    };
    rows.iter().map(record).collect()
}

pub(crate) async fn add(
    tx: &Transaction<'_>,
    fingerprint: [u8; 32],
    after: Option<KekVersion>,
    now: Timestamp,
) -> Result<Option<KekRecord>, Failure> {
    take_turn(tx).await?;
    let version = KekVersion(after.map_or(1, |after| after.0 + 1));
    let record = KekRecord { version, fingerprint };
    let newest = list(tx).await?.pop();
    if newest == Some(record) {
        return Ok(Some(record));
    }
    if newest.map(|newest| newest.version) != after {
        return Ok(None);
    }
    let sql =
        "INSERT INTO key_encryption_key (version, fingerprint, created_at) VALUES ($1, $2, $3)";
    tx.execute(sql, &[&version.0, &fingerprint.as_slice(), &now.as_micros()]).await?;
    Ok(Some(record))
}

pub(crate) async fn retire(tx: &Transaction<'_>, version: KekVersion) -> Result<bool, Failure> {
    take_turn(tx).await?;
    tx.execute(
        "DELETE FROM key_encryption_key
         WHERE version = $1 AND version < (SELECT max(version) FROM key_encryption_key)
           AND NOT EXISTS (SELECT 1 FROM credential WHERE kek_version = $1)",
        &[&version.0],
    )
    .await?;
    Ok(list(tx).await?.iter().all(|kek| kek.version != version))
}
