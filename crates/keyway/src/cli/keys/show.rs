//! `keyway keys show`

use clap::Args;
use keyway_core::clock::Clock;
use keyway_server::clock::SystemClock;

use crate::cli::client::{Answer, Gateway};
use crate::cli::key_object::KeyObject;
use crate::cli::output::Format;
use crate::cli::target::{self, Collection};
use crate::cli::{CliError, output, table};

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The key's hash, or its first digits
    hash: String,
}

pub(crate) async fn run(args: ShowArgs, gateway: &Gateway, format: Format) -> Result<(), CliError> {
    let path = target::path(gateway, Collection::Keys, &args.hash).await?;
    print(&gateway.get(&path).await?, format)
}

/// Prints the one key that an answer is about.
pub(crate) fn print(answer: &Answer, format: Format) -> Result<(), CliError> {
    let text = match format {
        Format::Json => answer.text.clone(),
        Format::Table => table::of_key(KeyObject(&answer.body["data"]), SystemClock.now()),
    };
    Ok(output::result(text)?)
}
