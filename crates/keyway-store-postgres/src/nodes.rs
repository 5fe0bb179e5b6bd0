//! Runs of nodes, and what they learn of each other.

use deadpool_postgres::Transaction;
use keyway_core::clock::Timestamp;
use keyway_core::id::{AccountId, Epoch, KeyId, Timeline};
use keyway_core::ledger::Slice;
use keyway_core::store::{Change, Joined, NodeEnd, Poll, SILENCE_SECONDS, StoreError};
use tokio_postgres::Row;

use crate::error::{Failure, broken};
use crate::history::{History, RETURNING};
use crate::rows::{self, STATE_COLUMNS};
use crate::{accounts, ledger};

/// Begins a run of the node `name`, and ends its earlier ones.
pub(crate) async fn join(
    tx: &Transaction<'_>,
    history: History,
    name: &str,
    now: Timestamp,
) -> Result<Joined, Failure> {
    let timeline = history.notice(tx, now).await?;
    // Held until the commit: runs begin one after the other.
    let sql = "UPDATE installation SET epochs = epochs + 1 RETURNING epochs, changes";
    let row = tx.query_one(sql, &[]).await?;
    let (epoch, head): (i64, i64) = (row.get(0), row.get(1));
    let sql = "SELECT epoch FROM node WHERE live AND name = $1 ORDER BY epoch FOR UPDATE";
    let mut recovered = 0;
    for earlier in tx.query(sql, &[&name]).await? {
        recovered += close(tx, Epoch(earlier.get(0)), now).await?;
    }
    let sql = "INSERT INTO node (epoch, name, live, heard_at, applied, timeline)
               VALUES ($1, $2, TRUE, $3, $4, $5)";
    tx.execute(sql, &[&epoch, &name, &now.as_micros(), &head, &timeline.0]).await?;
    let returning = tx.query_one(&format!("SELECT {RETURNING}"), &[]).await?.get(0);
    let budget = accounts::state(tx, AccountId::INSTALLATION).await?;
    let budget = budget.ok_or_else(|| broken("account of the installation"))?.terms;
    Ok(Joined { epoch: Epoch(epoch), recovered, head, budget, timeline, returning })
}

pub(crate) async fn end(
    tx: &Transaction<'_>,
    history: History,
    epoch: Epoch,
    end: NodeEnd,
    now: Timestamp,
) -> Result<Option<u64>, Failure> {
    let timeline = history.notice(tx, now).await?;
    let sql = "SELECT heard_at, timeline FROM node WHERE epoch = $1 AND live FOR UPDATE";
    let Some(row) = tx.query_opt(sql, &[&epoch.0]).await? else { return Ok(None) };
    let returning = row.get::<_, i64>(1) != timeline.0;
    match end {
        // It has something to put back first.
        NodeEnd::Left if returning => return Err(StoreError::Fenced.into()),
        NodeEnd::Left => {}
        NodeEnd::Silent => {
            let sql = "SELECT timeline_at FROM installation";
            let began_at = tx.query_one(sql, &[]).await?.get(0);
            if !is_silent(heard_at(row.get(0), returning, began_at), now) {
                return Ok(None);
            }
        }
    }
    close(tx, epoch, now).await.map(Some)
}

async fn close(tx: &Transaction<'_>, epoch: Epoch, now: Timestamp) -> Result<u64, Failure> {
    tx.execute("UPDATE node SET live = FALSE WHERE epoch = $1", &[&epoch.0]).await?;
    let recovered = ledger::recover(tx, epoch, now).await?;
    tx.execute("DELETE FROM lease WHERE epoch = $1", &[&epoch.0]).await?;
    Ok(recovered)
}

/// One that joined before a fail-over was silent for as long as it took.
fn heard_at(heard_at: i64, returning: bool, began_at: i64) -> i64 {
    if returning { heard_at.max(began_at) } else { heard_at }
}

fn is_silent(heard_at: i64, now: Timestamp) -> bool {
    Timestamp::from_micros(heard_at).plus_seconds(SILENCE_SECONDS) < now
}

