//! `keyway catalogue`: models and their prices.

mod changed;
mod show;
mod update;

use clap::{Args, Subcommand};

use super::CliError;

const EXAMPLES: &str = "\
Examples:
  keyway catalogue show
  keyway catalogue update models.jsonl --dry-run      What would change
  keyway catalogue update models.jsonl                ... and put it in force
  keyway catalogue update https://prices.example.com/models.jsonl";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CatalogueArgs {
    #[command(subcommand)]
    command: CatalogueCommand,
}

#[derive(Debug, Subcommand)]
enum CatalogueCommand {
    /// Show which models and prices a start would put in force, and where they come from
    Show(show::ShowArgs),
    /// Put another catalogue in the place of the one in force, also in a running gateway
    Update(update::UpdateArgs),
}

pub(crate) async fn run(args: CatalogueArgs) -> Result<(), CliError> {
    match args.command {
        CatalogueCommand::Show(args) => show::run(&args),
        CatalogueCommand::Update(args) => update::run(args).await,
    }
}
