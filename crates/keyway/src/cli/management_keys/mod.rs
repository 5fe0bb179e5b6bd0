//! `keyway management-keys`: the keys that manage a gateway.

mod create;
mod list;
mod offline;
mod revoke;

use clap::{Args, Subcommand};

use super::CliError;
use super::client::{Connection, Gateway};
use super::output::{Format, FormatArgs};

const EXAMPLES: &str = "\
Examples:
  keyway management-keys create --name terraform
  keyway management-keys list
  keyway management-keys revoke 3f9a1c

Without a management key, on the gateway's machine and while it is stopped:
  keyway management-keys create --name rescue --offline --data-dir ./keyway-data";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ManagementKeysArgs {
    #[command(subcommand)]
    command: ManagementKeysCommand,
    #[command(flatten)]
    format: FormatArgs,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Subcommand)]
enum ManagementKeysCommand {
    /// Make a management key and print its string, for this once
    Create(create::CreateArgs),
    /// List management keys, newest first
    List,
    /// End a management key
    Revoke(revoke::RevokeArgs),
}

pub(crate) async fn run(args: ManagementKeysArgs) -> Result<(), CliError> {
    let (connection, format) = (&args.connection, Format::from(args.format));
    match args.command {
        ManagementKeysCommand::Create(args) => create::run(args, connection, format).await,
        ManagementKeysCommand::List => list::run(&Gateway::new(connection)?, format).await,
        ManagementKeysCommand::Revoke(args) => {
            revoke::run(args, &Gateway::new(connection)?, format).await
        }
    }
}
