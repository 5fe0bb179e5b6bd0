//! Leases: what of a budget is in whose hands.

use deadpool_postgres::Transaction;
use keyway_core::clock::Timestamp;
use keyway_core::id::Epoch;
use keyway_core::key::WindowSpend;
use keyway_core::ledger::{Draw, Figures, LeaseCall, Leased};
use keyway_core::money::Nanos;

use crate::error::{Failure, broken};
use crate::rows::{self, ACCOUNT, STATE_COLUMNS, nanos, window_number};

pub(crate) async fn lease(
    tx: &Transaction<'_>,
    call: &LeaseCall,
    now: Timestamp,
) -> Result<Leased, Failure> {
    let slice = call.slice;
    // Grants of one account are made one after the other. Settlements do not wait for them: they
    // change no sum that is looked at here.
    let lock = tx.prepare_cached("SELECT 1 FROM account WHERE id = $1 FOR NO KEY UPDATE").await?;
    tx.query_opt(&lock, &[&slice.account.0])
        .await?
        .ok_or_else(|| broken("account: there is none"))?;
    // Where a row was taken away because it was empty, a call up to the run's floor may have been in
    // it: it happens no second time. None of those can have been granted anything that is not gone,
    // or have anything left to give back, because such a row is not empty. A call that comes out of
    // order and was not made yet is granted nothing, and asked again under a higher number.
    let known = tx
        .prepare_cached(
            "SELECT coalesce(l.seq, n.lease_floor), coalesce(l.granted_nanos, 0)
             FROM node AS n LEFT JOIN lease AS l
               ON l.account_id = $1 AND l.kind = $2 AND l.starts_at = $3 AND l.epoch = n.epoch
             WHERE n.epoch = $4",
        )
        .await?;
    let (kind, starts_at) = (window_number(slice.kind), slice.starts_at.as_micros());
    let known = tx.query_opt(&known, &[&slice.account.0, &kind, &starts_at, &call.epoch.0]).await?;
    if let Some(row) = known {
        let seq: i64 = row.get(0);
        if seq >= call.seq {
            let granted = if seq == call.seq { nanos(&row, 1) } else { Nanos::ZERO };
            return Ok(Leased { granted, figures: figures(tx, call, now).await? });
        }
    }
    if call.give_back > Nanos::ZERO {
        take(tx, call.epoch, &Draw { slice, amount: call.give_back }).await?;
    }
    note(tx, call, Nanos::ZERO).await?;
    let granted = call.grant(&figures(tx, call, now).await?);
    if granted > Nanos::ZERO {
        note(tx, call, granted).await?;
    } else if call.want > Nanos::ZERO {
        recall(tx, call).await?;
    }
    Ok(Leased { granted, figures: figures(tx, call, now).await? })
}

/// Notes the call with what it is granted.
async fn note(tx: &Transaction<'_>, call: &LeaseCall, granted: Nanos) -> Result<(), Failure> {
    let statement = tx
        .prepare_cached(
            "INSERT INTO lease (account_id, kind, starts_at, epoch, outstanding_nanos, seq,
                                granted_nanos, recalled)
             VALUES ($1, $2, $3, $4, $5, $6, $5, FALSE)
             ON CONFLICT (account_id, kind, starts_at, epoch) DO UPDATE SET
               outstanding_nanos = lease.outstanding_nanos + $5, seq = $6, granted_nanos = $5,
               recalled = FALSE",
        )
        .await?;
    let slice = call.slice;
    let (kind, starts_at) = (window_number(slice.kind), slice.starts_at.as_micros());
    tx.execute(
        &statement,
        &[&slice.account.0, &kind, &starts_at, &call.epoch.0, &granted.get(), &call.seq],
    )
    .await?;
    Ok(())
}

async fn recall(tx: &Transaction<'_>, call: &LeaseCall) -> Result<(), Failure> {
    let statement = tx
        .prepare_cached(
            "UPDATE lease SET recalled = TRUE
             WHERE account_id = $1 AND epoch <> $2 AND outstanding_nanos > 0 AND NOT recalled",
        )
        .await?;
    tx.execute(&statement, &[&call.slice.account.0, &call.epoch.0]).await?;
    Ok(())
}

/// Read by one statement, which sees one moment: a settlement moves its charge out of a lease into
/// the window between two such moments, never in the middle of one.
async fn figures(
    tx: &Transaction<'_>,
    call: &LeaseCall,
    now: Timestamp,
) -> Result<Figures, Failure> {
    let sql = format!(
        "SELECT {STATE_COLUMNS},
                    coalesce(w.spent_nanos, 0), coalesce(w.byok_nanos, 0),
                    coalesce((SELECT sum(outstanding_nanos) FROM lease AS l
                      WHERE l.account_id = $1 AND (l.kind <> $2 OR l.starts_at = $3)), 0)::BIGINT,
                    coalesce((SELECT sum(outstanding_nanos) FROM lease AS l
                      WHERE l.account_id = $1 AND (l.kind <> $2 OR l.starts_at = $3)
                        AND l.epoch = $4), 0)::BIGINT
             FROM {ACCOUNT} LEFT JOIN account_window AS w
               ON w.account_id = a.id AND w.kind = $2 AND w.starts_at = $3
             WHERE a.id = $1"
    );
    let statement = tx.prepare_cached(&sql).await?;
    let slice = call.slice;
    let (kind, starts_at) = (window_number(slice.kind), slice.starts_at.as_micros());
    let row =
        tx.query_one(&statement, &[&slice.account.0, &kind, &starts_at, &call.epoch.0]).await?;
    let state = rows::state(&row, 0)?;
    let charged = WindowSpend { spent: nanos(&row, 4), byok: nanos(&row, 5) };
    let spent = state.terms.counted(charged);
    Ok(Figures { state, spent, leased: nanos(&row, 6), mine: nanos(&row, 7), now })
}

async fn take(tx: &Transaction<'_>, epoch: Epoch, draw: &Draw) -> Result<(), Failure> {
    let statement = tx
        .prepare_cached(
            "UPDATE lease SET outstanding_nanos = outstanding_nanos - $5
             WHERE account_id = $1 AND kind = $2 AND starts_at = $3 AND epoch = $4",
        )
        .await?;
    let slice = draw.slice;
    let (kind, starts_at) = (window_number(slice.kind), slice.starts_at.as_micros());
    let taken = tx
        .execute(&statement, &[&slice.account.0, &kind, &starts_at, &epoch.0, &draw.amount.get()])
        .await?;
    if taken == 0 && draw.amount > Nanos::ZERO {
        return Err(broken("lease: there is none"));
    }
    Ok(())
}
