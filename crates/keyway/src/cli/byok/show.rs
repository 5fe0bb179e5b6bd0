//! `keyway byok show`

use clap::Args;

use super::credential;
use crate::cli::CliError;
use crate::cli::client::Gateway;
use crate::cli::output::Format;

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The credential's id
    id: String,
}

pub(crate) async fn run(args: ShowArgs, gateway: &Gateway, format: Format) -> Result<(), CliError> {
    credential::print(&gateway.get(&super::path(&args.id)?).await?, format)
}
