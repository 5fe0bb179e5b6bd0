//! `keyway-bench overload`: a provider that serves a few at once is offered ten times as much.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use crate::compare::{ProgramArgs, write};
use crate::demands::Demand;
use crate::load::Load;
use crate::provider::{Pace, Provider};
use crate::report;
use crate::say;
use crate::subject::{Keyway, Store};
use crate::tally::millis;

const TIMES: u32 = 10;
/// Of the rate that was reached without overload.
const ANSWERED_MIN: f64 = 0.8;
/// How much later an answer is than without overload.
const LATE_TIMES_MAX: f64 = 2.0;
/// Of refusals, in milliseconds: at once.
const REFUSED_P99_MAX: f64 = 100.0;
/// Connections that the offered requests may use at once.
const CONNECTIONS: usize = 8_192;

/// Offers ten times what the provider can serve.
#[derive(Args, Debug)]
pub(crate) struct Overload {
    /// How many requests the provider serves at once.
    #[arg(long, default_value_t = 16)]
    at_once: usize,
    /// How long it works on each, in milliseconds.
    #[arg(long, default_value_t = 100)]
    work: u64,
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Where the figures go, as JSON.
    #[arg(long, default_value = "target/bench/overload.json")]
    json: PathBuf,
    #[command(flatten)]
    programs: ProgramArgs,
}

pub(crate) async fn run(arguments: Overload) -> io::Result<bool> {
    let work = Duration::from_millis(arguments.work);
    let pace = Pace { at_once: arguments.at_once, work, ..Pace::default() };
    let provider = Provider::start(pace)?;
    let programs = arguments.programs.resolved();
    // What it bears is for the operator to say.
    let bears = format!("requests_max = {}\n", arguments.at_once);
    let keyway = &programs.keyway;
    let subject = Keyway::start_with(keyway, Store::Process, &provider.authority, &bears).await;
    let asking = Arc::new(subject.asking(false));
    let length = Duration::from_secs(arguments.seconds);
    let peak = Load::Closed { connections: arguments.at_once }.run(&asking, length / 2).await;
    let per_second = TIMES * rate(peak.answered, peak.length);
    say(&format!("{:.0} a second at best; now {per_second} are offered", peak.per_second()));
    let offered = Load::Open { per_second, connections: CONNECTIONS }.run(&asking, length).await;
    let (answered, refused, broken) = (offered.answered, offered.refused, offered.broken);
    say(&format!("{answered} were answered, {refused} refused, {broken} broken"));
    let demands = [
        Demand::least(
            "answered a second, of the best",
            ANSWERED_MIN,
            offered.per_second() / peak.per_second(),
        ),
        Demand::most(
            "answered, p90 of the work",
            LATE_TIMES_MAX,
            millis(&offered.whole, 0.9) / millis(&peak.whole, 0.9),
        ),
        Demand::most("refused, p99 ms", REFUSED_P99_MAX, millis(&offered.refusals, 0.99)),
        Demand::most("broken connections", 0.0, report::count(broken)),
    ];
    report::verdicts(&demands)?;
    write(&arguments.json, &demands.iter().map(Demand::to_json).collect())?;
    Ok(demands.iter().all(Demand::is_met))
}

fn rate(answered: u64, length: Duration) -> u32 {
    u32::try_from(answered * 1_000 / u64::try_from(length.as_millis().max(1)).unwrap_or(u64::MAX))
        .unwrap_or(u32::MAX)
}
