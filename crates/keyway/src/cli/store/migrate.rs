//! `keyway store migrate`: every key, charge and generation, from SQLite into PostgreSQL.

use std::path::PathBuf;

use clap::Args;
use keyway_core::clock::Clock;
use keyway_core::store::transfer::{Figure, Position, TABLES, Table, Value};
use keyway_server::clock::SystemClock;
use keyway_store_postgres::PostgresTarget;
use keyway_store_sqlite::SqliteSource;

use super::progress::Progress;
use crate::cli::{CliError, installation, output, table};

/// Rows that are in memory at a time, and in one transaction.
const BATCH_ROWS: u32 = 2_000;

#[derive(Debug, Args)]
pub(crate) struct MigrateArgs {
    /// The gateway's data directory. It is only read, and no gateway may run on it meanwhile
    #[arg(long, env = "KEYWAY_DATA_DIR", value_name = "DIR", default_value = "./keyway-data")]
    data_dir: PathBuf,
    /// The PostgreSQL to move to: an empty database, or one that an earlier try began with
    #[arg(long = "to", env = "KEYWAY_STORE_URL", value_name = "URL", hide_env_values = true)]
    url: String,
}

/// Goes on where an earlier try ended. The target can be served from when all has arrived.
pub(crate) async fn run(args: MigrateArgs) -> Result<(), CliError> {
    let source = installation::open_source(&args.data_dir, SystemClock.now())?;
    let moved = migrate(&source, &args.url).await;
    source.close().map_err(failed)?;
    moved?;
    output::remark(
        "Everything has arrived. Start the gateway with KEYWAY_STORE_URL and the same secret \
         (KEYWAY_SECRET_FILE) and key-encryption key (KEYWAY_KEK_FILE, which is kek.key of the data \
         directory unless it was named), and do not serve from the data directory again: it does not know what \
         is spent from now on.",
    );
    Ok(())
}

async fn migrate(source: &SqliteSource, url: &str) -> Result<(), CliError> {
    let mut target = PostgresTarget::open(url).await.map_err(failed)?;
    let start = target.begin(source.identity()).await.map_err(failed)?;
    let arrived = |table: &Table| table.name == start.table;
    let first = TABLES.iter().position(arrived).unwrap_or_default();
    for (number, table) in TABLES.into_iter().enumerate().skip(first) {
        let behind = if number == first { start.key.clone() } else { Vec::new() };
        let copied = copy(source, &mut target, table, behind).await;
        copied
            .map_err(|error| failed(format!("{error}. Run it again: it goes on where it was")))?;
    }
    if !compare(source, &target).await? {
        return Err(CliError::failed(
            "what arrived is not what was sent, so no gateway may use it: move into another, empty \
             database",
        ));
    }
    target.finish(source.identity()).await.map_err(failed)
}

async fn copy(
    source: &SqliteSource,
    target: &mut PostgresTarget,
    table: Table,
    mut behind: Vec<Value>,
) -> Result<(), CliError> {
    let columns = source.columns(table).map_err(failed)?;
    let rows = source.figures(table, &[]).map_err(failed)?;
    let mut progress = Progress::new(table.name, rows[0].amount);
    progress.at(target.figures(table, &[]).await.map_err(failed)?[0].amount);
    loop {
        let rows = source.rows(table, &columns, &behind, BATCH_ROWS).map_err(failed)?;
        let Some(last) = rows.last() else { break };
        behind = key_of(table, &columns, last);
        let position = Position { table: table.name.to_owned(), key: behind.clone() };
        target.write(table, &columns, &rows, &position).await.map_err(failed)?;
        progress.advance(rows.len());
    }
    progress.done();
    Ok(())
}

fn key_of(table: Table, columns: &[String], row: &[Value]) -> Vec<Value> {
    let value =
        |name: &&str| columns.iter().position(|column| column == name).map(|at| row[at].clone());
    table.key.iter().filter_map(value).collect()
}

/// Prints what both sides add up to, and answers whether it is the same.
async fn compare(source: &SqliteSource, target: &PostgresTarget) -> Result<bool, CliError> {
    let mut figures: Vec<(Figure, Figure)> = Vec::new();
    for table in TABLES {
        let columns = source.columns(table).map_err(failed)?;
        let sent = source.figures(table, &columns).map_err(failed)?;
        let arrived = target.figures(table, &columns).await.map_err(failed)?;
        figures.extend(sent.into_iter().zip(arrived));
    }
    output::result(table::of_figures(&figures))?;
    Ok(figures.iter().all(|(sent, arrived)| sent == arrived))
}

fn failed(error: impl std::fmt::Display) -> CliError {
    CliError::failed(error.to_string())
}
