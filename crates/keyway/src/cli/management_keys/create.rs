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
  or make it in the store itself: --offline --data-dir DIR while the gateway is stopped, or
  --offline --store-url URL";

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// What people call the key
    #[arg(long)]
    name: String,
    /// Make it in the store itself; in a data directory only while no gateway runs on it
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    quiet: Quiet,
}

/// Which store.
#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    /// The gateway's data directory
    #[arg(long, env = "KEYWAY_DATA_DIR", value_name = "DIR", default_value = "./keyway-data")]
    pub(crate) data_dir: PathBuf,
    /// The gateway's configuration, for the prefix of its keys and the store's URL [default:
    /// keyway.toml, where there is one]
    #[arg(long, env = "KEYWAY_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The PostgreSQL that the gateway keeps its keys in, where it does
    #[arg(long, env = "KEYWAY_STORE_URL", value_name = "URL", hide_env_values = true)]
    pub(crate) store_url: Option<String>,
}

pub(crate) async fn run(
    args: CreateArgs,
    connection: &Connection,
    format: Format,
) -> Result<(), CliError> {
    if args.offline {
        let answer = offline::create(&args.name, &args.store).await?;
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
