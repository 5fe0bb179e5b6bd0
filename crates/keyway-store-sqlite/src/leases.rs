//! Leases: what of a budget is in whose hands.

use keyway_core::clock::Timestamp;
use keyway_core::id::Epoch;
use keyway_core::key::WindowSpend;
use keyway_core::ledger::{Figures, LeaseCall, Leased, Slice};
use keyway_core::money::Nanos;
use rusqlite::{Connection, Error, OptionalExtension, params};

use crate::rows::{self, ACCOUNT, STATE_COLUMNS, broken, window_number};

pub(crate) fn lease(
    connection: &Connection,
    call: &LeaseCall,
    now: Timestamp,
) -> Result<Leased, Error> {
    // Where a row was taken away because it was empty, a call up to the run's floor may have been in
    // it: it happens no second time. None of those can have been granted anything that is not gone,
    // or have anything left to give back, because such a row is not empty. A call that comes out of
    // order and was not made yet is granted nothing, and asked again under a higher number.
    let mut known = connection.prepare_cached(
        "SELECT coalesce(l.seq, n.lease_floor), coalesce(l.granted_nanos, 0)
         FROM node AS n LEFT JOIN lease AS l
           ON l.account_id = ?1 AND l.kind = ?2 AND l.starts_at = ?3 AND l.epoch = n.epoch
         WHERE n.epoch = ?4",
    )?;
    let slice = call.slice;
    let place = params![
        slice.account.0,
        window_number(slice.kind),
        slice.starts_at.as_micros(),
        call.epoch.0
    ];
    let known: Option<(i64, i64)> =
        known.query_row(place, |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    if let Some((seq, granted)) = known
        && seq >= call.seq
    {
        let granted = if seq == call.seq { Nanos::new(granted) } else { Nanos::ZERO };
        return Ok(Leased { granted, figures: figures(connection, call, now)? });
    }
    if call.give_back > Nanos::ZERO {
        take(connection, call.epoch, slice, call.give_back)?;
    }
    note(connection, call, Nanos::ZERO)?;
    let granted = call.grant(&figures(connection, call, now)?);
    if granted > Nanos::ZERO {
        note(connection, call, granted)?;
    } else if call.want > Nanos::ZERO {
        recall(connection, call)?;
    }
    Ok(Leased { granted, figures: figures(connection, call, now)? })
}

/// Notes the call with what it is granted.
fn note(connection: &Connection, call: &LeaseCall, granted: Nanos) -> Result<(), Error> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO lease (account_id, kind, starts_at, epoch, outstanding_nanos, seq,
                            granted_nanos, recalled)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?5, 0)
         ON CONFLICT (account_id, kind, starts_at, epoch) DO UPDATE SET
           outstanding_nanos = outstanding_nanos + ?5, seq = ?6, granted_nanos = ?5, recalled = 0",
    )?;
    statement.execute(params![
        call.slice.account.0,
        window_number(call.slice.kind),
        call.slice.starts_at.as_micros(),
        call.epoch.0,
        granted.get(),
        call.seq,
    ])?;
    Ok(())
}

fn recall(connection: &Connection, call: &LeaseCall) -> Result<(), Error> {
    let mut statement = connection.prepare_cached(
        "UPDATE lease SET recalled = 1
         WHERE account_id = ?1 AND epoch <> ?2 AND outstanding_nanos > 0",
    )?;
    statement.execute(params![call.slice.account.0, call.epoch.0])?;
    Ok(())
}

fn figures(connection: &Connection, call: &LeaseCall, now: Timestamp) -> Result<Figures, Error> {
    let slice = call.slice;
    let sql = format!(
        "SELECT {STATE_COLUMNS},
                coalesce(w.spent_nanos, 0), coalesce(w.byok_nanos, 0),
                coalesce((SELECT sum(outstanding_nanos) FROM lease AS l
                  WHERE l.account_id = ?1 AND (l.kind <> ?2 OR l.starts_at = ?3)), 0),
                coalesce((SELECT sum(outstanding_nanos) FROM lease AS l
                  WHERE l.account_id = ?1 AND (l.kind <> ?2 OR l.starts_at = ?3)
                    AND l.epoch = ?4), 0)
         FROM {ACCOUNT} LEFT JOIN account_window AS w
           ON w.account_id = a.id AND w.kind = ?2 AND w.starts_at = ?3
         WHERE a.id = ?1"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let place = params![
        slice.account.0,
        window_number(slice.kind),
        slice.starts_at.as_micros(),
        call.epoch.0
    ];
    let nanos = |row: &rusqlite::Row<'_>, column| row.get(column).map(Nanos::new);
    statement.query_row(place, |row| {
        let state = rows::state(row, 0)?;
        let charged = WindowSpend { spent: nanos(row, 4)?, byok: nanos(row, 5)? };
        let spent = state.terms.counted(charged);
        Ok(Figures { state, spent, leased: nanos(row, 6)?, mine: nanos(row, 7)?, now })
    })
}

/// Takes what is charged, or given back, out of a run's lease.
pub(crate) fn take(
    connection: &Connection,
    epoch: Epoch,
    slice: Slice,
    amount: Nanos,
) -> Result<(), Error> {
    let mut statement = connection.prepare_cached(
        "UPDATE lease SET outstanding_nanos = outstanding_nanos - ?5
         WHERE account_id = ?1 AND kind = ?2 AND starts_at = ?3 AND epoch = ?4",
    )?;
    let taken = statement.execute(params![
        slice.account.0,
        window_number(slice.kind),
        slice.starts_at.as_micros(),
        epoch.0,
        amount.get(),
    ])?;
    if taken == 0 {
        return Err(broken(0, "lease: there is none"));
    }
    Ok(())
}
