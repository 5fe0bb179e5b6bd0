//! Accounts: what they are, what they have spent, and what they used by day.

use keyway_core::budget::{ResetInterval, WindowKind};
use keyway_core::clock::Timestamp;
use keyway_core::id::AccountId;
use keyway_core::key::{Terms, WindowSpend};
use keyway_core::ledger::AccountState;
use keyway_core::money::Nanos;
use keyway_core::pricing::Usage;
use keyway_core::store::{AccountRecord, UsageDay};
use rusqlite::{Connection, Error, OptionalExtension, Row, params};

use crate::rows::{self, ACCOUNT, STATE_COLUMNS};
use crate::{credits, nodes};

pub(crate) fn state(
    connection: &Connection,
    account: AccountId,
) -> Result<Option<AccountState>, Error> {
    let sql = format!("SELECT {STATE_COLUMNS} FROM {ACCOUNT} WHERE a.id = ?1");
    let mut statement = connection.prepare_cached(&sql)?;
    statement.query_row([account.0], |row| rows::state(row, 0)).optional()
}

/// The same of each of those that there are.
pub(crate) fn states(
    connection: &Connection,
    accounts: &[AccountId],
) -> Result<Vec<(AccountId, AccountState)>, Error> {
    let mut states = Vec::with_capacity(accounts.len());
    for account in accounts {
        states.extend(state(connection, *account)?.map(|state| (*account, state)));
    }
    Ok(states)
}

pub(crate) fn get(
    connection: &Connection,
    account: AccountId,
    now: Timestamp,
) -> Result<Option<AccountRecord>, Error> {
    let Some(state) = state(connection, account)? else { return Ok(None) };
    Ok(Some(AccountRecord { state, spend: rows::spend(connection, account, now)? }))
}

/// Sets the installation's budget. Answers whether it was another.
pub(crate) fn set_budget(
    connection: &Connection,
    terms: Terms,
    now: Timestamp,
) -> Result<bool, Error> {
    // Credits are the limit where the terms have none.
    let limit = match terms.limit {
        Some(limit) => Some(limit),
        None => credits::total(connection)?,
    };
    let mut statement = connection.prepare_cached(
        "UPDATE account SET limit_nanos = ?2, reset = ?3, include_byok_in_limit = ?4
         WHERE id = ?1 AND (limit_nanos IS NOT ?2 OR reset IS NOT ?3
           OR include_byok_in_limit IS NOT ?4)",
    )?;
    let changed = statement.execute(params![
        AccountId::INSTALLATION.0,
        limit.map(Nanos::get),
        terms.reset.map(ResetInterval::as_str),
        terms.include_byok_in_limit,
    ])?;
    if changed > 0 {
        nodes::changed(connection, AccountId::INSTALLATION, now)?;
    }
    Ok(changed > 0)
}

/// What the account used on the days from that of `from` on, and before that of `until`.
pub(crate) fn activity(
    connection: &Connection,
    account: AccountId,
    from: Timestamp,
    until: Timestamp,
) -> Result<Vec<UsageDay>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT day, model, provider, requests, prompt_tokens, completion_tokens, spent_nanos,
                byok_nanos, cached_tokens, reasoning_tokens
         FROM usage_day WHERE account_id = ?1 AND day >= ?2 AND day < ?3
         ORDER BY day, model, provider",
    )?;
    let midnight = |moment| WindowKind::Day.starts_at(moment).as_micros();
    statement.query_map(params![account.0, midnight(from), midnight(until)], usage_day)?.collect()
}

fn usage_day(row: &Row<'_>) -> Result<UsageDay, Error> {
    let count = |column| row.get(column).map(|count: i64| count.unsigned_abs());
    Ok(UsageDay {
        day: rows::moment(row, 0)?,
        model: row.get(1)?,
        provider: row.get(2)?,
        requests: count(3)?,
        usage: Usage {
            cached_tokens: count(8)?,
            reasoning_tokens: count(9)?,
            ..Usage::of(count(4)?, count(5)?)
        },
        spend: WindowSpend { spent: Nanos::new(row.get(6)?), byok: Nanos::new(row.get(7)?) },
    })
}
