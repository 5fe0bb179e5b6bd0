//! What authentication needs to know.

use keyway_core::clock::Timestamp;
use keyway_core::id::KeyHash;
use keyway_core::key::SecretRecord;
use keyway_core::store::KeyWithSecrets;
use rusqlite::{Connection, Error, OptionalExtension, params};

use super::find::with_spend;
use crate::rows::{self, KEY, KEY_COLUMNS, SECRET_COLUMNS};

/// The key that `hash` is or was a secret of, with all its secrets.
pub(crate) fn find(
    connection: &Connection,
    hash: KeyHash,
    now: Timestamp,
) -> Result<Option<KeyWithSecrets>, Error> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {KEY_COLUMNS} FROM {KEY} JOIN key_secret AS s ON s.key_id = k.id
         WHERE s.hash = ?1 AND k.deleted_at IS NULL"
    ))?;
    let found = statement.query_row(params![hash.as_bytes()], rows::key).optional()?;
    let Some(key) = found else { return Ok(None) };
    let key = with_spend(connection, key, now)?;
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {SECRET_COLUMNS} FROM key_secret WHERE key_id = ?1 ORDER BY hash"
    ))?;
    let secrets: Result<Vec<_>, _> = statement.query_map([key.id.0], rows::secret)?.collect();
    Ok(Some(KeyWithSecrets { key, secrets: secrets? }))
}

/// Secrets that Keyway did not make. They are few among many, so the index is not left to chance.
pub(crate) fn brought(connection: &Connection) -> Result<Vec<SecretRecord>, Error> {
    let mut statement = connection.prepare(
        "SELECT s.hash, s.tag, s.label, s.minted, s.valid_until
         FROM key_secret AS s INDEXED BY key_secret_brought JOIN api_key AS k ON k.id = s.key_id
         WHERE s.minted = 0 AND k.deleted_at IS NULL ORDER BY s.hash",
    )?;
    statement.query_map([], rows::secret)?.collect()
}
