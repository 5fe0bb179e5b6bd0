//! `keyway store`: where keys and charges are kept.

mod migrate;
mod progress;

use clap::{Args, Subcommand};

use super::CliError;

const EXAMPLES: &str = "\
Examples:
  keyway store migrate --data-dir ./keyway-data --to postgres://keyway@db.internal/keyway";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct StoreArgs {
    #[command(subcommand)]
    command: StoreCommand,
}

#[derive(Debug, Subcommand)]
enum StoreCommand {
    /// Move a data directory's keys, charges and generations into PostgreSQL
    Migrate(migrate::MigrateArgs),
}

pub(crate) async fn run(args: StoreArgs) -> Result<(), CliError> {
    match args.command {
        StoreCommand::Migrate(args) => migrate::run(args).await,
    }
}
