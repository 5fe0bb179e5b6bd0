//! Runs of nodes, and what they learn of each other.

use keyway_core::clock::Timestamp;
use keyway_core::id::{AccountId, Epoch, KeyId, Timeline};
use keyway_core::ledger::Slice;
use keyway_core::store::{Change, Joined, NodeEnd, Poll, SILENCE_SECONDS};
use rusqlite::{Connection, Error, OptionalExtension, params};

use crate::rows::{self, STATE_COLUMNS};
use crate::{accounts, ledger};

/// Begins a run of the node `name`. Whatever ended runs left open is settled with it.
pub(crate) fn join(connection: &Connection, name: &str, now: Timestamp) -> Result<Joined, Error> {
    let mut statement =
        connection.prepare("SELECT epoch FROM node WHERE live = 1 AND name = ?1")?;
    let earlier: Result<Vec<i64>, Error> = statement.query_map([name], |row| row.get(0))?.collect();
    for epoch in earlier? {
        close(connection, Epoch(epoch))?;
    }
    let recovered = ledger::recover(connection, now)?;
    let head = head(connection)?;
    connection.execute(
        "INSERT INTO node (name, live, heard_at, applied) VALUES (?1, 1, ?2, ?3)",
        params![name, now.as_micros(), head],
    )?;
    let epoch = Epoch(connection.last_insert_rowid());
    let budget = accounts::state(connection, AccountId::INSTALLATION)?;
    let budget = budget.ok_or_else(|| rows::broken(0, "account of the installation"))?.terms;
    let timeline = Timeline::default();
    Ok(Joined { epoch, recovered, head, budget, timeline, returning: false })
}

/// Ends every run; all that any left open is settled.
pub(crate) fn end_all(connection: &Connection, now: Timestamp) -> Result<u64, Error> {
    connection.execute("UPDATE node SET live = 0", [])?;
    connection.execute("DELETE FROM lease", [])?;
    ledger::recover(connection, now)
}

pub(crate) fn end(
    connection: &Connection,
    epoch: Epoch,
    end: NodeEnd,
    now: Timestamp,
) -> Result<Option<u64>, Error> {
    let heard_at: Option<i64> = connection
        .query_row("SELECT heard_at FROM node WHERE epoch = ?1 AND live = 1", [epoch.0], |row| {
            row.get(0)
        })
        .optional()?;
    let Some(heard_at) = heard_at else { return Ok(None) };
    if end == NodeEnd::Silent && !is_silent(heard_at, now) {
        return Ok(None);
    }
    close(connection, epoch)?;
    ledger::recover(connection, now).map(Some)
}

fn close(connection: &Connection, epoch: Epoch) -> Result<(), Error> {
    connection.execute("UPDATE node SET live = 0 WHERE epoch = ?1", [epoch.0])?;
    connection.execute("DELETE FROM lease WHERE epoch = ?1", [epoch.0])?;
    Ok(())
}

fn is_silent(heard_at: i64, now: Timestamp) -> bool {
    Timestamp::from_micros(heard_at).plus_seconds(SILENCE_SECONDS) < now
}

/// Whether the run was not ended.
pub(crate) fn is_live(connection: &Connection, epoch: Epoch) -> Result<bool, Error> {
    let mut statement =
        connection.prepare_cached("SELECT live FROM node WHERE epoch = ?1 AND live = 1")?;
    statement.exists([epoch.0])
}

pub(crate) fn beat(
    connection: &Connection,
    epoch: Epoch,
    applied: i64,
    now: Timestamp,
) -> Result<(), Error> {
    let mut statement = connection.prepare_cached(
        "UPDATE node SET heard_at = ?2, applied = max(applied, ?3) WHERE epoch = ?1",
    )?;
    statement.execute(params![epoch.0, now.as_micros(), applied])?;
    Ok(())
}

/// `None` where the run was ended.
pub(crate) fn poll(
    connection: &Connection,
    epoch: Epoch,
    since: i64,
    now: Timestamp,
) -> Result<Option<Poll>, Error> {
    if !is_live(connection, epoch)? {
        return Ok(None);
    }
    let mut statement = connection.prepare_cached(
        "SELECT epoch, heard_at, applied FROM node WHERE live = 1 ORDER BY epoch",
    )?;
    let live: Result<Vec<(i64, i64, i64)>, Error> =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect();
    let live = live?;
    let head = head(connection)?;
    // The log after the changes: what is taken away between the two counts as forgotten.
    let changes = changes(connection, since)?;
    let forgotten = since > head || since < forgotten(connection)?;
    let others = live.iter().filter(|(other, ..)| *other != epoch.0);
    let rank = live.iter().filter(|(other, ..)| *other < epoch.0).count();
    let silent = live.iter().filter(|(_, heard_at, _)| is_silent(*heard_at, now));
    Ok(Some(Poll {
        now,
        head,
        changes,
        forgotten,
        recalled: recalled(connection, epoch)?,
        nodes: u32::try_from(live.len()).unwrap_or(u32::MAX),
        rank: u32::try_from(rank).unwrap_or(u32::MAX),
        silent: silent.map(|(epoch, ..)| Epoch(*epoch)).collect(),
        acknowledged: others.map(|(.., applied)| *applied).min().unwrap_or(head),
        returning: false,
    }))
}

fn head(connection: &Connection) -> Result<i64, Error> {
    let sql = "SELECT changes FROM installation";
    connection.prepare_cached(sql)?.query_row([], |row| row.get(0))
}

/// Up to here changes are not kept any more.
fn forgotten(connection: &Connection) -> Result<i64, Error> {
    let sql = "SELECT coalesce((SELECT min(seq) - 1 FROM change_log), changes) FROM installation";
    connection.prepare_cached(sql)?.query_row([], |row| row.get(0))
}

/// Takes the next number for a change to the account, or its key.
pub(crate) fn changed(
    connection: &Connection,
    account: AccountId,
    now: Timestamp,
) -> Result<(), Error> {
    let sql = "UPDATE installation SET changes = changes + 1 RETURNING changes";
    let seq: i64 = connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    let mut statement = connection.prepare_cached(
        "INSERT INTO change_log (seq, account_id, changed_at) VALUES (?1, ?2, ?3)",
    )?;
    statement.execute(params![seq, account.0, now.as_micros()])?;
    Ok(())
}

fn changes(connection: &Connection, since: i64) -> Result<Vec<Change>, Error> {
    let sql = format!(
        "SELECT c.seq, k.id, a.id, {STATE_COLUMNS}
         FROM change_log AS c JOIN account AS a ON a.id = c.account_id
           LEFT JOIN api_key AS k ON k.account_id = a.id
         WHERE c.seq > ?1 ORDER BY c.seq"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let change = |row: &rusqlite::Row<'_>| {
        Ok(Change {
            seq: row.get(0)?,
            key: row.get::<_, Option<i64>>(1)?.map(KeyId),
            account: AccountId(row.get(2)?),
            state: rows::state(row, 3)?,
        })
    };
    statement.query_map([since], change)?.collect()
}

fn recalled(connection: &Connection, epoch: Epoch) -> Result<Vec<Slice>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT account_id, kind, starts_at FROM lease WHERE epoch = ?1 AND recalled = 1
         ORDER BY account_id, kind, starts_at",
    )?;
    let slice = |row: &rusqlite::Row<'_>| {
        Ok(Slice {
            account: AccountId(row.get(0)?),
            kind: rows::window_kind(row, 1)?,
            starts_at: rows::moment(row, 2)?,
        })
    };
    statement.query_map([epoch.0], slice)?.collect()
}
