//! `keyway byok`: the credentials that the operator of a running gateway has with providers.

mod add;
mod conduct;
mod credential;
mod list;
mod material;
mod remove;
mod show;
mod update;

use clap::{Args, Subcommand};
use keyway_core::id::CredentialId;

pub(crate) use self::credential::Credential;
use super::CliError;
use super::client::{Connection, Gateway};
use super::output::{Format, FormatArgs};

const EXAMPLES: &str = "\
Examples:
  keyway byok add --provider openai --key-file openai.key
  vault read openai | keyway byok add --provider openai --name production
  keyway byok list --provider openai
  keyway byok update 0198e0f2-... --key-variable OPENAI_API_KEY --fallback
  keyway byok remove 0198e0f2-...

A credential is never an argument: every user of a machine may read those of its processes.";
/// Where the API keeps them.
const PATH: &str = "/byok";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ByokArgs {
    #[command(subcommand)]
    command: ByokCommand,
    #[command(flatten)]
    format: FormatArgs,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Subcommand)]
enum ByokCommand {
    /// List credentials by provider, in the order in which they are tried
    List(list::ListArgs),
    /// Keep a credential, sealed
    Add(add::AddArgs),
    /// Show one credential, masked
    Show(show::ShowArgs),
    /// Change a credential, or who may use it
    Update(update::UpdateArgs),
    /// Wipe a credential
    Remove(remove::RemoveArgs),
}

pub(crate) async fn run(args: ByokArgs) -> Result<(), CliError> {
    let gateway = Gateway::new(&args.connection)?;
    let format = Format::from(args.format);
    match args.command {
        ByokCommand::List(args) => list::run(args, &gateway, format).await,
        ByokCommand::Add(args) => add::run(args, &gateway, format).await,
        ByokCommand::Show(args) => show::run(args, &gateway, format).await,
        ByokCommand::Update(args) => update::run(args, &gateway, format).await,
        ByokCommand::Remove(args) => remove::run(args, &gateway, format).await,
    }
}

/// The route of the credential with this id.
fn path(id: &str) -> Result<String, CliError> {
    let id: CredentialId = id.parse().map_err(|_| {
        CliError::Usage(
            "this names no credential; allowed: an id, as `keyway byok list` shows it".into(),
        )
    })?;
    Ok(format!("{PATH}/{id}"))
}
