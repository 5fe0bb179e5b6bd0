//! A new secret for a key.

use keyway_core::clock::Timestamp;
use keyway_core::id::KeyHash;
use keyway_core::key::{KeyKind, KeyRecord, SecretRecord};
use rusqlite::{Connection, Error, params};

use super::create::insert_secret;
use super::find::find;
use crate::nodes;

/// The live secrets stay valid until `grace_until`, those in an earlier grace period not longer than
/// that says.
pub(crate) fn rotate(
    connection: &Connection,
    hash: KeyHash,
    secret: &SecretRecord,
    grace_until: Timestamp,
    now: Timestamp,
) -> Result<Option<KeyRecord>, Error> {
    let Some(key) = find(connection, KeyKind::Inference, hash, now)? else { return Ok(None) };
    let mut shorten = connection.prepare_cached(
        "UPDATE key_secret SET valid_until = min(coalesce(valid_until, ?2), ?2) WHERE key_id = ?1",
    )?;
    shorten.execute(params![key.id.0, grace_until.as_micros()])?;
    insert_secret(connection, key.id, secret)?;
    let mut statement = connection.prepare_cached(
        "UPDATE api_key SET hash = ?2, label = ?3, updated_at = ?4 WHERE id = ?1",
    )?;
    statement.execute(params![key.id.0, secret.hash.as_bytes(), secret.label, now.as_micros()])?;
    nodes::changed(connection, key.account, now)?;
    find(connection, KeyKind::Inference, secret.hash, now)
}