/// Fails where the run was ended, or joined before a fail-over; until the commit nobody ends it. Its beats are not held up: they
/// change no key of the row, and would wait for ever behind writes that follow each other.
pub(crate) async fn fence(
    tx: &Transaction<'_>,
    history: History,
    epoch: Epoch,
) -> Result<Timeline, Failure> {
    let sql = format!(
        "SELECT n.timeline FROM node AS n, installation AS i
         WHERE n.epoch = $1 AND n.live AND n.timeline = i.timeline AND {} FOR KEY SHARE OF n",
        history.is_same()
    );
    let statement = tx.prepare_cached(&sql).await?;
    match tx.query_opt(&statement, &[&epoch.0]).await? {
        Some(row) => Ok(Timeline(row.get(0))),
        None => Err(StoreError::Fenced.into()),
    }
}

pub(crate) async fn beat(
    tx: &Transaction<'_>,
    history: History,
    epoch: Epoch,
    applied: i64,
    now: Timestamp,
) -> Result<(), Failure> {
    let sql = format!(
        "UPDATE node SET heard_at = $2, applied = greatest(applied, $3) FROM installation AS i
         WHERE epoch = $1 AND live AND node.timeline = i.timeline AND {}",
        history.is_same()
    );
    let statement = tx.prepare_cached(&sql).await?;
    match tx.execute(&statement, &[&epoch.0, &now.as_micros(), &applied]).await? {
        0 => Err(StoreError::Fenced.into()),
        _ => Ok(()),
    }
}

/// A run that was not ended.
struct Live {
    epoch: Epoch,
    heard_at: i64,
    applied: i64,
    timeline: i64,
}

async fn live(tx: &Transaction<'_>) -> Result<Vec<Live>, Failure> {
    let sql = "SELECT epoch, heard_at, applied, timeline FROM node WHERE live ORDER BY epoch";
    let statement = tx.prepare_cached(sql).await?;
    let run = |row: &Row| Live {
        epoch: Epoch(row.get(0)),
        heard_at: row.get(1),
        applied: row.get(2),
        timeline: row.get(3),
    };
    Ok(tx.query(&statement, &[]).await?.iter().map(run).collect())
}

pub(crate) async fn poll(
    tx: &Transaction<'_>,
    history: History,
    epoch: Epoch,
    since: i64,
    now: Timestamp,
) -> Result<Poll, Failure> {
    // The runs first: what one put back before it joined again is among the changes that follow.
    let live = live(tx).await?;
    // Then the head: a change that is committed after it may be told of twice, but never missed.
    let sql = format!(
        "SELECT changes, timeline, timeline_at, {} FROM installation AS i",
        history.is_same()
    );
    let row = tx.query_one(&tx.prepare_cached(&sql).await?, &[]).await?;
    let (head, timeline, began_at): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
    let is_mine = |run: &Live| run.epoch == epoch && run.timeline == timeline;
    if !row.get::<_, bool>(3) || !live.iter().any(is_mine) {
        return Err(StoreError::Fenced.into());
    }
    let changes = changes(tx, since, head).await?;
    // The log after the changes: what is taken away between the two counts as forgotten.
    let forgotten = since > head || since < forgotten(tx).await?;
    let rank = live.iter().filter(|run| run.epoch < epoch).count();
    let others = live.iter().filter(|run| run.epoch != epoch);
    let silent = live
        .iter()
        .filter(|run| is_silent(heard_at(run.heard_at, run.timeline != timeline, began_at), now));
    Ok(Poll {
        now,
        head,
        changes,
        forgotten,
        recalled: recalled(tx, epoch).await?,
        nodes: u32::try_from(live.len()).unwrap_or(u32::MAX),
        rank: u32::try_from(rank).unwrap_or(u32::MAX),
        silent: silent.map(|run| run.epoch).collect(),
        acknowledged: others.map(|run| run.applied).min().unwrap_or(head),
        returning: live.iter().any(|run| run.timeline != timeline),
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
