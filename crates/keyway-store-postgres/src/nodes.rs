//! Runs of nodes, and what they learn of each other.

use deadpool_postgres::Transaction;
use keyway_core::clock::Timestamp;
use keyway_core::id::{AccountId, Epoch, KeyId};
use keyway_core::ledger::Slice;
use keyway_core::store::{Change, Joined, NodeEnd, Poll, SILENCE_SECONDS, StoreError};
use tokio_postgres::Row;

use crate::error::{Failure, broken};
use crate::rows::{self, STATE_COLUMNS};
use crate::{accounts, ledger};

/// Begins a run of the node `name`, and ends its earlier ones.
pub(crate) async fn join(
    tx: &Transaction<'_>,
    name: &str,
    now: Timestamp,
) -> Result<Joined, Failure> {
    // Held until the commit: runs begin one after the other.
    let sql = "UPDATE installation SET epochs = epochs + 1 RETURNING epochs, changes";
    let row = tx.query_one(sql, &[]).await?;
    let (epoch, head): (i64, i64) = (row.get(0), row.get(1));
    let sql = "SELECT epoch FROM node WHERE live AND name = $1 ORDER BY epoch FOR UPDATE";
    let mut recovered = 0;
    for earlier in tx.query(sql, &[&name]).await? {
        recovered += close(tx, Epoch(earlier.get(0)), now).await?;
    }
    let sql =
        "INSERT INTO node (epoch, name, live, heard_at, applied) VALUES ($1, $2, TRUE, $3, $4)";
    tx.execute(sql, &[&epoch, &name, &now.as_micros(), &head]).await?;
    let budget = accounts::state(tx, AccountId::INSTALLATION).await?;
    let budget = budget.ok_or_else(|| broken("account of the installation"))?.terms;
    Ok(Joined { epoch: Epoch(epoch), recovered, head, budget })
}

pub(crate) async fn end(
    tx: &Transaction<'_>,
    epoch: Epoch,
    end: NodeEnd,
    now: Timestamp,
) -> Result<Option<u64>, Failure> {
    let sql = "SELECT heard_at FROM node WHERE epoch = $1 AND live FOR UPDATE";
    let Some(row) = tx.query_opt(sql, &[&epoch.0]).await? else { return Ok(None) };
    if end == NodeEnd::Silent && !is_silent(row.get(0), now) {
        return Ok(None);
    }
    close(tx, epoch, now).await.map(Some)
}

async fn close(tx: &Transaction<'_>, epoch: Epoch, now: Timestamp) -> Result<u64, Failure> {
    tx.execute("UPDATE node SET live = FALSE WHERE epoch = $1", &[&epoch.0]).await?;
    let recovered = ledger::recover(tx, epoch, now).await?;
    tx.execute("DELETE FROM lease WHERE epoch = $1", &[&epoch.0]).await?;
    Ok(recovered)
}

fn is_silent(heard_at: i64, now: Timestamp) -> bool {
    Timestamp::from_micros(heard_at).plus_seconds(SILENCE_SECONDS) < now
}

/// Fails where the run was ended; until the commit nobody ends it. Its beats are not held up: they
/// change no key of the row, and would wait for ever behind writes that follow each other.
pub(crate) async fn fence(tx: &Transaction<'_>, epoch: Epoch) -> Result<(), Failure> {
    let sql = "SELECT 1 FROM node WHERE epoch = $1 AND live FOR KEY SHARE";
    let statement = tx.prepare_cached(sql).await?;
    match tx.query_opt(&statement, &[&epoch.0]).await? {
        Some(_) => Ok(()),
        None => Err(StoreError::Fenced.into()),
    }
}

pub(crate) async fn beat(
    tx: &Transaction<'_>,
    epoch: Epoch,
    applied: i64,
    now: Timestamp,
) -> Result<(), Failure> {
    let sql =
        "UPDATE node SET heard_at = $2, applied = greatest(applied, $3) WHERE epoch = $1 AND live";
    let statement = tx.prepare_cached(sql).await?;
    match tx.execute(&statement, &[&epoch.0, &now.as_micros(), &applied]).await? {
        0 => Err(StoreError::Fenced.into()),
        _ => Ok(()),
    }
}

