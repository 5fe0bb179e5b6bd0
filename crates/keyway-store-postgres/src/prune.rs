//! What nobody needs any more is taken away, a few rows at a time.

use deadpool_postgres::Transaction;
use keyway_core::clock::Timestamp;
use keyway_core::id::Epoch;
use keyway_core::store::{IDEMPOTENCY_SECONDS, KEPT_SECONDS, PRUNED_MAX};

use crate::error::Failure;

/// Answers how many rows went.
pub(crate) async fn prune(
    tx: &Transaction<'_>,
    epoch: Epoch,
    now: Timestamp,
) -> Result<u64, Failure> {
    let kept_from = now.plus_seconds(-KEPT_SECONDS).as_micros();
    Ok(changes(tx, kept_from).await?
        + runs(tx, kept_from).await?
        + creations(tx, now).await?
        + leases(tx, epoch).await?)
}

/// Changes that every live node has applied. In their order, so that what is kept has no gaps.
async fn changes(tx: &Transaction<'_>, kept_from: i64) -> Result<u64, Failure> {
    let sql = "SELECT seq, changed_at FROM change_log
               WHERE seq <= (SELECT min(applied) FROM node WHERE live) ORDER BY seq LIMIT $1";
    let statement = tx.prepare_cached(sql).await?;
    let applied = tx.query(&statement, &[&PRUNED_MAX]).await?;
    let old = applied.iter().take_while(|row| row.get::<_, i64>(1) < kept_from);
    let Some(last) = old.last().map(|row| row.get::<_, i64>(0)) else { return Ok(0) };
    let statement = tx.prepare_cached("DELETE FROM change_log WHERE seq <= $1").await?;
    Ok(tx.execute(&statement, &[&last]).await?)
}

/// Runs that were ended: nothing of them is open, and their numbers are not given out again.
async fn runs(tx: &Transaction<'_>, kept_from: i64) -> Result<u64, Failure> {
    let sql = "DELETE FROM node WHERE epoch IN
                 (SELECT epoch FROM node WHERE NOT live AND heard_at < $1 ORDER BY epoch LIMIT $2)";
    let statement = tx.prepare_cached(sql).await?;
    Ok(tx.execute(&statement, &[&kept_from, &PRUNED_MAX]).await?)
}

/// Leases of this run with nothing in them. The run keeps the highest number of their calls: see
/// [`crate::leases::lease`], which an account's lock keeps out until the commit.
async fn leases(tx: &Transaction<'_>, epoch: Epoch) -> Result<u64, Failure> {
    let sql = "SELECT account_id FROM lease WHERE epoch = $1 AND outstanding_nanos = 0 LIMIT $2";
    let statement = tx.prepare_cached(sql).await?;
    let empty = tx.query(&statement, &[&epoch.0, &PRUNED_MAX]).await?;
    if empty.is_empty() {
        return Ok(0);
    }
    let accounts: Vec<i64> = empty.iter().map(|row| row.get(0)).collect();
    let sql = "SELECT 1 FROM account WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE";
    let statement = tx.prepare_cached(sql).await?;
    tx.query(&statement, &[&accounts]).await?;
    let sql = "DELETE FROM lease
               WHERE account_id = ANY($2) AND epoch = $1 AND outstanding_nanos = 0 RETURNING seq";
    let statement = tx.prepare_cached(sql).await?;
    let gone = tx.query(&statement, &[&epoch.0, &accounts]).await?;
    if let Some(highest) = gone.iter().map(|row| row.get::<_, i64>(0)).max() {
        let sql = "UPDATE node SET lease_floor = greatest(lease_floor, $2) WHERE epoch = $1";
        let statement = tx.prepare_cached(sql).await?;
        tx.execute(&statement, &[&epoch.0, &highest]).await?;
    }
    Ok(gone.len() as u64)
}

async fn creations(tx: &Transaction<'_>, now: Timestamp) -> Result<u64, Failure> {
    let outlived = now.plus_seconds(-IDEMPOTENCY_SECONDS).as_micros();
    let sql = "DELETE FROM idempotency WHERE (actor, key) IN
        (SELECT actor, key FROM idempotency WHERE created_at <= $1 ORDER BY created_at LIMIT $2)";
    let statement = tx.prepare_cached(sql).await?;
    Ok(tx.execute(&statement, &[&outlived, &PRUNED_MAX]).await?)
}
