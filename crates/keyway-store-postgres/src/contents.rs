//! What was said in requests.

use deadpool_postgres::Transaction;
use keyway_core::clock::Timestamp;
use keyway_core::content::Content;
use keyway_core::id::{GenerationId, KeyId};
use keyway_core::store::PRUNED_MAX;
use tokio_postgres::Row;

use crate::error::Failure;
use crate::rows::bytes;

/// Of keys that are there, each once.
pub(crate) async fn keep(tx: &Transaction<'_>, contents: &[Content]) -> Result<(), Failure> {
    let statement = tx
        .prepare_cached(
            "INSERT INTO content (generation, key_id, sealed)
             SELECT $1, id, $3 FROM api_key WHERE id = $2 AND deleted_at IS NULL
             ON CONFLICT (generation) DO NOTHING",
        )
        .await?;
    for content in contents {
        let id: &[u8] = content.generation.as_bytes();
        tx.execute(&statement, &[&id, &content.key.0, &content.sealed]).await?;
    }
    Ok(())
}

pub(crate) async fn get(
    tx: &Transaction<'_>,
    id: GenerationId,
) -> Result<Option<Content>, Failure> {
    let statement = tx
        .prepare_cached(
            "SELECT c.generation, c.key_id, c.sealed
             FROM content AS c JOIN api_key AS k ON k.id = c.key_id
             WHERE c.generation = $1 AND k.deleted_at IS NULL",
        )
        .await?;
    let id: &[u8] = id.as_bytes();
    tx.query_opt(&statement, &[&id]).await?.map(|row| content(&row)).transpose()
}

/// Of one key, the oldest first. Nodes that do the same take the rows in the same order.
pub(crate) async fn forget(tx: &Transaction<'_>, key: KeyId) -> Result<u64, Failure> {
    let statement = tx
        .prepare_cached(
            "DELETE FROM content WHERE generation IN
               (SELECT generation FROM content WHERE key_id = $1
                ORDER BY generation LIMIT $2 FOR UPDATE)",
        )
        .await?;
    Ok(tx.execute(&statement, &[&key.0, &PRUNED_MAX]).await?)
}

/// Of requests that were admitted before `until`; as [`forget`].
pub(crate) async fn prune(tx: &Transaction<'_>, until: Timestamp) -> Result<u64, Failure> {
    let statement = tx
        .prepare_cached(
            "DELETE FROM content WHERE generation IN
               (SELECT generation FROM content WHERE generation < $1
                ORDER BY generation LIMIT $2 FOR UPDATE)",
        )
        .await?;
    let first = GenerationId::first_at(until);
    let first: &[u8] = first.as_bytes();
    Ok(tx.execute(&statement, &[&first, &PRUNED_MAX]).await?)
}

fn content(row: &Row) -> Result<Content, Failure> {
    Ok(Content {
        generation: GenerationId::from_bytes(bytes(row, 0)?),
        key: KeyId(row.get(1)),
        sealed: row.get(2),
    })
}
