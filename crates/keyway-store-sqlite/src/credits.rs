//! The installation's credits: what was added to them, and the limit that they are.

use keyway_core::clock::Timestamp;
use keyway_core::id::{AccountId, CreditId};
use keyway_core::key::Terms;
use keyway_core::money::Nanos;
use rusqlite::{Connection, Error, params};

use crate::accounts;

pub(crate) fn add(
    connection: &Connection,
    id: CreditId,
    amount: Nanos,
    now: Timestamp,
) -> Result<Nanos, Error> {
    connection.execute(
        "INSERT INTO credit (id, amount_nanos, added_at)
         SELECT ?1, coalesce((SELECT spent_nanos FROM account_window
                              WHERE account_id = ?2 AND kind = 0), 0), ?3
         WHERE NOT EXISTS (SELECT 1 FROM credit)",
        params![CreditId::OPENING.0, AccountId::INSTALLATION.0, now.as_micros()],
    )?;
    connection.execute(
        "INSERT INTO credit (id, amount_nanos, added_at) VALUES (?1, ?2, ?3)
         ON CONFLICT (id) DO NOTHING",
        params![id.0, amount.get(), now.as_micros()],
    )?;
    accounts::set_budget(connection, Terms::default(), now)?;
    Ok(total(connection)?.unwrap_or_default())
}

pub(crate) fn total(connection: &Connection) -> Result<Option<Nanos>, Error> {
    let sql = "SELECT sum(amount_nanos) FROM credit";
    let total: Option<i64> = connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    Ok(total.map(Nanos::new))
}
