//! What nodes put back of a history that was lost.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use deadpool_postgres::Transaction;
use keyway_core::budget::{ResetInterval, WindowKind};
use keyway_core::clock::Timestamp;
use keyway_core::id::Timeline;
use keyway_core::ledger::{Bookings, Ending, Metered, Settlement, tokens_kept};
use keyway_core::money::Nanos;
use keyway_core::store::{Change, Testified, Testimony};

use crate::entries;
use crate::error::Failure;
use crate::rows::{bytes, nanos, window_number};
use crate::{bookings, ledger, nodes};

pub(crate) async fn testify(
    tx: &Transaction<'_>,
    timeline: Timeline,
    testimony: &Testimony,
    now: Timestamp,
) -> Result<Testified, Failure> {
    let mut testified = Testified::default();
    let unknown = unknown_changes(tx, timeline, &testimony.changes).await?;
    for change in unknown {
        match put_back(tx, timeline, change, now).await? {
            None => testified.nobodys += 1,
            Some(changed) => testified.changes += u64::from(changed),
        }
    }
    let mut written = written(tx, &testimony.charges).await?;
    let known = Known::look(tx, &testimony.charges).await?;
    let mut bookings = Bookings::default();
    for charge in &testimony.charges {
        if !known.has(charge) {
            testified.nobodys += 1;
            continue;
        }
        let id = *charge.request.id.as_bytes();
        let wrong = match written.get(&id) {
            Some((amount, ending)) if !charge.corrects(*amount, *ending) => continue,
            wrong => wrong.is_some(),
        };
        if wrong {
            // What is corrected has to be in the sums.
            bookings::write(tx, std::mem::take(&mut bookings)).await?;
            correct(tx, charge).await?;
        } else {
            ledger::settle(tx, charge, &mut bookings).await?;
        }
        written.insert(id, (charge.charge, charge.ending));
        testified.charges += 1;
    }
    bookings::write(tx, bookings).await?;
    Ok(testified)
}

/// The charges that the store has, by request.
async fn written(
    tx: &Transaction<'_>,
    charges: &[Settlement],
) -> Result<HashMap<[u8; 16], (Nanos, Ending)>, Failure> {
    let ids: Vec<&[u8]> = charges.iter().map(|c| c.request.id.as_bytes().as_slice()).collect();
    let statement = tx
        .prepare_cached(
            "SELECT id, charge_nanos, ending FROM generation
             WHERE id = ANY ($1) AND charge_nanos IS NOT NULL",
        )
        .await?;
    let mut written = HashMap::new();
    for row in tx.query(&statement, &[&ids]).await? {
        let ending = ledger::ending(row.get(2))?;
        written.insert(bytes(&row, 0)?, (nanos(&row, 1), ending));
    }
    Ok(written)
}

/// What charges are about, as far as the store has it: keys may have been lost, too.
struct Known {
    keys: BTreeSet<i64>,
    accounts: BTreeSet<i64>,
}

impl Known {
    async fn look(tx: &Transaction<'_>, charges: &[Settlement]) -> Result<Self, Failure> {
        let keys: Vec<i64> = charges.iter().map(|charge| charge.request.key.0).collect();
        let accounts = charges.iter().flat_map(|charge| &charge.request.accounts);
        let accounts: Vec<i64> = accounts.map(|account| account.0).collect();
        let known = async |sql: &str, ids: Vec<i64>| -> Result<BTreeSet<i64>, Failure> {
            let rows = tx.query(&tx.prepare_cached(sql).await?, &[&ids]).await?;
            Ok(rows.iter().map(|row| row.get(0)).collect())
        };
        Ok(Self {
            keys: known("SELECT id FROM api_key WHERE id = ANY ($1)", keys).await?,
            accounts: known("SELECT id FROM account WHERE id = ANY ($1)", accounts).await?,
        })
    }

    fn has(&self, charge: &Settlement) -> bool {
        let request = &charge.request;
        self.keys.contains(&request.key.0)
            && request.accounts.iter().all(|account| self.accounts.contains(&account.0))
    }
}

/// Those of an earlier history that the log does not have.
async fn unknown_changes<'c>(
    tx: &Transaction<'_>,
    timeline: Timeline,
    changes: &'c [Change],
) -> Result<Vec<&'c Change>, Failure> {
    let seqs: Vec<i64> = changes.iter().map(|change| change.seq).collect();
    let statement = tx.prepare_cached("SELECT seq FROM change_log WHERE seq = ANY ($1)").await?;
    let rows = tx.query(&statement, &[&seqs]).await?;
    let known: BTreeSet<i64> = rows.iter().map(|row| row.get(0)).collect();
    let unknown = |change: &&Change| change.seq <= timeline.0 && !known.contains(&change.seq);
    Ok(changes.iter().filter(unknown).collect())
}

