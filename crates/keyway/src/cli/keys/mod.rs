//! `keyway keys`: inference keys of a running gateway.

mod conduct;
mod create;
mod delete;
mod list;
mod rotate;
mod show;
mod update;

use clap::{Args, Subcommand};

use super::CliError;
use super::client::{Connection, Gateway};
use super::output::{Format, FormatArgs};

const EXAMPLES: &str = "\
Examples:
  export KEYWAY_MANAGEMENT_KEY=sk-or-v1-...
  keyway keys create --name ci --limit 5 --reset monthly
  KEY=$(keyway keys create --name app --quiet)
  keyway keys list --search app --sort=-usage
  keyway keys update 3f9a1c --limit 20 --requests-per-minute 60
  keyway keys rotate 3f9a1c --grace-period 3600
  keyway keys delete 3f9a1c

A key is named by its hash or by enough of the hash's first digits, six at least.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct KeysArgs {
    #[command(subcommand)]
    command: KeysCommand,
    #[command(flatten)]
    format: FormatArgs,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// List keys, newest first
    List(list::ListArgs),
    /// Make a key and print its string, for this once
    Create(create::CreateArgs),
    /// Show one key
    Show(show::ShowArgs),
    /// Change a key's name or terms
    Update(update::UpdateArgs),
    /// Give a key a new string; limit and usage stay
    Rotate(rotate::RotateArgs),
    /// End a key
    Delete(delete::DeleteArgs),
}

pub(crate) async fn run(args: KeysArgs) -> Result<(), CliError> {
    let gateway = Gateway::new(&args.connection)?;
    let format = Format::from(args.format);
    match args.command {
        KeysCommand::List(args) => list::run(args, &gateway, format).await,
        KeysCommand::Create(args) => create::run(args, &gateway, format).await,
        KeysCommand::Show(args) => show::run(args, &gateway, format).await,
        KeysCommand::Update(args) => update::run(args, &gateway, format).await,
        KeysCommand::Rotate(args) => rotate::run(args, &gateway, format).await,
        KeysCommand::Delete(args) => delete::run(args, &gateway, format).await,
    }
}
