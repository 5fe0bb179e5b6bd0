//! `keyway keys rotate`

use clap::Args;
use serde_json::json;

use crate::cli::CliError;
use crate::cli::client::Gateway;
use crate::cli::created::{self, Quiet};
use crate::cli::output::Format;
use crate::cli::target::{self, Collection};

#[derive(Debug, Args)]
pub(crate) struct RotateArgs {
    /// The key's hash, or its first digits
    hash: String,
    /// How long the old string stays valid, up to 2592000 (30 days)
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 0,
        value_parser = clap::value_parser!(u32).range(0..=2_592_000)
    )]
    grace_period: u32,
    #[command(flatten)]
    quiet: Quiet,
}

pub(crate) async fn run(
    args: RotateArgs,
    gateway: &Gateway,
    format: Format,
) -> Result<(), CliError> {
    let path = target::path(gateway, Collection::Keys, &args.hash).await?;
    let body = json!({"grace_period_seconds": args.grace_period});
    let answer = gateway.post(&format!("{path}/rotate"), &body).await?;
    created::print(&answer, args.quiet, format)
}
