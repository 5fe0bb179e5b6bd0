//! `keyway credentials`: what providers' credentials are sealed under.

mod rotate_kek;

use clap::{Args, Subcommand};

use super::CliError;

const EXAMPLES: &str = "\
Examples:
  keyway credentials rotate-kek             A new key, made in the data directory
  keyway credentials rotate-kek --to FILE   ... or brought along, for KEYWAY_KEK_FILE";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CredentialsArgs {
    #[command(subcommand)]
    command: CredentialsCommand,
}

#[derive(Debug, Subcommand)]
enum CredentialsCommand {
    /// Seal all credentials under another key-encryption key
    RotateKek(rotate_kek::RotateKekArgs),
}

pub(crate) async fn run(args: CredentialsArgs) -> Result<(), CliError> {
    match args.command {
        CredentialsCommand::RotateKek(args) => rotate_kek::run(args).await,
    }
}
