//! `keyway management-keys revoke`

use clap::Args;

use crate::cli::client::Gateway;
use crate::cli::confirm::{Confirmation, Yes};
use crate::cli::output::Format;
use crate::cli::target::{self, Collection};
use crate::cli::{CliError, output};

#[derive(Debug, Args)]
pub(crate) struct RevokeArgs {
    /// The key's hash, or its first digits
    hash: String,
    #[command(flatten)]
    yes: Yes,
}

pub(crate) async fn run(
    args: RevokeArgs,
    gateway: &Gateway,
    format: Format,
) -> Result<(), CliError> {
    let hash = target::hash(gateway, Collection::ManagementKeys, &args.hash).await?;
    match args.yes.confirm(format_args!("Revoke {hash}? Programs that use it stop working.")) {
        Confirmation::Given => {}
        Confirmation::Refused => return Err(CliError::failed("nothing was revoked")),
    }
    let answer = gateway.delete(&format!("{}/{hash}", Collection::ManagementKeys.path())).await?;
    let text = match format {
        Format::Json => answer.text,
        Format::Table => format!("Revoked {hash}."),
    };
    Ok(output::result(text)?)
}
