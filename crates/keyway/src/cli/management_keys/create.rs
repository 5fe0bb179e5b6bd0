//! `keyway management-keys create`

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::offline;
use crate::cli::CliError;
use crate::cli::client::{Connection, Gateway};
use crate::cli::created::{self, Quiet};
use crate::cli::output::Format;
use crate::cli::target::Collection;

const BOTH_WAYS: &str = "\
no management key to make another with. Either
  set KEYWAY_MANAGEMENT_KEY (or name a file with --management-key-file) and let the gateway make it,
  or stop the gateway and make it on its data directory: --offline --data-dir DIR";

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// What people call the key
    #[arg(long)]
    name: String,
    /// Make it on the data directory, while no gateway runs on it
    #[arg(long)]
    offline: bool,
    /// The gateway's data directory
    #[arg(long, env = "KEYWAY_DATA_DIR", value_name = "DIR", default_value = "./keyway-data")]
    data_dir: PathBuf,
    /// The gateway's configuration, for the prefix of its keys [default: keyway.toml, where there is one]
    #[arg(long, env = "KEYWAY_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    quiet: Quiet,
}

pub(crate) async fn run(
    args: CreateArgs,
    connection: &Connection,
    format: Format,
) -> Result<(), CliError> {
    if args.offline {
        let answer = offline::create(&args.name, &args.data_dir, args.config.as_deref()).await?;
        return created::print(&answer, args.quiet, format);
    }
    if connection.management_key()?.is_none() {
        return Err(CliError::Usage(BOTH_WAYS.to_owned()));
    }
    let gateway = Gateway::new(connection)?;
    let body = json!({"name": args.name});
    let answer = gateway.post(Collection::ManagementKeys.path(), &body).await?;
    created::print(&answer, args.quiet, format)
}
