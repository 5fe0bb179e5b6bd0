//! `keyway-bench slow-streams`: many streams at once that hardly say anything, and the memory they hold.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use clap::Args;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::compare::{ProgramArgs, write};
use crate::demands::Demand;
use crate::exchange::Asking;
use crate::provider::{Pace, Provider};
use crate::subject::{Kind, Subject};
use crate::wire::Wire;
use crate::{mebibytes, report, say};

/// Opened at a time, so that the provider's backlog is not what is measured.
const OPENING: usize = 256;
const MEMORY_MAX: f64 = 400.0;

/// Opens many slow streams and tells the memory of the gateway.
#[derive(Args, Debug)]
pub(crate) struct SlowStreams {
    #[arg(long, default_value_t = 10_000)]
    streams: usize,
    /// Between two pieces of a stream, in seconds.
    #[arg(long, default_value_t = 5)]
    pause: u64,
    /// Where the figures go, as JSON.
    #[arg(long, default_value = "target/bench/slow-streams.json")]
    json: PathBuf,
    #[command(flatten)]
    programs: ProgramArgs,
}

pub(crate) async fn run(arguments: SlowStreams) -> io::Result<bool> {
    let pace = Pace { pause: Duration::from_secs(arguments.pause), ..Pace::default() };
    let provider = Provider::start(pace)?;
    let programs = arguments.programs.resolved();
    let subject = Subject::start(Kind::Process, &programs, &provider.authority).await;
    let asking = Arc::new(subject.asking(true));
    let before = subject.used();
    let open = open_all(&asking, arguments.streams).await;
    say(&format!("{} streams are open", open.count));
    // Each has something to say while all are open.
    tokio::time::sleep(Duration::from_secs(arguments.pause + 1)).await;
    let used = subject.used();
    let each =
        used.resident_bytes.saturating_sub(before.resident_bytes) / (open.count.max(1) as u64);
    say(&format!("opened in {:.1} s; {each} bytes for each", open.took.as_secs_f64()));
    drop(open.streams);
    let wanted = arguments.streams;
    let demands = [
        Demand::least(
            "streams that were open at once",
            report::count(wanted as u64),
            report::count(open.count as u64),
        ),
        Demand::most(
            "memory with all of them open, MiB",
            MEMORY_MAX,
            mebibytes(used.resident_bytes),
        ),
    ];
    report::verdicts(&demands)?;
    write(&arguments.json, &demands.iter().map(Demand::to_json).collect())?;
    Ok(demands.iter().all(Demand::is_met))
}

/// Streams that are open, and read until they are dropped.
struct Open {
    count: usize,
    took: Duration,
    streams: JoinSet<()>,
}

async fn open_all(asking: &Arc<Asking>, count: usize) -> Open {
    let began = Instant::now();
    let opened = Arc::new(AtomicUsize::new(0));
    let room = Arc::new(Semaphore::new(OPENING));
    let mut streams = JoinSet::new();
    for _ in 0..count {
        let permit = Arc::clone(&room).acquire_owned().await.expect("it is never closed");
        let (asking, opened) = (Arc::clone(asking), Arc::clone(&opened));
        streams.spawn(async move {
            if let Ok((mut wire, mut body)) = open(&asking).await {
                opened.fetch_add(1, Ordering::Relaxed);
                drop(permit);
                while let Ok(Some(_)) = wire.piece(&mut body).await {}
            }
        });
    }
    let _all = room.acquire_many(u32::try_from(OPENING).unwrap_or(u32::MAX)).await;
    Open { count: opened.load(Ordering::Relaxed), took: began.elapsed(), streams }
}

/// A stream whose first piece has come.
async fn open(asking: &Asking) -> io::Result<(Wire, crate::wire::Body)> {
    let mut wire = Wire::connect(&asking.authority).await?;
    wire.send(&asking.request).await?;
    let head = wire.head().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let mut body = head.body;
    let first = wire.piece(&mut body).await?;
    if head.status == 200 && first.is_some() {
        Ok((wire, body))
    } else {
        Err(io::ErrorKind::Other.into())
    }
}
