//! `keyway-bench slow-loris`: thousands of connections that never finish a request, and what others
//! notice of them.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use clap::Args;
use tokio::task::JoinSet;

use crate::compare::{ProgramArgs, write};
use crate::demands::Demand;
use crate::load::Load;
use crate::provider::{Pace, Provider};
use crate::subject::{Kind, Subject};
use crate::tally::millis;
use crate::wire::Wire;
use crate::{report, say};

/// Of the others' p99 without them.
const P99_TIMES_MAX: f64 = 2.0;
const CLIENTS: usize = 8;
/// How often each says one more byte.
const PAUSE: Duration = Duration::from_secs(2);

/// Opens many connections that send a byte now and then, and measures the latency of others.
#[derive(Args, Debug)]
pub(crate) struct SlowLoris {
    #[arg(long, default_value_t = 10_000)]
    connections: usize,
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Where the figures go, as JSON.
    #[arg(long, default_value = "target/bench/slow-loris.json")]
    json: PathBuf,
    #[command(flatten)]
    programs: ProgramArgs,
}

pub(crate) async fn run(arguments: SlowLoris) -> io::Result<bool> {
    let provider = Provider::start(Pace::default())?;
    let programs = arguments.programs.resolved();
    let subject = Subject::start(Kind::Process, &programs, &provider.authority).await;
    let asking = Arc::new(subject.asking(false));
    let length = Duration::from_secs(arguments.seconds) / 2;
    let clients = Load::Closed { connections: CLIENTS };
    clients.run(&asking, length / 5).await;
    let alone = clients.run(&asking, length).await;
    let opened = Arc::new(AtomicUsize::new(0));
    let mut lorises = JoinSet::new();
    for _ in 0..arguments.connections {
        lorises.spawn(dawdle(asking.authority.clone(), Arc::clone(&opened)));
    }
    clients.run(&asking, length / 5).await;
    let beside = clients.run(&asking, length).await;
    say(&format!("{} slow connections were opened", opened.load(Ordering::Relaxed)));
    drop(lorises);
    let of_alone = millis(&beside.whole, 0.99) / millis(&alone.whole, 0.99);
    let failed = beside.refused + beside.broken;
    let demands = [
        Demand::most("others' p99 beside them, of that without", P99_TIMES_MAX, of_alone),
        Demand::most("others' requests that failed", 0.0, report::count(failed)),
    ];
    report::verdicts(&demands)?;
    write(&arguments.json, &demands.iter().map(Demand::to_json).collect())?;
    Ok(demands.iter().all(Demand::is_met))
}

/// Sends a request's head byte by byte, and begins anew where the gateway has had enough.
async fn dawdle(authority: String, opened: Arc<AtomicUsize>) {
    loop {
        if let Ok(mut wire) = Wire::connect(&authority).await {
            opened.fetch_add(1, Ordering::Relaxed);
            let head = b"POST /api/v1/chat/completions HTTP/1.1\r\nx: ".iter();
            for byte in head.chain(b"x".iter().cycle()) {
                if wire.send(std::slice::from_ref(byte)).await.is_err() {
                    break;
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}
