//! `keyway-bench soak`: a mixed load with faults and keys that come and go, and whether anything grows
//! that use does not explain.

mod clients;
mod sample;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use tokio::time::Instant;

use self::clients::Clients;
use self::sample::{Sample, Table};
use crate::compare::{ProgramArgs, write};
use crate::demands::Demand;
use crate::provider::{Pace, Provider};
use crate::subject::Keyway;
use crate::{mebibytes, report, say};

/// How often what the gateway holds is looked at.
const SAMPLES: u32 = 60;
/// Caches fill, and every allocator keeps a little more than it needs.
const MEMORY_GROWTH_MAX: f64 = 12.0;
/// Rows of each table for a key, and besides for the gateway itself.
const ROWS_PER_KEY: u64 = 16;
const ROWS_BESIDE: u64 = 64;
/// How long the connections of the clients may take to go.
const CALM: Duration = Duration::from_secs(15);
/// More than at the start: connections to the provider, which are kept for a while, and some beside.
const DESCRIPTORS_BESIDE: u64 = clients::CLIENTS + 8;

/// Lets a mixed load run for a while, and fails where something grows.
#[derive(Args, Debug)]
pub(crate) struct Soak {
    #[arg(long, default_value_t = 20.0)]
    minutes: f64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the figures go, as JSON.
    #[arg(long, default_value = "target/bench/soak.json")]
    json: PathBuf,
    #[command(flatten)]
    programs: ProgramArgs,
}

pub(crate) async fn run(arguments: Soak) -> io::Result<bool> {
    let provider = Provider::start(Pace { faults: true, ..Pace::default() })?;
    let programs = arguments.programs.resolved();
    let keyway =
        Keyway::start(&programs.keyway, crate::subject::Store::Flush, &provider.authority).await;
    let calm = Sample::take(&keyway);
    let length = Duration::from_secs_f64(arguments.minutes * 60.0);
    let clients = Clients::start(&keyway, arguments.seed).await;
    let samples = watch(&keyway, length).await;
    let told = clients.stop().await;
    say(&format!(
        "{} requests were answered, {} refused, {} broken; {} keys were made",
        told.tally.answered, told.tally.refused, told.tally.broken, told.keys
    ));
    let after = calmed(&keyway, &calm).await;
    let requests = told.tally.answered + told.tally.refused + told.tally.broken;
    let demands = judge(&samples, &calm, &after, requests, told.keys);
    report::verdicts(&demands)?;
    let figures = json!({
        "minutes": arguments.minutes, "requests": requests, "keys": told.keys,
        "samples": samples.iter().map(Sample::to_json).collect::<Vec<_>>(),
        "demanded": demands.iter().map(Demand::to_json).collect::<Vec<_>>(),
    });
    write(&arguments.json, &figures)?;
    Ok(demands.iter().all(Demand::is_met))
}

async fn watch(keyway: &Keyway, length: Duration) -> Vec<Sample> {
    let mut ticks = tokio::time::interval_at(Instant::now() + length / SAMPLES, length / SAMPLES);
    let mut samples = Vec::new();
    for number in 1..=SAMPLES {
        ticks.tick().await;
        samples.push(Sample::take(keyway));
        if number.is_multiple_of(SAMPLES / 6) {
            say(&samples.last().map(Sample::to_string).unwrap_or_default());
        }
    }
    samples
}

/// Waits until the descriptors of the load are gone, for as long as they may take.
async fn calmed(keyway: &Keyway, before: &Sample) -> Sample {
    let until = Instant::now() + CALM;
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        ticks.tick().await;
        let now = Sample::take(keyway);
        let most = before.used.descriptors + DESCRIPTORS_BESIDE;
        if now.used.descriptors <= most || Instant::now() >= until {
            return now;
        }
    }
}

/// What may have grown, beside what it may have grown to. The first half is for filling what is bounded.
fn judge(
    samples: &[Sample],
    before: &Sample,
    after: &Sample,
    requests: u64,
    keys: u64,
) -> Vec<Demand> {
    let quarter = samples.len() / 4;
    let resident = |part: &[Sample]| {
        let mut held: Vec<u64> = part.iter().map(|it| it.used.resident_bytes).collect();
        held.sort_unstable();
        held.get(held.len() / 2).copied().unwrap_or(0)
    };
    let third = resident(&samples[quarter * 2..quarter * 3]);
    let last = resident(&samples[quarter * 3..]);
    let descriptors = before.used.descriptors + DESCRIPTORS_BESIDE;
    let mut demands = vec![
        Demand::most(
            "memory, last quarter over the one before, MiB",
            MEMORY_GROWTH_MAX,
            mebibytes(last) - mebibytes(third),
        ),
        Demand::most(
            "descriptors after the load",
            report::count(descriptors),
            report::count(after.used.descriptors),
        ),
        Demand::least("requests, so that this means something", 1.0, report::count(requests)),
    ];
    demands.extend(after.tables.iter().map(|Table { name, rows }| {
        let beside = ROWS_PER_KEY * (keys + 1) + ROWS_BESIDE;
        let most = if name == "generation" { requests } else { beside };
        Demand::most(&format!("rows of {name}"), report::count(most), report::count(*rows))
    }));
    demands
}
