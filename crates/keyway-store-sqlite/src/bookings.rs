//! Charges on their way into the sums of their accounts: see [`keyway_core::ledger::Bookings`].

use keyway_core::ledger::Bookings;
use rusqlite::{Connection, Error, params};

use crate::leases;
use crate::rows::window_number;

/// Writes the sums; to be called last in a transaction, and before what reads them.
pub(crate) fn write(connection: &Connection, bookings: &Bookings<'_>) -> Result<(), Error> {
    if bookings.is_empty() {
        return Ok(());
    }
    write_draws(connection, bookings)?;
    write_days(connection, bookings)?;
    write_windows(connection, bookings)
}

fn write_draws(connection: &Connection, bookings: &Bookings<'_>) -> Result<(), Error> {
    let mut draws = bookings.draws.iter();
    draws.try_for_each(|((slice, epoch), amount)| leases::take(connection, *epoch, *slice, *amount))
}

// A sum is nearly always there; to insert it first only to learn that costs twice as much.

fn write_days(connection: &Connection, bookings: &Bookings<'_>) -> Result<(), Error> {
    let mut more = connection.prepare_cached(
        "UPDATE usage_day SET requests = requests + ?5, prompt_tokens = prompt_tokens + ?6,
           completion_tokens = completion_tokens + ?7, spent_nanos = spent_nanos + ?8,
           byok_nanos = byok_nanos + ?9, cached_tokens = cached_tokens + ?10,
           reasoning_tokens = reasoning_tokens + ?11
         WHERE account_id = ?1 AND day = ?2 AND model = ?3 AND provider = ?4",
    )?;
    for (day, sum) in &bookings.days {
        let values = params![
            day.account.0,
            day.starts_at.as_micros(),
            day.model,
            day.provider,
            sum.requests,
            sum.prompt_tokens,
            sum.completion_tokens,
            sum.spend.spent.get(),
            sum.spend.byok.get(),
            sum.cached_tokens,
            sum.reasoning_tokens,
        ];
        if more.execute(values)? == 0 {
            let first = "INSERT INTO usage_day (account_id, day, model, provider, requests,
                                                prompt_tokens, completion_tokens, spent_nanos,
                                                byok_nanos, cached_tokens, reasoning_tokens)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
            connection.execute(first, values)?;
        }
    }
    Ok(())
}

fn write_windows(connection: &Connection, bookings: &Bookings<'_>) -> Result<(), Error> {
    let mut more = connection.prepare_cached(
        "UPDATE account_window SET spent_nanos = spent_nanos + ?4, byok_nanos = byok_nanos + ?5,
           last_at = max(last_at, ?6)
         WHERE account_id = ?1 AND kind = ?2 AND starts_at = ?3",
    )?;
    for (slice, sum) in &bookings.windows {
        let values = params![
            slice.account.0,
            window_number(slice.kind),
            slice.starts_at.as_micros(),
            sum.spend.spent.get(),
            sum.spend.byok.get(),
            sum.last_at.as_micros(),
        ];
        if more.execute(values)? == 0 {
            let first = "INSERT INTO account_window (account_id, kind, starts_at, spent_nanos,
                                                     byok_nanos, last_at)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            connection.execute(first, values)?;
        }
    }
    Ok(())
}
