//! Measures Keyway beside a bare provider, nginx and others. See `docs/performance.md`.

mod compare;
mod demands;
mod disk;
mod exchange;
mod load;
mod measure;
mod medians;
mod overload;
mod process;
mod provider;
mod report;
mod scenario;
mod slow_loris;
mod slow_streams;
mod soak;
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
    SlowStreams(slow_streams::SlowStreams),
    Overload(overload::Overload),
    SlowLoris(slow_loris::SlowLoris),
    Soak(soak::Soak),
}

// One thread for what is driven, one for the clients: the rest of the machine is for who is measured.
#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() -> ExitCode {
    allow_many_connections();
    let ran = match Bench::parse() {
        Bench::Compare(arguments) => compare::run(arguments).await.map(|()| true),
        Bench::SlowStreams(arguments) => slow_streams::run(arguments).await,
        Bench::Overload(arguments) => overload::run(arguments).await,
        Bench::SlowLoris(arguments) => slow_loris::run(arguments).await,
        Bench::Soak(arguments) => soak::run(arguments).await,
    };
    match ran {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
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

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
