//! What accounts have spent. Asked for all keys of a page at once: a page must not cost a trip to the
//! database for every key.

use std::collections::HashMap;

use deadpool_postgres::Transaction;
use keyway_core::budget::WindowKind;
use keyway_core::clock::Timestamp;
use keyway_core::id::AccountId;
use keyway_core::key::{KeyRecord, KeySpend, WindowSpend};
use keyway_core::money::Nanos;
use keyway_core::store::{Balance, WindowBalance};

use crate::error::Failure;
use crate::rows::{moment, nanos, window_kind};

/// One account's windows and leases.
#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    newest: Balance,
    last_used_at: Option<Timestamp>,
    leased: Nanos,
}

/// The newest window of each kind that the account has a charge in.
pub(crate) async fn balance(tx: &Transaction<'_>, account: AccountId) -> Result<Balance, Failure> {
    let mut standings = HashMap::from([(account.0, Standing::default())]);
    windows(tx, &mut standings).await?;
    Ok(standings[&account.0].newest)
}

/// What an account has spent, and what is leased of it.
pub(crate) async fn spend(
    tx: &Transaction<'_>,
    account: AccountId,
    now: Timestamp,
) -> Result<KeySpend, Failure> {
    let standings = standings(tx, [account]).await?;
    Ok(standings[&account.0].at(now))
}

/// The keys with what they have spent.
pub(crate) async fn with_spend(
    tx: &Transaction<'_>,
    mut keys: Vec<KeyRecord>,
    now: Timestamp,
) -> Result<Vec<KeyRecord>, Failure> {
    let standings = standings(tx, keys.iter().map(|key| key.account)).await?;
    for key in &mut keys {
        key.spend = standings[&key.account.0].at(now);
    }
    Ok(keys)
}

async fn standings(
    tx: &Transaction<'_>,
    accounts: impl IntoIterator<Item = AccountId>,
) -> Result<HashMap<i64, Standing>, Failure> {
    let mut standings: HashMap<i64, Standing> =
        accounts.into_iter().map(|account| (account.0, Standing::default())).collect();
    windows(tx, &mut standings).await?;
    leases(tx, &mut standings).await?;
    Ok(standings)
}

async fn windows(
    tx: &Transaction<'_>,
    standings: &mut HashMap<i64, Standing>,
) -> Result<(), Failure> {
    let statement = tx
        .prepare_cached(
            "SELECT a.id, w.kind, w.starts_at, w.spent_nanos, w.byok_nanos, w.last_at
             FROM unnest($1::BIGINT[]) AS a (id)
             CROSS JOIN unnest('{0, 1, 2, 3}'::BIGINT[]) AS k (kind)
             CROSS JOIN LATERAL (
               SELECT kind, starts_at, spent_nanos, byok_nanos, last_at FROM account_window
               WHERE account_id = a.id AND kind = k.kind ORDER BY starts_at DESC LIMIT 1) AS w",
        )
        .await?;
    let accounts: Vec<i64> = standings.keys().copied().collect();
    for row in tx.query(&statement, &[&accounts]).await? {
        let kind = window_kind(&row, 1)?;
        let standing = standings.entry(row.get(0)).or_default();
        let spend = WindowSpend { spent: nanos(&row, 3), byok: nanos(&row, 4) };
        standing.newest[kind.index()] = WindowBalance { starts_at: moment(&row, 2), spend };
        if kind == WindowKind::Total {
            standing.last_used_at = Some(moment(&row, 5));
        }
    }
    Ok(())
}

async fn leases(
    tx: &Transaction<'_>,
    standings: &mut HashMap<i64, Standing>,
) -> Result<(), Failure> {
    let statement = tx
        .prepare_cached(
            "SELECT account_id, sum(outstanding_nanos)::BIGINT FROM lease
             WHERE account_id = ANY($1) GROUP BY account_id",
        )
        .await?;
    let accounts: Vec<i64> = standings.keys().copied().collect();
    for row in tx.query(&statement, &[&accounts]).await? {
        standings.entry(row.get(0)).or_default().leased = nanos(&row, 1);
    }
    Ok(())
}

impl Standing {
    /// What was spent in the windows that are open at `now`. One that began later is open still: the
    /// clock went back, and a window that ended never opens again.
    fn at(&self, now: Timestamp) -> KeySpend {
        let mut windows = [WindowSpend::default(); 4];
        for kind in WindowKind::ALL {
            let window = self.newest[kind.index()];
            if window.starts_at >= kind.starts_at(now) {
                windows[kind.index()] = window.spend;
            }
        }
        KeySpend { windows, leased: self.leased, last_used_at: self.last_used_at }
    }
}
