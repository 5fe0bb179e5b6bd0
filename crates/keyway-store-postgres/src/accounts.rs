//! Accounts: what they are, what they have spent, and what they used by day.

use deadpool_postgres::Transaction;
use keyway_core::budget::{ResetInterval, WindowKind};
use keyway_core::clock::Timestamp;
use keyway_core::id::AccountId;
use keyway_core::key::{Terms, WindowSpend};
use keyway_core::ledger::AccountState;
use keyway_core::money::Nanos;
use keyway_core::pricing::Usage;
use keyway_core::store::{AccountRecord, UsageDay};
use tokio_postgres::Row;

use crate::error::Failure;
use crate::rows::{self, ACCOUNT, STATE_COLUMNS, nanos};
use crate::spend::spend;
use crate::{credits, nodes};

pub(crate) async fn state(
    tx: &Transaction<'_>,
    account: AccountId,
) -> Result<Option<AccountState>, Failure> {
    let sql = format!("SELECT {STATE_COLUMNS} FROM {ACCOUNT} WHERE a.id = $1");
    let statement = tx.prepare_cached(&sql).await?;
    let found = tx.query_opt(&statement, &[&account.0]).await?;
    found.map(|row| rows::state(&row, 0)).transpose()
}

/// The same of each of those that there are.
pub(crate) async fn states(
    tx: &Transaction<'_>,
    accounts: &[AccountId],
) -> Result<Vec<(AccountId, AccountState)>, Failure> {
    let sql = format!("SELECT {STATE_COLUMNS}, a.id FROM {ACCOUNT} WHERE a.id = ANY($1)");
    let statement = tx.prepare_cached(&sql).await?;
    let accounts: Vec<i64> = accounts.iter().map(|account| account.0).collect();
    let rows = tx.query(&statement, &[&accounts]).await?;
    rows.iter().map(|row| Ok((AccountId(row.get(4)), rows::state(row, 0)?))).collect()
}

pub(crate) async fn get(
    tx: &Transaction<'_>,
    account: AccountId,
    now: Timestamp,
) -> Result<Option<AccountRecord>, Failure> {
    let Some(state) = state(tx, account).await? else { return Ok(None) };
    Ok(Some(AccountRecord { state, spend: spend(tx, account, now).await? }))
}

/// Sets the installation's budget. Answers whether it was another. `again`: an earlier try may have
/// done it.
pub(crate) async fn set_budget(
    tx: &Transaction<'_>,
    terms: Terms,
    again: bool,
    now: Timestamp,
) -> Result<bool, Failure> {
    let sql = "UPDATE account SET limit_nanos = $2, reset = $3, include_byok_in_limit = $4
               WHERE id = $1 AND (limit_nanos IS DISTINCT FROM $2 OR reset IS DISTINCT FROM $3
                 OR include_byok_in_limit <> $4)";
    // Credits are the limit where the terms have none.
    let limit = match terms.limit {
        Some(limit) => Some(limit),
        None => credits::total(tx).await?,
    };
    let limit = limit.map(Nanos::get);
    let reset = terms.reset.map(ResetInterval::as_str);
    let (id, byok) = (AccountId::INSTALLATION.0, terms.include_byok_in_limit);
    let changed = tx.execute(sql, &[&id, &limit, &reset, &byok]).await?;
    if changed > 0 {
        nodes::changed(tx, AccountId::INSTALLATION, now).await?;
    }
    Ok(changed > 0 || again)
}

/// What the account used on the days from that of `from` on, and before that of `until`.
pub(crate) async fn activity(
    tx: &Transaction<'_>,
    account: AccountId,
    from: Timestamp,
    until: Timestamp,
) -> Result<Vec<UsageDay>, Failure> {
    let statement = tx
        .prepare_cached(
            "SELECT day, model, provider, requests, prompt_tokens, completion_tokens, spent_nanos,
                    byok_nanos, cached_tokens, reasoning_tokens
             FROM usage_day WHERE account_id = $1 AND day >= $2 AND day < $3
             ORDER BY day, model, provider",
        )
        .await?;
    let midnight = |moment| WindowKind::Day.starts_at(moment).as_micros();
    let days = tx.query(&statement, &[&account.0, &midnight(from), &midnight(until)]).await?;
    Ok(days.iter().map(usage_day).collect())
}

fn usage_day(row: &Row) -> UsageDay {
    let count = |column| row.get::<_, i64>(column).unsigned_abs();
    UsageDay {
        day: rows::moment(row, 0),
        model: row.get(1),
        provider: row.get(2),
        requests: count(3),
        usage: Usage {
            cached_tokens: count(8),
            reasoning_tokens: count(9),
            ..Usage::of(count(4), count(5))
        },
        spend: WindowSpend { spent: nanos(row, 6), byok: nanos(row, 7) },
    }
}
