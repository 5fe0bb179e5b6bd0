//! Rows of requests that are settled without having been marked: they are made whole, several by one
//! statement.

use std::sync::LazyLock;

use deadpool_postgres::Transaction;
use futures_util::future::try_join_all;
use keyway_core::ledger::Settlement;
use keyway_core::money::Nanos;

use crate::entries::{ADMITTED, AMENDED, Admitted, CHARGED, Charged, Value, Written};
use crate::error::Failure;

/// How many rows a statement makes. Each number has a statement that stays prepared, so there are few
/// numbers; what waits is made up of them.
const ROWS: [usize; 6] = [32, 16, 8, 4, 2, 1];

/// Makes the rows; where one of them was there it says so, and leaves that as it is.
pub(crate) async fn enter(
    tx: &Transaction<'_>,
    settlements: &[&Settlement],
) -> Result<Written, Failure> {
    let mut rest = settlements;
    let parts = ROWS.iter().zip(STATEMENTS.iter()).flat_map(|(rows, sql)| {
        let (whole, left) = rest.split_at(rest.len() - rest.len() % rows);
        rest = left;
        whole.chunks_exact(*rows).map(move |part| insert(tx, sql, part))
    });
    let made: u64 = try_join_all(parts).await?.into_iter().sum();
    let all = settlements.len() as u64;
    Ok(if made == all { Written::Now } else { Written::Known })
}

/// How many of them were not there.
async fn insert(tx: &Transaction<'_>, sql: &str, part: &[&Settlement]) -> Result<u64, Failure> {
    let statement = tx.prepare_cached(sql).await?;
    let rows: Vec<(Admitted<'_>, Charged<'_>)> = part
        .iter()
        .map(|settlement| (Admitted::of(&settlement.request, Nanos::ZERO), Charged::of(settlement)))
        .collect();
    let mut values: Vec<Value<'_>> = Vec::with_capacity(part.len() * COLUMNS);
    for (admitted, charged) in &rows {
        values.extend(admitted.values());
        values.extend(&charged.values()[AMENDED..CHARGED.len()]);
    }
    Ok(tx.execute(&statement, &values).await?)
}

/// Of a row.
const COLUMNS: usize = ADMITTED.len() + CHARGED.len() - AMENDED;

static STATEMENTS: LazyLock<[String; ROWS.len()]> = LazyLock::new(|| ROWS.map(statement));

fn statement(rows: usize) -> String {
    let columns = [ADMITTED.as_slice(), &CHARGED[AMENDED..]].concat().join(", ");
    let row = |row: usize| {
        let places = (1..=COLUMNS).map(|column| format!("${}", row * COLUMNS + column));
        format!("({})", places.collect::<Vec<_>>().join(", "))
    };
    let rows: Vec<String> = (0..rows).map(row).collect();
    let rows = rows.join(", ");
    format!("INSERT INTO generation ({columns}) VALUES {rows} ON CONFLICT (id) DO NOTHING")
}
