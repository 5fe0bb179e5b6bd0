//! Leases: what of a budget is in whose hands.

use keyway_core::clock::Timestamp;
use keyway_core::id::Epoch;
use keyway_core::key::WindowSpend;
use keyway_core::ledger::{Draw, Figures, LeaseCall, Leased};
use keyway_core::money::Nanos;
use rusqlite::{Connection, Error, OptionalExtension, params};

use crate::rows::{self, ACCOUNT, STATE_COLUMNS, broken, window_number};

pub(crate) fn lease(
    connection: &Connection,
    call: &LeaseCall,
    now: Timestamp,
) -> Result<Leased, Error> {
    let mut known = connection.prepare_cached(
        "SELECT seq, granted_nanos FROM lease
         WHERE account_id = ?1 AND kind = ?2 AND starts_at = ?3 AND epoch = ?4",
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
        take(connection, call.epoch, &Draw { slice, amount: call.give_back })?;
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

/// Takes a settlement's charge out of its node's leases.
pub(crate) fn draw(connection: &Connection, epoch: Epoch, draws: &[Draw]) -> Result<(), Error> {
    draws.iter().try_for_each(|draw| take(connection, epoch, draw))
}

fn take(connection: &Connection, epoch: Epoch, draw: &Draw) -> Result<(), Error> {
    let mut statement = connection.prepare_cached(
        "UPDATE lease SET outstanding_nanos = outstanding_nanos - ?5
         WHERE account_id = ?1 AND kind = ?2 AND starts_at = ?3 AND epoch = ?4",
    )?;
    let taken = statement.execute(params![
        draw.slice.account.0,
        window_number(draw.slice.kind),
        draw.slice.starts_at.as_micros(),
        epoch.0,
        draw.amount.get(),
    ])?;
    if taken == 0 && draw.amount > Nanos::ZERO {
        return Err(broken(0, "lease: there is none"));
    }
    Ok(())
}
