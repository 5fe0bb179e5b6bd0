//! `keyway credentials rotate-kek`: another key-encryption key in the place of the store's.

use std::path::PathBuf;

use clap::Args;
use keyway_core::clock::Clock;
use keyway_core::store::Store;
use keyway_server::app::Secrets;
use keyway_server::clock::SystemClock;
use keyway_server::config::Durability;
use keyway_store_sqlite::Holder;

use crate::cli::installation::{self, Installation};
use crate::cli::{CliError, output};

/// Credentials after which the command says how far it is.
const TOLD_EVERY: usize = 100;

#[derive(Debug, Args)]
pub(crate) struct RotateKekArgs {
    /// The gateway's data directory; no gateway may run on it meanwhile
    #[arg(long, env = "KEYWAY_DATA_DIR", value_name = "DIR", default_value = "./keyway-data")]
    data_dir: PathBuf,
    /// The PostgreSQL that the nodes share, in place of a data directory. They may run: each goes on
    /// with what it knows, and needs the new key at its next start
    #[arg(long, env = "KEYWAY_STORE_URL", value_name = "URL", hide_env_values = true)]
    store_url: Option<String>,
    /// A file with the new key: 64 hex digits, such as `openssl rand -hex 32` makes. Without it, one is
    /// made in the data directory, in the place of the one that was made there
    #[arg(long = "to", value_name = "FILE")]
    to: Option<PathBuf>,
}

/// The old key is found as `keyway serve` finds it. What ended in the middle goes on.
pub(crate) async fn run(args: RotateKekArgs) -> Result<(), CliError> {
    let now = SystemClock.now();
    let sealed = if let Some(url) = &args.store_url {
        let (secrets, store) = installation::open_shared(url, now).await?;
        let rotated = rotate(&args, &secrets, &store).await;
        store.close();
        rotated?
    } else {
        let Installation { secrets, store } =
            installation::open(&args.data_dir, Holder::Command, Durability::Flush, now)?;
        let rotated = rotate(&args, &secrets, &store).await;
        store.close().await;
        rotated?
    };
    output::remark(format_args!("{sealed} credentials are sealed under the new key."));
    if let Some(path) = &args.to {
        output::remark(format_args!(
            "From the next start on a node needs it: KEYWAY_KEK_FILE={}",
            path.display()
        ));
    }
    Ok(())
}

async fn rotate(
    args: &RotateKekArgs,
    secrets: &Secrets,
    store: &dyn Store,
) -> Result<usize, CliError> {
    let mut progress = |done: usize, total: usize| {
        if done.is_multiple_of(TOLD_EVERY) || done == total {
            output::remark(format_args!("{done} of {total} credentials"));
        }
    };
    let now = SystemClock.now();
    let rotated = secrets.kek.rotate(store, args.to.as_deref(), now, &mut progress).await;
    rotated.map_err(|error| CliError::failed(error.to_string()))
}
