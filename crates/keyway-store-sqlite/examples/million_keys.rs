//! How long pages take over a million keys.
//!
//! Fills a store by SQL, in one transaction, then asks it through its own door as often as is said:
//! `cargo run --release -p keyway-store-sqlite --example million_keys`

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use keyway_core::clock::Timestamp;
use keyway_core::id::WorkspaceId;
use keyway_core::key::KeyKind;
use keyway_core::store::{KeyPage, KeyQuery, KeySort, PageStart, Store};
use keyway_store_sqlite::{Durability, Holder, SqliteOptions, SqliteStore};
use rusqlite::Connection;
use tokio::time::Instant;

const KEYS: u64 = 1_000_000;
const PAGE: u32 = 100;
/// Times that each page is asked for; the first and the median are told.
const TIMES: usize = 9;
const NOW: Timestamp = Timestamp::from_micros(1_784_116_800_000_000);

/// Every tenth key is disabled, every seventh has expired, nine in ten have spent something.
const FILL: &str = "
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
    INSERT INTO account (id, kind) SELECT i, 'key' FROM n;
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
    INSERT INTO api_key (id, account_id, kind, workspace, hash, label, name, disabled, limit_nanos,
                         created_at, expires_at)
      SELECT i, i, 'inference', default_workspace, randomblob(32),
             printf('sk-or-v1-%03x...%03x', i % 4096, i * 7 % 4096),
             printf('Customer %07d', i * 7919 % ?1), i % 10 = 0, 5000000000, ?2 - i,
             iif(i % 7 = 0, ?2 - 1, NULL)
      FROM n, installation;
    INSERT INTO key_secret (hash, key_id, tag, label, minted)
      SELECT hash, id, hash, label, 1 FROM api_key ORDER BY hash;
    INSERT INTO account_window (account_id, kind, starts_at, spent_nanos, byok_nanos, last_at)
      SELECT a.id, w.kind, 0, a.id * 7919 % 1000003, 0, ?2
      FROM account AS a, (SELECT 0 AS kind UNION ALL SELECT 1) AS w WHERE a.id % 10 <> 3;";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let options = SqliteOptions {
        directory: directory.path().to_owned(),
        holder: Holder::Gateway,
        durability: Durability::Process,
        fingerprint: [1; 32],
        new_workspace: WorkspaceId::from_random([7; 16]),
        now: NOW,
    };
    SqliteStore::open(&options)?.close().await;
    fill(&directory.path().join("keyway.db"))?;
    let store = SqliteStore::open(&options)?;
    for (what, query) in queries(&store).await? {
        measure(&store, what, &query).await;
    }
    store.close().await;
    Ok(())
}

fn fill(database: &Path) -> Result<(), rusqlite::Error> {
    let mut connection = Connection::open(database)?;
    let transaction = connection.transaction()?;
    for statement in FILL.split_terminator(';') {
        let mut statement = transaction.prepare(statement)?;
        for (number, value) in
            [i64::try_from(KEYS).unwrap_or(i64::MAX), NOW.as_micros()].iter().enumerate()
        {
            if number < statement.parameter_count() {
                statement.raw_bind_parameter(number + 1, value)?;
            }
        }
        statement.raw_execute()?;
    }
    transaction.commit()
}

async fn queries(store: &SqliteStore) -> Result<Vec<(&'static str, KeyQuery)>, Box<dyn Error>> {
    let everything = KeyQuery {
        kind: KeyKind::Inference,
        workspace: store.default_workspace(),
        include_disabled: true,
        include_expired: true,
        contains: None,
        sort: KeySort::Newest,
        start: PageStart::Offset(0),
        limit: PAGE,
    };
    let usual = KeyQuery { include_disabled: false, include_expired: false, ..everything.clone() };
    let last = PageStart::Offset(KEYS - u64::from(PAGE));
    let deep = PageStart::Offset(KEYS * 7 / 10);
    let before = KeyQuery { start: deep, limit: 1, ..usual.clone() };
    let KeyPage::Keys(keys) = store.key_list(before, NOW).await? else {
        return Err("no such page".into());
    };
    let after = PageStart::After(keys.first().ok_or("no such key")?.hash);
    let search = |text: &str| KeyQuery { contains: Some(text.to_owned()), ..usual.clone() };
    let sorted = |sort, start| KeyQuery { sort, start, ..usual.clone() };
    Ok(vec![
        ("first page", usual.clone()),
        ("10,000th page by offset, all keys", KeyQuery { start: last, ..everything.clone() }),
        ("700,000 keys skipped by offset", KeyQuery { start: deep, ..usual.clone() }),
        ("700,000 keys skipped by cursor", KeyQuery { start: after, ..usual.clone() }),
        ("first page, oldest first", sorted(KeySort::Oldest, PageStart::Offset(0))),
        ("first page by name", sorted(KeySort::Name, PageStart::Offset(0))),
        (
            "10,000th page by name",
            KeyQuery { sort: KeySort::Name, start: last, ..everything.clone() },
        ),
        ("first page by usage", sorted(KeySort::UsageDescending, PageStart::Offset(0))),
        ("behind a cursor by usage", sorted(KeySort::UsageDescending, after)),
        ("search that finds much", search("customer 00")),
        ("search that finds nothing", search("nobody")),
    ])
}

#[expect(clippy::print_stdout, reason = "its findings are for whoever runs it")]
async fn measure(store: &SqliteStore, what: &str, query: &KeyQuery) {
    let mut times: Vec<Duration> = Vec::with_capacity(TIMES);
    let mut told = String::new();
    for _ in 0..TIMES {
        let begin = Instant::now();
        let answer = store.key_list(query.clone(), NOW).await;
        times.push(begin.elapsed());
        told = match answer {
            Ok(KeyPage::Keys(keys)) => format!("{} keys", keys.len()),
            Ok(KeyPage::UnknownCursor) => "unknown cursor".to_owned(),
            Err(error) => error.to_string(),
        };
    }
    let first = times[0];
    times.sort_unstable();
    println!("{what:36} first {first:>10.2?}  median {:>10.2?}  {told}", times[TIMES / 2]);
}
