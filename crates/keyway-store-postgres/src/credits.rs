//! The installation's credits: what was added to them, and the limit that they are.

use deadpool_postgres::Transaction;
use keyway_core::clock::Timestamp;
use keyway_core::id::{AccountId, CreditId};
use keyway_core::key::Terms;
use keyway_core::money::Nanos;

use crate::accounts;
use crate::error::Failure;

pub(crate) async fn add(
    tx: &Transaction<'_>,
    id: CreditId,
    amount: Nanos,
    now: Timestamp,
) -> Result<Nanos, Failure> {
    // Additions are made one after the other: the first alone opens.
    tx.query_one("SELECT 1 FROM installation FOR UPDATE", &[]).await?;
    let (opening, id): (&[u8], &[u8]) = (&CreditId::OPENING.0, &id.0);
    let at = now.as_micros();
    tx.execute(
        "INSERT INTO credit (id, amount_nanos, added_at)
         SELECT $1::BYTEA, coalesce((SELECT spent_nanos FROM account_window
                                     WHERE account_id = $2 AND kind = 0), 0), $3::BIGINT
         WHERE NOT EXISTS (SELECT 1 FROM credit)",
        &[&opening, &AccountId::INSTALLATION.0, &at],
    )
    .await?;
    let sql = "INSERT INTO credit (id, amount_nanos, added_at) VALUES ($1, $2, $3)
               ON CONFLICT (id) DO NOTHING";
    tx.execute(sql, &[&id, &amount.get(), &at]).await?;
    accounts::set_budget(tx, Terms::default(), false, now).await?;
    Ok(total(tx).await?.unwrap_or_default())
}

pub(crate) async fn total(tx: &Transaction<'_>) -> Result<Option<Nanos>, Failure> {
    let sql = "SELECT sum(amount_nanos)::BIGINT FROM credit";
    let total: Option<i64> = tx.query_one(sql, &[]).await?.get(0);
    Ok(total.map(Nanos::new))
}