/// Puts a change of a lost history in force, where no later one of it is: but what was closed since
/// stays closed. `None` where there is no such account.
async fn put_back(
    tx: &Transaction<'_>,
    timeline: Timeline,
    change: &Change,
    now: Timestamp,
) -> Result<Option<bool>, Failure> {
    let account = change.account.0;
    let sql = "SELECT 1 FROM account WHERE id = $1 FOR NO KEY UPDATE";
    if tx.query_opt(sql, &[&account]).await?.is_none() {
        return Ok(None);
    }
    let sql = "SELECT 1 FROM change_log WHERE account_id = $1 AND seq >= $2 AND seq <= $3 LIMIT 1";
    if tx.query_opt(sql, &[&account, &change.seq, &timeline.0]).await?.is_some() {
        return Ok(Some(false));
    }
    let sql = "INSERT INTO change_log (seq, account_id, changed_at) VALUES ($1, $2, $3)";
    tx.execute(sql, &[&change.seq, &account, &now.as_micros()]).await?;
    let terms = &change.state.terms;
    let limit = terms.limit.map(Nanos::get);
    let reset = terms.reset.map(ResetInterval::as_str);
    let sql = "UPDATE account SET limit_nanos = $2, reset = $3, include_byok_in_limit = $4
               WHERE id = $1";
    tx.execute(sql, &[&account, &limit, &reset, &terms.include_byok_in_limit]).await?;
    let sql = "UPDATE api_key SET disabled = disabled OR NOT $2, updated_at = $3
               WHERE account_id = $1";
    tx.execute(sql, &[&account, &change.state.open, &now.as_micros()]).await?;
    nodes::changed(tx, change.account, now).await?;
    Ok(Some(true))
}

/// Puts what is known of a request in the place of what was assumed when its run was ended; but it
/// stays with the model and the provider that it is counted at.
async fn correct(tx: &Transaction<'_>, charge: &Settlement) -> Result<(), Failure> {
    let id: &[u8] = charge.request.id.as_bytes();
    let sql = "SELECT charge_nanos, byok_nanos, prompt_tokens, completion_tokens, provider,
                      cached_tokens, reasoning_tokens, model
               FROM generation WHERE id = $1 FOR UPDATE";
    let row = tx.query_one(sql, &[&id]).await?;
    let before = |column: usize| row.get::<_, i64>(column);
    let (provider, model) = (row.get(4), row.get(7));
    let request = Metered { model, provider, ..charge.request.as_ref().clone() };
    let charge = Settlement { request: Arc::new(request), ..charge.clone() };
    entries::overwrite(tx, &charge).await?;
    let more = charge.charge.get().saturating_sub(before(0));
    let more_byok = charge.byok.get().saturating_sub(before(1));
    let more_prompt = tokens_kept(charge.usage.prompt_tokens).saturating_sub(before(2));
    let more_completion = tokens_kept(charge.usage.completion_tokens).saturating_sub(before(3));
    let more_cached = tokens_kept(charge.usage.cached_tokens).saturating_sub(before(5));
    let more_reasoning = tokens_kept(charge.usage.reasoning_tokens).saturating_sub(before(6));
    let at = charge.settled_at.as_micros();
    let request = &charge.request;
    let day = request.windows.start_of(WindowKind::Day).as_micros();
    for account in &request.accounts {
        let sql =
            "UPDATE usage_day SET spent_nanos = spent_nanos + $5, byok_nanos = byok_nanos + $6,
                     prompt_tokens = prompt_tokens + $7, completion_tokens = completion_tokens + $8,
                     cached_tokens = cached_tokens + $9, reasoning_tokens = reasoning_tokens + $10
                   WHERE account_id = $1 AND day = $2 AND model = $3 AND provider = $4";
        tx.execute(
            sql,
            &[
                &account.0,
                &day,
                &request.model,
                &request.provider,
                &more,
                &more_byok,
                &more_prompt,
                &more_completion,
                &more_cached,
                &more_reasoning,
            ],
        )
        .await?;
        let sql = "UPDATE account_window SET spent_nanos = spent_nanos + $4,
                     byok_nanos = byok_nanos + $5, last_at = greatest(last_at, $6)
                   WHERE account_id = $1 AND kind = $2 AND starts_at = $3";
        for kind in WindowKind::ALL {
            let starts_at = request.windows.start_of(kind).as_micros();
            let kind = window_number(kind);
            tx.execute(sql, &[&account.0, &kind, &starts_at, &more, &more_byok, &at]).await?;
        }
    }
    Ok(())
}
