//! The books as they lie in the store, read past the gateway.

use std::path::PathBuf;
use std::time::Duration;

use keyway_core::id::{GenerationId, KeyHash};
use keyway_core::money::Nanos;
use keyway_testkit::{Books, LedgerRow};
use rusqlite::Connection;
use tokio::time::{Instant, interval};
use tokio_postgres::{Client, NoTls, Row};

/// A dead node is ended after six seconds, and what it held comes back with it.
const QUIET_PATIENCE: Duration = Duration::from_secs(30);

const ROWS: &str = "
    SELECT generation.id, charge_nanos, authorised_nanos, ending, estimated
    FROM generation JOIN api_key ON api_key.id = generation.key_id WHERE api_key.hash = $1";
const SPENT: &str = "
    SELECT spent_nanos FROM account_window
    JOIN api_key ON api_key.account_id = account_window.account_id
    WHERE api_key.hash = $1 AND account_window.kind = 0";
const LEASED: &str = "
    SELECT CAST(coalesce(sum(outstanding_nanos), 0) AS BIGINT) FROM lease
    JOIN api_key ON api_key.account_id = lease.account_id WHERE api_key.hash = $1";

/// Where the books are.
pub(crate) enum Source {
    Postgres(String),
    Sqlite(PathBuf),
}

/// Reads the books again and again until nothing of them is in motion, or for as long as anything may
/// take: then the checker says what hangs.
pub(crate) async fn when_quiet(source: &Source, hash: &str, limit: Option<Nanos>) -> Books {
    let until = Instant::now() + QUIET_PATIENCE;
    let mut ticks = interval(Duration::from_millis(100));
    loop {
        ticks.tick().await;
        let books = read(source, hash, limit).await;
        let quiet = books.leased == Nanos::ZERO && books.rows.iter().all(|row| row.settled);
        if quiet || Instant::now() > until {
            return books;
        }
    }
}

pub(crate) async fn read(source: &Source, hash: &str, limit: Option<Nanos>) -> Books {
    let hash: KeyHash = hash.parse().expect("a hash");
    let books = match source {
        Source::Postgres(url) => from_postgres(url, hash).await,
        Source::Sqlite(directory) => {
            from_sqlite(&directory.join("keyway.db"), hash).expect("the books can be read")
        }
    };
    Books { limit, ..books }
}

async fn from_postgres(url: &str, hash: KeyHash) -> Books {
    let client = connect(url).await;
    let hash = hash.as_bytes().as_slice();
    let rows = client.query(ROWS, &[&hash]).await.expect("the generations");
    let spent = client.query_opt(SPENT, &[&hash]).await.expect("what is spent");
    let leased = client.query_one(LEASED, &[&hash]).await.expect("what is leased");
    Books {
        rows: rows.iter().map(of_postgres).collect(),
        spent: Nanos::new(spent.map_or(0, |row| row.get(0))),
        leased: Nanos::new(leased.get(0)),
        limit: None,
    }
}

pub(crate) async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the database");
    #[expect(clippy::disallowed_methods, reason = "ends with its client")]
    tokio::spawn(async move {
        let _ = connection.await;
    });
    client
}

fn of_postgres(row: &Row) -> LedgerRow {
    let charge: Option<i64> = row.get(1);
    row_of(row.get(0), charge, row.get(2), row.get(3), row.get(4))
}

fn from_sqlite(file: &std::path::Path, hash: KeyHash) -> rusqlite::Result<Books> {
    let books = Connection::open(file)?;
    let hash = hash.as_bytes().as_slice();
    let mut rows = books.prepare(ROWS)?;
    let rows = rows.query_map([hash], |row| {
        let id: [u8; 16] = row.get(0)?;
        Ok(row_of(&id, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
    })?;
    let rows = rows.collect::<rusqlite::Result<_>>()?;
    let one = |sql| match books.query_row(sql, [hash], |row| row.get(0)) {
        Err(rusqlite::Error::QueryReturnedNoRows) => Ok(0),
        other => other,
    };
    Ok(Books {
        rows,
        spent: Nanos::new(one(SPENT)?),
        leased: Nanos::new(one(LEASED)?),
        limit: None,
    })
}

/// A generation's id as clients are told it.
pub(crate) fn id(bytes: &[u8]) -> String {
    GenerationId::from_bytes(bytes.try_into().expect("sixteen bytes")).to_string()
}

fn row_of(
    id: &[u8],
    charge: Option<i64>,
    authorised_nanos: i64,
    ending: Option<String>,
    estimated: Option<bool>,
) -> LedgerRow {
    LedgerRow {
        generation: self::id(id),
        charge_nanos: charge.unwrap_or(0),
        authorised_nanos,
        ending: ending.unwrap_or_default(),
        estimated: estimated.unwrap_or(false),
        settled: charge.is_some(),
    }
}
