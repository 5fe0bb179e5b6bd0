//! What is left after a power cut, set beside what clients had been told.

use std::fmt;
use std::path::Path;

use keyway_core::clock::Timestamp;
use keyway_core::id::{GenerationId, KeyHash, WorkspaceId};
use keyway_core::store::Store as _;
use keyway_server::installation::{create_data_directory, load_or_create_secret};
use keyway_store_sqlite::{Durability, Holder, SqliteOptions, SqliteStore};
use rusqlite::{Connection, OptionalExtension, params};

use super::told::Standing;
use super::upgrade;

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);
/// Windows whose charges are not the sum of their generations'.
const UNBALANCED: &str = "
    SELECT count(*) FROM account_window AS w JOIN api_key AS k ON k.account_id = w.account_id
    WHERE spent_nanos <> (
        SELECT coalesce(sum(charge_nanos), 0) FROM generation WHERE key_id = k.id
        AND w.starts_at = CASE w.kind WHEN 0 THEN w.starts_at WHEN 1 THEN window_day
                                      WHEN 2 THEN window_week ELSE window_month END)";
/// What was charged and is in no window.
const ASTRAY: &str = "
    SELECT (SELECT coalesce(sum(charge_nanos), 0) FROM generation)
         - (SELECT coalesce(sum(spent_nanos), 0) FROM account_window
            JOIN api_key USING (account_id) WHERE account_window.kind = 0)";
/// What the installation was charged, in its windows and by day, beside its keys.
const UNACCOUNTED: &str = "
    SELECT (SELECT coalesce(sum(charge_nanos), 0) FROM generation) * 3
         - (SELECT coalesce(sum(spent_nanos), 0) FROM account_window WHERE kind = 0 AND account_id = 0)
         - (SELECT coalesce(sum(spent_nanos), 0) FROM usage_day)";
const UNSETTLED: &str = "SELECT count(*) FROM generation WHERE charge_nanos IS NULL";
const LEASED: &str = "SELECT count(*) FROM lease";
const KEY: &str = "
    SELECT api_key.name, deleted_at IS NOT NULL FROM key_secret
    JOIN api_key ON api_key.id = key_id WHERE key_secret.hash = ?1";

#[derive(Debug, Default)]
pub(super) struct Verdict {
    cuts: u64,
    /// Charges that clients had been told of, over all cuts.
    pub(super) charges: u64,
    recovered: u64,
    lost: Vec<String>,
    damaged: Vec<String>,
}

impl Verdict {
    /// Opens what a cut left as a start does, and looks for what had been told.
    pub(super) async fn look_at(&mut self, data_dir: &Path, told: &Standing, moment: usize) {
        self.cuts += 1;
        self.charges += told.charged.len() as u64;
        let findings = self.findings(data_dir, told).await;
        let findings =
            findings.unwrap_or_else(|why| Findings { damaged: vec![why], ..Findings::default() });
        let at = |finding: String| format!("after event {moment}: {finding}");
        self.lost.extend(findings.lost.into_iter().map(at));
        self.damaged.extend(findings.damaged.into_iter().map(at));
    }

    async fn findings(&mut self, data_dir: &Path, told: &Standing) -> Result<Findings, String> {
        let database = data_dir.join("keyway.db");
        let failed = |error: rusqlite::Error| error.to_string();
        let uncopied =
            if told.upgraded { upgrade::damage(data_dir).map_err(failed)? } else { None };
        self.recovered += open(data_dir).await?;
        let mut findings = examine(&database, told).map_err(failed)?;
        findings.damaged.extend(uncopied);
        Ok(findings)
    }

    pub(super) fn lost_something(&self) -> bool {
        !self.lost.is_empty()
    }

    pub(super) fn found_something(&self) -> bool {
        self.lost_something() || !self.damaged.is_empty()
    }

    pub(super) fn assert_undamaged(&self) {
        assert!(self.damaged.is_empty(), "{:#?}", &self.damaged[..self.damaged.len().min(20)]);
    }

