//! The end of a key.

use keyway_core::clock::Timestamp;
use keyway_core::id::{KeyHash, KeyId};
use keyway_core::key::KeyKind;
use keyway_core::store::KeyDeleted;
use rusqlite::{Connection, Error, params};

use super::find::find;
use crate::nodes;

/// Ends the key. Its rows stay: charges name it, and a cursor on it keeps its place.
pub(crate) fn delete(
    connection: &Connection,
    kind: KeyKind,
    hash: KeyHash,
    now: Timestamp,
) -> Result<KeyDeleted, Error> {
    let Some(key) = find(connection, kind, hash, now)? else { return Ok(KeyDeleted::NotFound) };
    if kind == KeyKind::Management && !others_can_manage(connection, key.id, now)? {
        return Ok(KeyDeleted::LastManagementKey);
    }
    let mut statement =
        connection.prepare_cached("UPDATE api_key SET deleted_at = ?2 WHERE id = ?1")?;
    statement.execute(params![key.id.0, now.as_micros()])?;
    nodes::changed(connection, key.account, now)?;
    Ok(KeyDeleted::Deleted(key.id, key.account))
}

fn others_can_manage(
    connection: &Connection,
    besides: KeyId,
    now: Timestamp,
) -> Result<bool, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM api_key
           WHERE kind = 'management' AND deleted_at IS NULL AND disabled = 0 AND id <> ?1
             AND (expires_at IS NULL OR expires_at > ?2))",
    )?;
    statement.query_row(params![besides.0, now.as_micros()], |row| row.get(0))
}
