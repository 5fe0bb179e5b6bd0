//! A key by one of its live hashes.

use keyway_core::clock::Timestamp;
use keyway_core::id::KeyHash;
use keyway_core::key::{KeyKind, KeyRecord};
use rusqlite::{Connection, Error, OptionalExtension, params};

use crate::rows::{self, KEY, KEY_COLUMNS, kind_name};

/// The key of `kind` that `hash` belongs to, with its spend at `now`.
pub(crate) fn find(
    connection: &Connection,
    kind: KeyKind,
    hash: KeyHash,
    now: Timestamp,
) -> Result<Option<KeyRecord>, Error> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {KEY_COLUMNS} FROM {KEY} JOIN key_secret AS s ON s.key_id = k.id
         WHERE s.hash = ?1 AND (s.valid_until IS NULL OR s.valid_until > ?2)
           AND k.kind = ?3 AND k.deleted_at IS NULL"
    ))?;
    let parameters = params![hash.as_bytes(), now.as_micros(), kind_name(kind)];
    let found = statement.query_row(parameters, rows::key).optional()?;
    found.map(|key| with_spend(connection, key, now)).transpose()
}

pub(crate) fn with_spend(
    connection: &Connection,
    mut key: KeyRecord,
    now: Timestamp,
) -> Result<KeyRecord, Error> {
    key.spend = rows::spend(connection, key.account, now)?;
    Ok(key)
}
