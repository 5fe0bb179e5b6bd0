//! What the gateway holds at a moment.

use std::fmt;

use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use crate::process::{Used, used};
use crate::subject::Keyway;

#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) used: Used,
    pub(super) tables: Vec<Table>,
}

#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) rows: u64,
}

impl Sample {
    /// # Panics
    /// Where the store cannot be read.
    pub(super) fn take(keyway: &Keyway) -> Self {
        let tables = tokio::task::block_in_place(|| tables(keyway)).expect("the store is read");
        Self { used: used(keyway.pid()), tables }
    }

    pub(super) fn to_json(&self) -> Value {
        let rows = |table: &Table| (table.name.clone(), table.rows.into());
        json!({
            "resident_bytes": self.used.resident_bytes,
            "descriptors": self.used.descriptors,
            "threads": self.used.threads,
            "rows": self.tables.iter().map(rows).collect::<serde_json::Map<_, _>>(),
        })
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Used { resident_bytes, descriptors, threads, .. } = self.used;
        let rows: u64 = self.tables.iter().map(|table| table.rows).sum();
        let resident = resident_bytes >> 20;
        write!(f, "{resident} MiB, {descriptors} descriptors, {threads} threads, {rows} rows")
    }
}

fn tables(keyway: &Keyway) -> rusqlite::Result<Vec<Table>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let store = Connection::open_with_flags(keyway.data_dir().join("keyway.db"), flags)?;
    let mut names = store.prepare(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
    )?;
    let names: Vec<String> = names.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let count = |name: String| {
        let counted: i64 =
            store.query_row(&format!("SELECT count(*) FROM \"{name}\""), [], |row| row.get(0))?;
        Ok(Table { name, rows: counted.unsigned_abs() })
    };
    names.into_iter().map(count).collect()
}
