//! What nobody needs any more is taken away, a few rows at a time.

use keyway_core::clock::Timestamp;
use keyway_core::id::Epoch;
use keyway_core::store::{IDEMPOTENCY_SECONDS, KEPT_SECONDS, PRUNED_MAX};
use rusqlite::{Connection, Error, params};

/// Answers how many rows went.
pub(crate) fn prune(connection: &Connection, epoch: Epoch, now: Timestamp) -> Result<u64, Error> {
    let kept_from = now.plus_seconds(-KEPT_SECONDS).as_micros();
    let rows = changes(connection, kept_from)?
        + runs(connection, kept_from)?
        + leases(connection, epoch)?
        + creations(connection, now)?;
    Ok(rows as u64)
}

/// Changes that every live node has applied. In their order, so that what is kept has no gaps.
fn changes(connection: &Connection, kept_from: i64) -> Result<usize, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT seq, changed_at FROM change_log
         WHERE seq <= (SELECT min(applied) FROM node WHERE live = 1) ORDER BY seq LIMIT ?1",
    )?;
    let mut last = None;
    let mut rows = statement.query([PRUNED_MAX])?;
    while let Some(row) = rows.next()? {
        if row.get::<_, i64>(1)? >= kept_from {
            break;
        }
        last = Some(row.get::<_, i64>(0)?);
    }
    drop(rows);
    let Some(last) = last else { return Ok(0) };
    connection.prepare_cached("DELETE FROM change_log WHERE seq <= ?1")?.execute([last])
}

/// Runs that were ended: nothing of them is open, and their numbers are not given out again.
fn runs(connection: &Connection, kept_from: i64) -> Result<usize, Error> {
    let mut statement = connection.prepare_cached(
        "DELETE FROM node WHERE epoch IN
           (SELECT epoch FROM node WHERE live = 0 AND heard_at < ?1 ORDER BY epoch LIMIT ?2)",
    )?;
    statement.execute([kept_from, PRUNED_MAX])
}

/// Leases of this run with nothing in them. The run keeps the highest number of their calls: see
/// [`crate::leases::lease`].
fn leases(connection: &Connection, epoch: Epoch) -> Result<usize, Error> {
    let mut statement = connection.prepare_cached(
        "DELETE FROM lease WHERE (account_id, kind, starts_at, epoch) IN
           (SELECT account_id, kind, starts_at, epoch FROM lease
            WHERE epoch = ?1 AND outstanding_nanos = 0 LIMIT ?2)
         RETURNING seq",
    )?;
    let gone: Result<Vec<i64>, Error> =
        statement.query_map([epoch.0, PRUNED_MAX], |row| row.get(0))?.collect();
    let gone = gone?;
    if let Some(highest) = gone.iter().max() {
        let mut statement = connection.prepare_cached(
            "UPDATE node SET lease_floor = max(lease_floor, ?2) WHERE epoch = ?1",
        )?;
        statement.execute([epoch.0, *highest])?;
    }
    Ok(gone.len())
}

fn creations(connection: &Connection, now: Timestamp) -> Result<usize, Error> {
    let outlived = now.plus_seconds(-IDEMPOTENCY_SECONDS).as_micros();
    let mut statement = connection.prepare_cached(
        "DELETE FROM idempotency WHERE (actor, key) IN
           (SELECT actor, key FROM idempotency WHERE created_at <= ?1 ORDER BY created_at LIMIT ?2)",
    )?;
    statement.execute(params![outlived, PRUNED_MAX])
}