    pub(super) fn assert_clean(&self) {
        self.assert_undamaged();
        assert!(self.lost.is_empty(), "{:#?}", &self.lost[..self.lost.len().min(20)]);
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} cuts, {} charges to lose, {} requests recovered; lost {}, damaged {}",
            self.cuts,
            self.charges,
            self.recovered,
            self.lost.len(),
            self.damaged.len()
        )
    }
}

#[derive(Debug, Default)]
struct Findings {
    lost: Vec<String>,
    damaged: Vec<String>,
}

/// Starts on `data_dir` as the gateway does, and answers how many requests it settled.
async fn open(data_dir: &Path) -> Result<u64, String> {
    let secret =
        create_data_directory(data_dir).and_then(|()| load_or_create_secret(data_dir, None));
    let secret = secret.map_err(|error| error.to_string())?;
    let options = SqliteOptions {
        directory: data_dir.to_owned(),
        holder: Holder::Gateway,
        durability: Durability::Process,
        fingerprint: *secret.fingerprint(),
        new_workspace: WorkspaceId::from_random([1; 16]),
        now: NOW,
    };
    let store = SqliteStore::open(&options).map_err(|error| error.to_string())?;
    let joined = store.node_join("local", NOW).await.map_err(|error| error.to_string());
    store.close().await;
    Ok(joined?.recovered)
}

fn examine(database: &Path, told: &Standing) -> rusqlite::Result<Findings> {
    let books = Connection::open(database)?;
    let mut findings = Findings { damaged: damage(&books)?, lost: Vec::new() };
    let managed: bool = books.query_row(
        "SELECT count(*) > 0 FROM api_key WHERE kind = 'management'",
        [],
        |row| row.get(0),
    )?;
    if told.ready && !managed {
        findings.lost.push("the management key".to_owned());
    }
    for (hash, revision) in &told.keys {
        findings.lost.extend(lost_of_key(&books, *hash, *revision, told)?);
    }
    for id in &told.begun {
        if charge(&books, *id)?.is_none() {
            findings.lost.push(format!("{id}, of which something was delivered"));
        }
    }
    for (id, nanos) in &told.charged {
        let found = charge(&books, *id)?;
        if found != Some(*nanos) {
            findings.lost.push(format!("{id}, charged {nanos}: {found:?}"));
        }
    }
    Ok(findings)
}

fn damage(books: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut damage = Vec::new();
    let integrity: String = books.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    if integrity != "ok" {
        damage.push(integrity);
    }
    if books.prepare("PRAGMA foreign_key_check")?.exists([])? {
        damage.push("rows that refer to nothing".to_owned());
    }
    for (what, sql) in [
        ("windows that are not the sum of their charges", UNBALANCED),
        ("nano-dollars astray", ASTRAY),
        ("nano-dollars that the installation or a day does not know", UNACCOUNTED),
        ("requests that were not settled", UNSETTLED),
        ("leases of ended runs", LEASED),
    ] {
        let count: i64 = books.query_row(sql, [], |row| row.get(0))?;
        if count != 0 {
            damage.push(format!("{count} {what}"));
        }
    }
    Ok(damage)
}

fn charge(books: &Connection, id: GenerationId) -> rusqlite::Result<Option<i64>> {
    let mut charge = books.prepare_cached("SELECT charge_nanos FROM generation WHERE id = ?1")?;
    charge.query_row(params![id.as_bytes()], |row| row.get(0)).optional()
}

fn lost_of_key(
    books: &Connection,
    hash: KeyHash,
    revision: u64,
    told: &Standing,
) -> rusqlite::Result<Option<String>> {
    let mut key = books.prepare_cached(KEY)?;
    let key = key.query_row(params![hash.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)));
    let Some((name, deleted)): Option<(String, bool)> = key.optional()? else {
        return Ok(Some(format!("the key {hash}")));
    };
    let kept = name.parse::<u64>().is_ok_and(|kept| kept >= revision);
    let right = if deleted { told.leaving.contains(&hash) } else { !told.deleted.contains(&hash) };
    let was = format!("the key {hash} is {name}, deleted: {deleted}; it was {revision}");
    Ok((!kept || !right).then_some(was))
}
