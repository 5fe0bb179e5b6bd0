//! A credential and its row.

use std::collections::HashMap;

use deadpool_postgres::Transaction;
use keyway_core::credential::envelope::{KekVersion, Sealed, WrappedKey};
use keyway_core::credential::{AllowedKey, Conduct, CredentialRecord};
use keyway_core::id::{CredentialId, KeyHash, KeyId, WorkspaceId};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::error::{Failure, broken};
use crate::rows::{bytes, moment};

/// What [`record`] reads, in its order.
const COLUMNS: &str = "id, workspace, provider, label, name, disabled, is_fallback, is_required, \
     is_byok_only, allowed_models, allowed_users, allowed_keys, sort_order, created_at, \
     kek_version, data_key, material";

pub(crate) async fn list(tx: &Transaction<'_>) -> Result<Vec<CredentialRecord>, Failure> {
    let sql = format!("SELECT {COLUMNS} FROM credential ORDER BY provider, sort_order, id");
    let rows = tx.query(&tx.prepare_cached(&sql).await?, &[]).await?;
    let mut records: Vec<_> = rows.iter().map(record).collect::<Result<_, _>>()?;
    add_hashes(tx, &mut records).await?;
    Ok(records)
}

pub(super) async fn find(
    tx: &Transaction<'_>,
    id: CredentialId,
) -> Result<Option<CredentialRecord>, Failure> {
    let sql = format!("SELECT {COLUMNS} FROM credential WHERE id = $1");
    let id: &[u8] = id.as_bytes();
    let found = tx.query_opt(&tx.prepare_cached(&sql).await?, &[&id]).await?;
    let Some(row) = found else { return Ok(None) };
    let mut records = [record(&row)?];
    add_hashes(tx, &mut records).await?;
    let [record] = records;
    Ok(Some(record))
}

pub(super) async fn insert(tx: &Transaction<'_>, record: &CredentialRecord) -> Result<(), Failure> {
    let sql = format!(
        "INSERT INTO credential ({COLUMNS})
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)"
    );
    write(tx, &sql, record).await
}

/// Writes all that may change of a record.
pub(super) async fn replace(
    tx: &Transaction<'_>,
    record: &CredentialRecord,
) -> Result<(), Failure> {
    let sql = "UPDATE credential SET workspace = $2, provider = $3, label = $4, name = $5,
                 disabled = $6, is_fallback = $7, is_required = $8, is_byok_only = $9,
                 allowed_models = $10, allowed_users = $11, allowed_keys = $12, sort_order = $13,
                 created_at = $14, kek_version = $15, data_key = $16, material = $17
               WHERE id = $1";
    write(tx, sql, record).await
}

async fn write(tx: &Transaction<'_>, sql: &str, record: &CredentialRecord) -> Result<(), Failure> {
    let CredentialRecord { conduct, sealed, .. } = record;
    let keys = record.allowed_keys.as_ref();
    let keys: Option<Vec<u8>> =
        keys.map(|keys| keys.iter().flat_map(|key| key.id.0.to_be_bytes()).collect());
    let (id, workspace): (&[u8], &[u8]) = (record.id.as_bytes(), record.workspace.0.as_bytes());
    tx.execute(
        sql,
        &[
            &id,
            &workspace,
            &record.provider,
            &record.label,
            &record.name,
            &conduct.disabled,
            &conduct.is_fallback,
            &conduct.is_required,
            &conduct.is_byok_only,
            &lines(conduct.allowed_models.as_ref()),
            &lines(conduct.allowed_users.as_ref()),
            &keys,
            &conduct.sort_order,
            &record.created_at.as_micros(),
            &sealed.wrapped.version.0,
            &sealed.wrapped.text.as_slice(),
            &sealed.material,
        ],
    )
    .await?;
    Ok(())
}

/// The hashes of its keys are looked up apart.
fn record(row: &Row) -> Result<CredentialRecord, Failure> {
    let keys: Option<&[u8]> = row.get(11);
    let key = |id: &[u8; 8]| AllowedKey {
        id: KeyId(i64::from_be_bytes(*id)),
        hash: KeyHash::from_bytes([0; 32]),
    };
    let wrapped = WrappedKey { version: KekVersion(row.get(14)), text: bytes(row, 15)? };
    Ok(CredentialRecord {
        id: CredentialId::from_bytes(bytes(row, 0)?),
        workspace: WorkspaceId(Uuid::from_bytes(bytes(row, 1)?)),
        provider: row.get(2),
        label: row.get(3),
        name: row.get(4),
        conduct: Conduct {
            disabled: row.get(5),
            is_fallback: row.get(6),
            is_required: row.get(7),
            is_byok_only: row.get(8),
            allowed_models: list_of(row.get(9)),
            allowed_users: list_of(row.get(10)),
            sort_order: row.get(12),
        },
        allowed_keys: keys.map(|keys| keys.as_chunks().0.iter().map(key).collect()),
        created_at: moment(row, 13),
        sealed: Sealed { wrapped, material: row.get(16) },
    })
}

/// Keys may have been rotated since it was written.
async fn add_hashes(tx: &Transaction<'_>, records: &mut [CredentialRecord]) -> Result<(), Failure> {
    let allowed = records.iter().filter_map(|record| record.allowed_keys.as_ref()).flatten();
    let ids: Vec<i64> = allowed.map(|key| key.id.0).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let sql = "SELECT id, hash FROM api_key WHERE id = ANY ($1)";
    let rows = tx.query(&tx.prepare_cached(sql).await?, &[&ids]).await?;
    let mut hashes = HashMap::new();
    for row in &rows {
        hashes.insert(row.get::<_, i64>(0), KeyHash::from_bytes(bytes(row, 1)?));
    }
    let allowed = records.iter_mut().filter_map(|record| record.allowed_keys.as_mut()).flatten();
    for key in allowed {
        key.hash = *hashes.get(&key.id.0).ok_or_else(|| broken("list of keys"))?;
    }
    Ok(())
}

/// Entries have no control characters, and none is empty.
fn lines(entries: Option<&Vec<String>>) -> Option<String> {
    entries.map(|entries| entries.join("\n"))
}

fn list_of(lines: Option<&str>) -> Option<Vec<String>> {
    lines.map(|lines| lines.lines().map(str::to_owned).collect())
}
