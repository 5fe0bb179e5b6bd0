//! `keyway byok remove`

use clap::Args;

use super::credential::Credential;
use crate::cli::client::Gateway;
use crate::cli::confirm::{Confirmation, Yes};
use crate::cli::output::Format;
use crate::cli::{CliError, output};

#[derive(Debug, Args)]
pub(crate) struct RemoveArgs {
    /// The credential's id
    id: String,
    #[command(flatten)]
    yes: Yes,
}

pub(crate) async fn run(
    args: RemoveArgs,
    gateway: &Gateway,
    format: Format,
) -> Result<(), CliError> {
    let path = super::path(&args.id)?;
    let found = gateway.get(&path).await?;
    let credential = Credential(&found.body["data"]);
    let whole = format!("{} of {}", credential.text("label"), credential.text("provider"));
    match args.yes.confirm(format_args!("Remove {whole}? It cannot be undone.")) {
        Confirmation::Given => {}
        Confirmation::Refused => return Err(CliError::failed("nothing was removed")),
    }
    let answer = gateway.delete(&path).await?;
    let text = match format {
        Format::Json => answer.text,
        Format::Table => format!("Removed {whole}."),
    };
    Ok(output::result(text)?)
}