pub(crate) async fn poll(
    tx: &Transaction<'_>,
    epoch: Epoch,
    since: i64,
    now: Timestamp,
) -> Result<Poll, Failure> {
    // The head first: a change that is committed after it may be told of twice, but never missed.
    let statement = tx.prepare_cached("SELECT changes FROM installation").await?;
    let head: i64 = tx.query_one(&statement, &[]).await?.get(0);
    let sql = "SELECT epoch, heard_at, applied FROM node WHERE live ORDER BY epoch";
    let statement = tx.prepare_cached(sql).await?;
    let live = tx.query(&statement, &[]).await?;
    let live: Vec<(i64, i64, i64)> =
        live.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    if !live.iter().any(|(live, ..)| *live == epoch.0) {
        return Err(StoreError::Fenced.into());
    }
    let changes = changes(tx, since, head).await?;
    // The log after the changes: what is taken away between the two counts as forgotten.
    let forgotten = since > head || since < forgotten(tx).await?;
    let others = live.iter().filter(|(other, ..)| *other != epoch.0);
    let rank = live.iter().filter(|(other, ..)| *other < epoch.0).count();
    let silent = live.iter().filter(|(_, heard_at, _)| is_silent(*heard_at, now));
    Ok(Poll {
        now,
        head,
        changes,
        forgotten,
        recalled: recalled(tx, epoch).await?,
        nodes: u32::try_from(live.len()).unwrap_or(u32::MAX),
        rank: u32::try_from(rank).unwrap_or(u32::MAX),
        silent: silent.map(|(epoch, ..)| Epoch(*epoch)).collect(),
        acknowledged: others.map(|(.., applied)| *applied).min().unwrap_or(head),
    })
}

/// Takes the next number for a change to the account, or its key. The row that is locked by it makes the
/// numbers follow the order of the commits.
pub(crate) async fn changed(
    tx: &Transaction<'_>,
    account: AccountId,
    now: Timestamp,
) -> Result<(), Failure> {
    let sql = "UPDATE installation SET changes = changes + 1 RETURNING changes";
    let seq: i64 = tx.query_one(sql, &[]).await?.get(0);
    let sql = "INSERT INTO change_log (seq, account_id, changed_at) VALUES ($1, $2, $3)";
    tx.execute(sql, &[&seq, &account.0, &now.as_micros()]).await?;
    Ok(())
}

/// Up to here changes are not kept any more.
async fn forgotten(tx: &Transaction<'_>) -> Result<i64, Failure> {
    let sql = "SELECT coalesce((SELECT min(seq) - 1 FROM change_log), changes) FROM installation";
    let statement = tx.prepare_cached(sql).await?;
    Ok(tx.query_one(&statement, &[]).await?.get(0))
}

async fn changes(tx: &Transaction<'_>, since: i64, head: i64) -> Result<Vec<Change>, Failure> {
    let sql = format!(
        "SELECT c.seq, k.id, a.id, {STATE_COLUMNS}
         FROM change_log AS c JOIN account AS a ON a.id = c.account_id
           LEFT JOIN api_key AS k ON k.account_id = a.id
         WHERE c.seq > $1 AND c.seq <= $2 ORDER BY c.seq"
    );
    let statement = tx.prepare_cached(&sql).await?;
    let change = |row: &Row| {
        Ok(Change {
            seq: row.get(0),
            key: row.get::<_, Option<i64>>(1).map(KeyId),
            account: AccountId(row.get(2)),
            state: rows::state(row, 3)?,
        })
    };
    tx.query(&statement, &[&since, &head]).await?.iter().map(change).collect()
}

async fn recalled(tx: &Transaction<'_>, epoch: Epoch) -> Result<Vec<Slice>, Failure> {
    let statement = tx
        .prepare_cached(
            "SELECT account_id, kind, starts_at FROM lease WHERE epoch = $1 AND recalled
             ORDER BY account_id, kind, starts_at",
        )
        .await?;
    let slice = |row: &Row| {
        Ok(Slice {
            account: AccountId(row.get(0)),
            kind: rows::window_kind(row, 1)?,
            starts_at: rows::moment(row, 2),
        })
    };
    tx.query(&statement, &[&epoch.0]).await?.iter().map(slice).collect()
}
