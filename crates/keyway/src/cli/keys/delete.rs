//! `keyway keys delete`

use clap::Args;

use crate::cli::client::Gateway;
use crate::cli::confirm::{Confirmation, Yes};
use crate::cli::key_object::KeyObject;
use crate::cli::output::Format;
use crate::cli::target::{self, Collection};
use crate::cli::{CliError, output};

#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// The key's hash, or its first digits
    hash: String,
    #[command(flatten)]
    yes: Yes,
}

pub(crate) async fn run(
    args: DeleteArgs,
    gateway: &Gateway,
    format: Format,
) -> Result<(), CliError> {
    let path = target::path(gateway, Collection::Keys, &args.hash).await?;
    let found = gateway.get(&path).await?;
    let key = KeyObject(&found.body["data"]);
    let whole = format!("{} ({})", key.text("name"), key.text("label"));
    match args.yes.confirm(format_args!("Delete {whole}? It cannot be undone.")) {
        Confirmation::Given => {}
        Confirmation::Refused => return Err(CliError::failed("nothing was deleted")),
    }
    let answer = gateway.delete(&path).await?;
    let text = match format {
        Format::Json => answer.text,
        Format::Table => format!("Deleted {whole}."),
    };
    Ok(output::result(text)?)
}
