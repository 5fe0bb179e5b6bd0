//! Credentials of providers, and what their data keys are wrapped under.

pub(crate) mod kek;
mod rows;

use keyway_core::clock::Timestamp;
use keyway_core::credential::envelope::{KekVersion, Sealed, WrappedKey};
use keyway_core::credential::{AllowedKey, CREDENTIALS_MAX, CredentialPatch, NewCredential};
use keyway_core::id::{AccountId, CredentialId, KeyHash, KeyId};
use keyway_core::store::CredentialWritten;
use rusqlite::{Connection, Error, OptionalExtension, params};

use crate::nodes;

pub(crate) use rows::list;

pub(crate) fn create(
    connection: &Connection,
    new: NewCredential,
    now: Timestamp,
) -> Result<CredentialWritten, Error> {
    if !is_under_newest(connection, &new.sealed)? {
        return Ok(CredentialWritten::OtherKek);
    }
    let count: i64 =
        connection.query_row("SELECT count(*) FROM credential", [], |row| row.get(0))?;
    if usize::try_from(count).unwrap_or_default() >= CREDENTIALS_MAX {
        return Ok(CredentialWritten::TooMany);
    }
    let allowed = match new.allowed_keys.as_deref().map(|keys| allowed(connection, keys)) {
        None => None,
        Some(keys) => match keys? {
            Ok(keys) => Some(keys),
            Err(unknown) => return Ok(CredentialWritten::NoSuchKey(unknown)),
        },
    };
    let sql = "SELECT max(sort_order) FROM credential WHERE provider = ?1";
    let last = connection.query_row(sql, [&new.provider], |row| row.get(0))?;
    let record = new.record(allowed, last, now);
    rows::insert(connection, &record)?;
    nodes::changed(connection, AccountId::WORKSPACE, now)?;
    Ok(CredentialWritten::Written(record))
}

pub(crate) fn update(
    connection: &Connection,
    id: CredentialId,
    mut patch: CredentialPatch,
    now: Timestamp,
) -> Result<CredentialWritten, Error> {
    let Some(mut record) = rows::find(connection, id)? else {
        return Ok(CredentialWritten::NotFound);
    };
    if let Some((_, sealed)) = &patch.material
        && !is_under_newest(connection, sealed)?
    {
        return Ok(CredentialWritten::OtherKek);
    }
    match patch.allowed_keys.take() {
        None => {}
        Some(None) => record.allowed_keys = None,
        Some(Some(keys)) => match allowed(connection, &keys)? {
            Ok(keys) => record.allowed_keys = Some(keys),
            Err(unknown) => return Ok(CredentialWritten::NoSuchKey(unknown)),
        },
    }
    patch.apply(&mut record);
    wiping(connection, || rows::replace(connection, &record))?;
    nodes::changed(connection, AccountId::WORKSPACE, now)?;
    Ok(CredentialWritten::Written(record))
}

/// Wipes the material, and takes its row away.
pub(crate) fn delete(
    connection: &Connection,
    id: CredentialId,
    now: Timestamp,
) -> Result<bool, Error> {
    let sql = "DELETE FROM credential WHERE id = ?1";
    let deleted = wiping(connection, || connection.execute(sql, [id.as_bytes()]))?;
    if deleted > 0 {
        nodes::changed(connection, AccountId::WORKSPACE, now)?;
    }
    Ok(deleted > 0)
}

pub(crate) fn rewrap(
    connection: &Connection,
    id: CredentialId,
    from: KekVersion,
    wrapped: &WrappedKey,
) -> Result<bool, Error> {
    let sql = "UPDATE credential SET kek_version = ?3, data_key = ?4
               WHERE id = ?1 AND kek_version = ?2
                 AND ?3 = (SELECT max(version) FROM key_encryption_key)";
    let parameters = params![id.as_bytes(), from.0, wrapped.version.0, wrapped.text];
    Ok(wiping(connection, || connection.execute(sql, parameters))? > 0)
}

/// What `work` takes away is overwritten with zeros in the database's pages, which a file keeps else.
/// Everything else is not: a settlement has nothing to hide, and would pay for it.
fn wiping<T>(connection: &Connection, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    connection.pragma_update(None, "secure_delete", true)?;
    let done = work();
    connection.pragma_update(None, "secure_delete", false)?;
    done
}

fn is_under_newest(connection: &Connection, sealed: &Sealed) -> Result<bool, Error> {
    let sql = "SELECT max(version) FROM key_encryption_key";
    let newest: Option<i64> = connection.query_row(sql, [], |row| row.get(0))?;
    Ok(newest == Some(sealed.wrapped.version.0))
}

/// The keys that these hashes are of, whichever of their secrets; or the first that is of none.
fn allowed(
    connection: &Connection,
    hashes: &[KeyHash],
) -> Result<Result<Vec<AllowedKey>, KeyHash>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT k.id, k.hash FROM key_secret AS s JOIN api_key AS k ON k.id = s.key_id
         WHERE s.hash = ?1 AND k.kind = 'inference' AND k.deleted_at IS NULL",
    )?;
    let mut allowed = Vec::<AllowedKey>::new();
    for hash in hashes {
        let key = |row: &rusqlite::Row<'_>| {
            let id = KeyId(row.get(0)?);
            Ok(AllowedKey { id, hash: KeyHash::from_bytes(row.get(1)?) })
        };
        let found = statement.query_row([hash.as_bytes()], key).optional()?;
        let Some(found) = found else { return Ok(Err(*hash)) };
        if allowed.iter().all(|known| known.id != found.id) {
            allowed.push(found);
        }
    }
    Ok(Ok(allowed))
}
