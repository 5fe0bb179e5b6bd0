//! `keyway catalogue update`: another catalogue in the place of the one in force.

use std::path::{Path, PathBuf};

use clap::Args;
use keyway_server::catalogue::{Difference, Edition, Folder, FolderError, fetch, read_text};
use keyway_server::installation::create_data_directory;
use keyway_store_sqlite::gateway_process;
use rustix::process::{Pid, Signal, kill_process};

use super::changed;
use crate::cli::{CliError, output};

#[derive(Debug, Args)]
pub(super) struct UpdateArgs {
    /// The catalogue: a file of one model a line, a folder with models.jsonl in it, or an https:// URL
    #[arg(value_name = "FILE|URL")]
    source: String,
    /// Accept prices that are more than ten times what they were, or less than a tenth
    #[arg(long)]
    confirm: bool,
    /// Say what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Fetch a URL whose name leads into a private network, too
    #[arg(long)]
    allow_private: bool,
    /// The gateway's data directory
    #[arg(long, env = "KEYWAY_DATA_DIR", value_name = "DIR", default_value = "./keyway-data")]
    data_dir: PathBuf,
}

pub(super) async fn run(args: UpdateArgs) -> Result<(), CliError> {
    let edition = read(&args).await?;
    let folder = Folder::of(&args.data_dir);
    if args.dry_run {
        let before = before(&folder)?;
        tell(&before, &edition)?;
        output::remark("nothing was changed");
        return Ok(());
    }
    create_data_directory(&args.data_dir).map_err(failed)?;
    let lock = folder.lock().map_err(failed)?;
    let before = before(&folder)?;
    let difference = tell(&before, &edition)?;
    if difference.leaps().next().is_some() && !args.confirm {
        return Err(CliError::failed(
            "prices marked with ! leap, so nothing was changed; --confirm accepts them",
        ));
    }
    folder.install(&lock, &edition, &before).map_err(failed)?;
    notify(&args.data_dir)
}

async fn read(args: &UpdateArgs) -> Result<Edition, CliError> {
    let source = args.source.as_str();
    let text = if source.contains("://") {
        fetch(source, args.allow_private).await.map_err(failed)?
    } else {
        let read = read_text(Path::new(source));
        read.map_err(|error| CliError::failed(format!("cannot read {source}: {error}")))?
    };
    // A URL may hold a secret, so that it is not repeated.
    let name = if source.contains("://") { "what was fetched" } else { source };
    let edition = Edition::read(text, None).and_then(Edition::sized);
    edition.map_err(|error| CliError::failed(format!("{name}: {error}")))
}

/// What the new one is compared with. One that lies there and is no catalogue was never in force, and one
/// that nobody accepted may not be.
fn before(folder: &Folder) -> Result<Edition, CliError> {
    match folder.accepted_edition() {
        Err(error @ FolderError::Refused(..)) => {
            output::remark(format_args!("{error}; it is replaced"));
            Ok(Edition::built_in())
        }
        edition => edition.map_err(failed),
    }
}

/// Prints what is otherwise in `after`.
fn tell(before: &Edition, after: &Edition) -> Result<Difference, CliError> {
    let difference = after.compared_with(before);
    for line in changed::lines(&difference) {
        output::result(line)?;
    }
    let (from, to) = (&before.head().day, &after.head().day);
    output::result(format_args!("{from} -> {to}: {}", changed::summary(&difference)))?;
    Ok(difference)
}

/// Tells the gateway that runs on the directory, if this system says which one does.
fn notify(data_dir: &Path) -> Result<(), CliError> {
    let Some(pid) = gateway_process(data_dir) else {
        output::remark(
            "No gateway of this machine holds the data directory: its next start, or SIGHUP, puts the \
             catalogue in force.",
        );
        return Ok(());
    };
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let process = process.ok_or_else(|| CliError::failed("the gateway's process has no number"))?;
    kill_process(process, Signal::HUP).map_err(|error| {
        CliError::failed(format!(
            "the catalogue is there, but process {pid} could not be told: {error}; send it SIGHUP"
        ))
    })?;
    output::remark(format_args!(
        "Process {pid} was told to put it in force; its log says that it did."
    ));
    Ok(())
}

fn failed(error: impl std::error::Error) -> CliError {
    CliError::failed(error.to_string())
}
