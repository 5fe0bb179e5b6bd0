//! Credentials of providers, and what their data keys are wrapped under.

pub(crate) mod kek;
mod rows;

use deadpool_postgres::Transaction;
use keyway_core::clock::Timestamp;
use keyway_core::credential::envelope::{KekVersion, Sealed, WrappedKey};
use keyway_core::credential::{AllowedKey, CREDENTIALS_MAX, CredentialPatch, NewCredential};
use keyway_core::id::{AccountId, CredentialId, KeyHash, KeyId};
use keyway_core::store::CredentialWritten;

use crate::error::Failure;
use crate::nodes;
use crate::rows::bytes;

pub(crate) use rows::list;

/// `again`: an earlier try may have done it.
pub(crate) async fn create(
    tx: &Transaction<'_>,
    new: NewCredential,
    now: Timestamp,
    again: bool,
) -> Result<CredentialWritten, Failure> {
    take_turn(tx).await?;
    if again && let Some(done) = rows::find(tx, new.id).await? {
        return Ok(CredentialWritten::Written(done));
    }
    if !is_under_newest(tx, &new.sealed).await? {
        return Ok(CredentialWritten::OtherKek);
    }
    let count: i64 = tx.query_one("SELECT count(*) FROM credential", &[]).await?.get(0);
    if usize::try_from(count).unwrap_or_default() >= CREDENTIALS_MAX {
        return Ok(CredentialWritten::TooMany);
    }
    let allowed = match &new.allowed_keys {
        None => None,
        Some(keys) => match allowed(tx, keys).await? {
            Ok(keys) => Some(keys),
            Err(unknown) => return Ok(CredentialWritten::NoSuchKey(unknown)),
        },
    };
    let sql = "SELECT max(sort_order) FROM credential WHERE provider = $1";
    let last = tx.query_one(sql, &[&new.provider]).await?.get(0);
    let record = new.record(allowed, last, now);
    rows::insert(tx, &record).await?;
    nodes::changed(tx, AccountId::WORKSPACE, now).await?;
    Ok(CredentialWritten::Written(record))
}

pub(crate) async fn update(
    tx: &Transaction<'_>,
    id: CredentialId,
    mut patch: CredentialPatch,
    now: Timestamp,
) -> Result<CredentialWritten, Failure> {
    take_turn(tx).await?;
    let Some(mut record) = rows::find(tx, id).await? else {
        return Ok(CredentialWritten::NotFound);
    };
    if let Some((_, sealed)) = &patch.material
        && !is_under_newest(tx, sealed).await?
    {
        return Ok(CredentialWritten::OtherKek);
    }
    match patch.allowed_keys.take() {
        None => {}
        Some(None) => record.allowed_keys = None,
        Some(Some(keys)) => match allowed(tx, &keys).await? {
            Ok(keys) => record.allowed_keys = Some(keys),
            Err(unknown) => return Ok(CredentialWritten::NoSuchKey(unknown)),
        },
    }
    patch.apply(&mut record);
    rows::replace(tx, &record).await?;
    nodes::changed(tx, AccountId::WORKSPACE, now).await?;
    Ok(CredentialWritten::Written(record))
}

/// `again`: an earlier try may have done it.
pub(crate) async fn delete(
    tx: &Transaction<'_>,
    id: CredentialId,
    now: Timestamp,
    again: bool,
) -> Result<bool, Failure> {
    take_turn(tx).await?;
    let id: &[u8] = id.as_bytes();
    let deleted = tx.execute("DELETE FROM credential WHERE id = $1", &[&id]).await?;
    if deleted > 0 {
        nodes::changed(tx, AccountId::WORKSPACE, now).await?;
    }
    Ok(deleted > 0 || again)
}

/// `again`: an earlier try may have done it.
pub(crate) async fn rewrap(
    tx: &Transaction<'_>,
    id: CredentialId,
    from: KekVersion,
    wrapped: &WrappedKey,
    again: bool,
) -> Result<bool, Failure> {
    let sql = "UPDATE credential SET kek_version = $3, data_key = $4
               WHERE id = $1 AND kek_version = $2
                 AND $3 = (SELECT max(version) FROM key_encryption_key)";
    let (id, text): (&[u8], &[u8]) = (id.as_bytes(), &wrapped.text);
    let written = tx.execute(sql, &[&id, &from.0, &wrapped.version.0, &text]).await?;
    Ok(written > 0 || again)
}

/// Changes to credentials are made one after the other.
async fn take_turn(tx: &Transaction<'_>) -> Result<(), Failure> {
    tx.query_one("SELECT 1 FROM installation FOR UPDATE", &[]).await?;
    Ok(())
}

async fn is_under_newest(tx: &Transaction<'_>, sealed: &Sealed) -> Result<bool, Failure> {
    let sql = "SELECT max(version) FROM key_encryption_key";
    let newest: Option<i64> = tx.query_one(sql, &[]).await?.get(0);
    Ok(newest == Some(sealed.wrapped.version.0))
}

/// The keys that these hashes are of, whichever of their secrets; or the first that is of none.
async fn allowed(
    tx: &Transaction<'_>,
    hashes: &[KeyHash],
) -> Result<Result<Vec<AllowedKey>, KeyHash>, Failure> {
    let statement = tx
        .prepare_cached(
            "SELECT k.id, k.hash FROM key_secret AS s JOIN api_key AS k ON k.id = s.key_id
             WHERE s.hash = $1 AND k.kind = 'inference' AND k.deleted_at IS NULL",
        )
        .await?;
    let mut allowed = Vec::<AllowedKey>::new();
    for hash in hashes {
        let presented: &[u8] = hash.as_bytes();
        let Some(row) = tx.query_opt(&statement, &[&presented]).await? else {
            return Ok(Err(*hash));
        };
        let id = KeyId(row.get(0));
        if allowed.iter().all(|known| known.id != id) {
            allowed.push(AllowedKey { id, hash: KeyHash::from_bytes(bytes(&row, 1)?) });
        }
    }
    Ok(Ok(allowed))
}
