//! Charges on their way into the sums of their accounts.
//!
//! Many requests of one transaction are charged to the same few rows, that of the installation among
//! them, which every node writes. So they are added up first, and written last and in order: a row is
//! locked for a moment only, and nodes that want the same rows do not wait for each other in a circle.

use std::collections::BTreeMap;

use deadpool_postgres::Transaction;
use keyway_core::budget::WindowKind;
use keyway_core::id::{AccountId, Epoch};
use keyway_core::key::WindowSpend;
use keyway_core::ledger::{Draw, Settlement};
use keyway_core::money::Nanos;

use crate::error::{Failure, broken};
use crate::ledger::tokens;
use crate::rows::window_number;

/// What was settled in a transaction and is not in the sums yet.
#[derive(Debug, Default)]
pub(crate) struct Bookings {
    /// By account, kind of window, and its beginning.
    windows: BTreeMap<(AccountId, i64, i64), Window>,
    /// By account, day, model and provider.
    days: BTreeMap<(AccountId, i64, String, String), Day>,
    /// What is taken out of leases: by account, kind of window, its beginning, and the run that has it.
    draws: BTreeMap<(AccountId, i64, i64, Epoch), Nanos>,
}

#[derive(Debug, Default)]
struct Window {
    spend: WindowSpend,
    last_at: i64,
}

#[derive(Debug, Default)]
struct Day {
    spend: WindowSpend,
    requests: i64,
    prompt_tokens: i64,
    completion_tokens: i64,
    cached_tokens: i64,
    reasoning_tokens: i64,
}

fn add(sum: &mut WindowSpend, settlement: &Settlement) {
    sum.spent = sum.spent.saturating_add(settlement.charge);
    sum.byok = sum.byok.saturating_add(settlement.byok);
}

impl Bookings {
    /// Adds a charge to the windows of its admission, and to what was used on its day, and takes it out
    /// of its node's leases.
    pub(crate) fn book(&mut self, settlement: &Settlement) {
        let request = &settlement.request;
        for Draw { slice, amount } in
            settlement.draws.iter().filter(|draw| draw.amount > Nanos::ZERO)
        {
            let (kind, starts_at) = (window_number(slice.kind), slice.starts_at.as_micros());
            let drawn =
                self.draws.entry((slice.account, kind, starts_at, request.epoch)).or_default();
            *drawn = drawn.saturating_add(*amount);
        }
        let starts_at = |kind| request.windows.start_of(kind).as_micros();
        for account in &request.accounts {
            for kind in WindowKind::ALL {
                let place = (*account, window_number(kind), starts_at(kind));
                let window = self.windows.entry(place).or_default();
                add(&mut window.spend, settlement);
                window.last_at = window.last_at.max(settlement.settled_at.as_micros());
            }
            let (model, provider) = (request.model.clone(), request.provider.clone());
            let place = (*account, starts_at(WindowKind::Day), model, provider);
            let day = self.days.entry(place).or_default();
            add(&mut day.spend, settlement);
            day.requests += 1;
            let usage = &settlement.usage;
            day.prompt_tokens = day.prompt_tokens.saturating_add(tokens(usage.prompt_tokens));
            day.completion_tokens =
                day.completion_tokens.saturating_add(tokens(usage.completion_tokens));
            day.cached_tokens = day.cached_tokens.saturating_add(tokens(usage.cached_tokens));
            day.reasoning_tokens =
                day.reasoning_tokens.saturating_add(tokens(usage.reasoning_tokens));
        }
    }

    /// Writes the sums; to be called last in a transaction.
    pub(crate) async fn write(self, tx: &Transaction<'_>) -> Result<(), Failure> {
        if self.days.is_empty() {
            return Ok(());
        }
        self.write_draws(tx).await?;
        self.write_days(tx).await?;
        self.write_windows(tx).await
    }

    /// A recall by another node marks rows of several runs: they are locked in one order by everybody.
    async fn write_draws(&self, tx: &Transaction<'_>) -> Result<(), Failure> {
        if self.draws.is_empty() {
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
        let draws = || self.draws.iter();
        let taken = tx
            .execute(
                &statement,
                &[
                    &column(draws(), |((account, ..), _)| account.0),
                    &column(draws(), |((_, kind, ..), _)| *kind),
                    &column(draws(), |((_, _, starts_at, _), _)| *starts_at),
                    &column(draws(), |((.., epoch), _)| epoch.0),
                    &column(draws(), |(_, amount)| amount.get()),
                ],
            )
            .await?;
        if taken < self.draws.len() as u64 {
            return Err(broken("lease: there is none"));
        }
        Ok(())
    }

    async fn write_days(&self, tx: &Transaction<'_>) -> Result<(), Failure> {
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
        let days = || self.days.iter().rev();
        tx.execute(
            &statement,
            &[
                &column(days(), |((account, ..), _)| account.0),
                &column(days(), |((_, at, ..), _)| *at),
                &column(days(), |((_, _, model, _), _)| model.as_str()),
                &column(days(), |((.., provider), _)| provider.as_str()),
                &column(days(), |(_, day)| day.requests),
                &column(days(), |(_, day)| day.prompt_tokens),
                &column(days(), |(_, day)| day.completion_tokens),
                &column(days(), |(_, day)| day.spend.spent.get()),
                &column(days(), |(_, day)| day.spend.byok.get()),
                &column(days(), |(_, day)| day.cached_tokens),
                &column(days(), |(_, day)| day.reasoning_tokens),
            ],
        )
        .await?;
        Ok(())
    }

    async fn write_windows(&self, tx: &Transaction<'_>) -> Result<(), Failure> {
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
        let windows = || self.windows.iter().rev();
        tx.execute(
            &statement,
            &[
                &column(windows(), |((account, ..), _)| account.0),
                &column(windows(), |((_, kind, _), _)| *kind),
                &column(windows(), |((.., starts_at), _)| *starts_at),
                &column(windows(), |(_, window)| window.spend.spent.get()),
                &column(windows(), |(_, window)| window.spend.byok.get()),
                &column(windows(), |(_, window)| window.last_at),
            ],
        )
        .await?;
        Ok(())
    }
}

/// One figure of each row. Sums are written, and locked, in the order of the map backwards, so that the
/// installation's, which every node writes, come last.
fn column<Row, Figure>(rows: impl Iterator<Item = Row>, of: impl Fn(Row) -> Figure) -> Vec<Figure> {
    rows.map(of).collect()
}
