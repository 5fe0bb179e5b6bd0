//! `keyway-bench compare`: every subject under every load, in turns, and a table.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use crate::demands::{Demand, demanded};
use crate::disk::append_and_flush;
use crate::measure::{Figures, measure};
use crate::medians::Medians;
use crate::provider::{Pace, Provider};
use crate::scenario::{self, Scenario};
use crate::subject::{Kind, Programs, Subject, is_installed};
use crate::{report, say};

/// Compares Keyway with the provider itself and with other proxies.
#[derive(Args, Debug)]
pub(crate) struct Compare {
    /// A short form, of three minutes.
    #[arg(long)]
    quick: bool,
    /// How often everything is measured; medians are shown.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of each measurement; 8, or 1.5 in the short form.
    #[arg(long)]
    seconds: Option<f64>,
    /// What is measured; everything that is installed, unless said.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Kind>,
    /// The loads, by what the table calls them, or a part of that; all, unless said.
    #[arg(long, value_delimiter = ';')]
    loads: Vec<String>,
    /// Where the figures go, as JSON.
    #[arg(long, default_value = "target/bench/compare.json")]
    json: PathBuf,
    #[command(flatten)]
    programs: ProgramArgs,
}

/// Where the programs are that are measured.
#[derive(Args, Debug)]
pub(crate) struct ProgramArgs {
    #[arg(long = "binary", default_value = "target/release/keyway")]
    keyway: PathBuf,
    #[arg(long, default_value = "/usr/sbin/nginx")]
    nginx: PathBuf,
    /// Measured where it is installed.
    #[arg(long, default_value = "litellm")]
    litellm: PathBuf,
}

impl ProgramArgs {
    /// As absolute paths: programs are started in folders of their own.
    pub(crate) fn resolved(&self) -> Programs {
        let absolute =
            |path: &PathBuf| std::fs::canonicalize(path).unwrap_or_else(|_| path.clone());
        Programs {
            keyway: absolute(&self.keyway),
            nginx: absolute(&self.nginx),
            litellm: absolute(&self.litellm),
        }
    }
}

pub(crate) async fn run(arguments: Compare) -> std::io::Result<()> {
    let programs = arguments.programs.resolved();
    let seconds = arguments.seconds.unwrap_or(if arguments.quick { 1.5 } else { 8.0 });
    let length = Duration::from_secs_f64(seconds);
    let provider = Provider::start(Pace::default())?;
    let mut subjects = Vec::new();
    for kind in kinds(&arguments.only, &programs) {
        say(&format!("starting {}", kind.name()));
        subjects.push(Subject::start(kind, &programs, &provider.authority).await);
    }
    let mut measured = Vec::new();
    let mut flushes = Vec::new();
    for round in 1..=arguments.rounds.max(1) {
        flushes.push(append_and_flush()?);
        for scenario in scenario::ALL.into_iter().filter(|it| is_asked(it, &arguments.loads)) {
            say(&format!("round {round} of {}: {}", arguments.rounds.max(1), scenario.name));
            for subject in &subjects {
                measured.push(measure(subject, scenario, round, length).await);
            }
        }
    }
    flushes.sort_unstable();
    let flush = flushes[flushes.len() / 2];
    let medians = Medians::of(&measured);
    report::print(&medians, flush)?;
    let demands: Vec<Value> = demanded(&medians, flush).iter().map(Demand::to_json).collect();
    write(&arguments.json, &json(&measured, &demands, flush, seconds))
}

fn is_asked(scenario: &Scenario, loads: &[String]) -> bool {
    loads.is_empty() || loads.iter().any(|load| scenario.name.contains(load.as_str()))
}

fn kinds(only: &[Kind], programs: &Programs) -> Vec<Kind> {
    let all =
        [Kind::Direct, Kind::Nginx, Kind::Process, Kind::Flush, Kind::Postgresql, Kind::Litellm];
    let is_there = |kind: &Kind| match kind {
        Kind::Litellm => is_installed(&programs.litellm),
        _ => true,
    };
    if only.is_empty() { all.into_iter().filter(is_there).collect() } else { only.to_vec() }
}

fn json(measured: &[Figures], demands: &[Value], flush: Duration, seconds: f64) -> Value {
    let measured: Vec<Value> = measured.iter().map(Figures::to_json).collect();
    json!({
        "append_and_flush_ms": flush.as_secs_f64() * 1e3,
        "seconds": seconds,
        "processors": std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
        "measured": measured,
        "demanded": demands,
    })
}

/// Writes the figures of a run to a file.
pub(crate) fn write(path: &Path, json: &Value) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, format!("{json:#}\n"))?;
    say(&format!("the figures are in {}", path.display()));
    Ok(())
}
