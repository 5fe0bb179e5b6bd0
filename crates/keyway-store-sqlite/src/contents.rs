//! What was said in requests.

use keyway_core::clock::Timestamp;
use keyway_core::content::Content;
use keyway_core::id::{GenerationId, KeyId};
use keyway_core::store::PRUNED_MAX;
use rusqlite::{Connection, Error, OptionalExtension, Row, params};

/// Of keys that are there, each once.
pub(crate) fn keep(connection: &Connection, contents: &[Content]) -> Result<(), Error> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO content (generation, key_id, sealed)
         SELECT ?1, id, ?3 FROM api_key WHERE id = ?2 AND deleted_at IS NULL
         ON CONFLICT (generation) DO NOTHING",
    )?;
    for content in contents {
        statement.execute(params![content.generation.as_bytes(), content.key.0, content.sealed])?;
    }
    Ok(())
}

pub(crate) fn get(connection: &Connection, id: GenerationId) -> Result<Option<Content>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT c.generation, c.key_id, c.sealed
         FROM content AS c JOIN api_key AS k ON k.id = c.key_id
         WHERE c.generation = ?1 AND k.deleted_at IS NULL",
    )?;
    statement.query_row([id.as_bytes()], content).optional()
}

/// Of one key, the oldest first.
pub(crate) fn forget(connection: &Connection, key: KeyId) -> Result<u64, Error> {
    let mut statement = connection.prepare_cached(
        "DELETE FROM content WHERE generation IN
           (SELECT generation FROM content WHERE key_id = ?1 ORDER BY generation LIMIT ?2)",
    )?;
    Ok(statement.execute([key.0, PRUNED_MAX])? as u64)
}

/// Of requests that were admitted before `until`, the oldest first.
pub(crate) fn prune(connection: &Connection, until: Timestamp) -> Result<u64, Error> {
    let mut statement = connection.prepare_cached(
        "DELETE FROM content WHERE generation IN
           (SELECT generation FROM content WHERE generation < ?1 ORDER BY generation LIMIT ?2)",
    )?;
    let first = GenerationId::first_at(until);
    Ok(statement.execute(params![first.as_bytes(), PRUNED_MAX])? as u64)
}

fn content(row: &Row<'_>) -> Result<Content, Error> {
    Ok(Content {
        generation: GenerationId::from_bytes(row.get(0)?),
        key: KeyId(row.get(1)?),
        sealed: row.get(2)?,
    })
}
