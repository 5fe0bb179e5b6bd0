//! Charges on their way into the sums of their accounts: see [`keyway_core::ledger::Bookings`].
//!
//! The rows of sums are written last and in order, that of the installation, which every node writes, among
//! them: so a row is locked for a moment only, and nodes that want the same rows do not wait for each other
//! in a circle.

use deadpool_postgres::Transaction;
use futures_util::future::try_join3;
use keyway_core::ledger::Bookings;

use crate::error::{Failure, broken};
use crate::rows::window_number;

/// Writes the sums; to be called last in a transaction.
pub(crate) async fn write(tx: &Transaction<'_>, bookings: Bookings<'_>) -> Result<(), Failure> {
    if bookings.is_empty() {
        return Ok(());
    }
    // In one trip, and in this order.
    let draws = write_draws(tx, &bookings);
    try_join3(draws, write_days(tx, &bookings), write_windows(tx, &bookings)).await.map(drop)
}

/// A recall by another node marks rows of several runs: they are locked in one order by everybody.
async fn write_draws(tx: &Transaction<'_>, bookings: &Bookings<'_>) -> Result<(), Failure> {
    if bookings.draws.is_empty() {
        return Ok(());
    }
    let statement = tx
        .prepare_cached(
            "UPDATE lease SET outstanding_nanos = lease.outstanding_nanos - drawn.amount
             FROM (SELECT l.account_id, l.kind, l.starts_at, l.epoch, d.amount
                   FROM unnest($1::BIGINT[], $2::BIGINT[], $3::BIGINT[], $4::BIGINT[],
                               $5::BIGINT[]) AS d (account_id, kind, starts_at, epoch, amount)
                   JOIN lease AS l USING (account_id, kind, starts_at, epoch)
                   ORDER BY l.account_id, l.kind, l.starts_at, l.epoch
                   FOR UPDATE OF l) AS drawn
             WHERE lease.account_id = drawn.account_id AND lease.kind = drawn.kind
               AND lease.starts_at = drawn.starts_at AND lease.epoch = drawn.epoch",
        )
        .await?;
    let draws = || bookings.draws.iter();
    let taken = tx
        .execute(
            &statement,
            &[
                &column(draws(), |((slice, _), _)| slice.account.0),
                &column(draws(), |((slice, _), _)| window_number(slice.kind)),
                &column(draws(), |((slice, _), _)| slice.starts_at.as_micros()),
                &column(draws(), |((_, epoch), _)| epoch.0),
                &column(draws(), |(_, amount)| amount.get()),
            ],
        )
        .await?;
    if taken < bookings.draws.len() as u64 {
        return Err(broken("lease: there is none"));
    }
    Ok(())
}

async fn write_days(tx: &Transaction<'_>, bookings: &Bookings<'_>) -> Result<(), Failure> {
    let statement = tx
        .prepare_cached(
            "INSERT INTO usage_day (account_id, day, model, provider, requests, prompt_tokens,
                                    completion_tokens, spent_nanos, byok_nanos,
                                    cached_tokens, reasoning_tokens)
             SELECT * FROM unnest($1::BIGINT[], $2::BIGINT[], $3::TEXT[], $4::TEXT[],
                                  $5::BIGINT[], $6::BIGINT[], $7::BIGINT[], $8::BIGINT[],
                                  $9::BIGINT[], $10::BIGINT[], $11::BIGINT[])
             ON CONFLICT (account_id, day, model, provider) DO UPDATE SET
               requests = usage_day.requests + excluded.requests,
               prompt_tokens = usage_day.prompt_tokens + excluded.prompt_tokens,
               completion_tokens = usage_day.completion_tokens + excluded.completion_tokens,
               cached_tokens = usage_day.cached_tokens + excluded.cached_tokens,
               reasoning_tokens = usage_day.reasoning_tokens + excluded.reasoning_tokens,
               spent_nanos = usage_day.spent_nanos + excluded.spent_nanos,
               byok_nanos = usage_day.byok_nanos + excluded.byok_nanos",
        )
        .await?;
    let days = || bookings.days.iter().rev();
    tx.execute(
        &statement,
        &[
            &column(days(), |(day, _)| day.account.0),
            &column(days(), |(day, _)| day.starts_at.as_micros()),
            &column(days(), |(day, _)| day.model),
            &column(days(), |(day, _)| day.provider),
            &column(days(), |(_, sum)| sum.requests),
            &column(days(), |(_, sum)| sum.prompt_tokens),
            &column(days(), |(_, sum)| sum.completion_tokens),
            &column(days(), |(_, sum)| sum.spend.spent.get()),
            &column(days(), |(_, sum)| sum.spend.byok.get()),
            &column(days(), |(_, sum)| sum.cached_tokens),
            &column(days(), |(_, sum)| sum.reasoning_tokens),
        ],
    )
    .await?;
    Ok(())
}

async fn write_windows(tx: &Transaction<'_>, bookings: &Bookings<'_>) -> Result<(), Failure> {
    let statement = tx
        .prepare_cached(
            "INSERT INTO account_window (account_id, kind, starts_at, spent_nanos, byok_nanos,
                                         last_at)
             SELECT * FROM unnest($1::BIGINT[], $2::BIGINT[], $3::BIGINT[], $4::BIGINT[],
                                  $5::BIGINT[], $6::BIGINT[])
             ON CONFLICT (account_id, kind, starts_at) DO UPDATE SET
               spent_nanos = account_window.spent_nanos + excluded.spent_nanos,
               byok_nanos = account_window.byok_nanos + excluded.byok_nanos,
               last_at = greatest(account_window.last_at, excluded.last_at)",
        )
        .await?;
    let windows = || bookings.windows.iter().rev();
    tx.execute(
        &statement,
        &[
            &column(windows(), |(slice, _)| slice.account.0),
            &column(windows(), |(slice, _)| window_number(slice.kind)),
            &column(windows(), |(slice, _)| slice.starts_at.as_micros()),
            &column(windows(), |(_, sum)| sum.spend.spent.get()),
            &column(windows(), |(_, sum)| sum.spend.byok.get()),
            &column(windows(), |(_, sum)| sum.last_at.as_micros()),
        ],
    )
    .await?;
    Ok(())
}

/// One figure of each row. Sums are written, and locked, in the order of the map backwards, so that the
/// installation's, which every node writes, come last.
fn column<Row, Figure>(rows: impl Iterator<Item = Row>, of: impl Fn(Row) -> Figure) -> Vec<Figure> {
    rows.map(of).collect()
}
