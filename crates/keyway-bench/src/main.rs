//! Measures Keyway beside a bare provider, nginx and others. See `docs/performance.md`.

mod compare;
mod demands;
mod disk;
mod exchange;
mod load;
mod measure;
mod medians;
mod process;
mod provider;
mod report;
mod scenario;
mod subject;
mod tally;
mod wire;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

#[derive(Debug, Parser)]
#[command(about, disable_help_subcommand = true)]
enum Bench {
    Compare(compare::Compare),
}

// One thread for what is driven, one for the clients: the rest of the machine is for who is measured.
#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() -> ExitCode {
    allow_many_connections();
    let ran = match Bench::parse() {
        Bench::Compare(arguments) => compare::run(arguments).await,
    };
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("failed: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Tells people how it goes; figures go to standard output.
fn say(what: &str) {
    let _ = writeln!(std::io::stderr(), "==> {what}");
}

/// What is refused shows soon enough, as connections that fail.
fn allow_many_connections() {
    let allowed = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: allowed.maximum, ..allowed });
}
