//! Loads: as much as so many connections take, or so many requests a second whatever becomes of them.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::exchange::{Asking, Told};
use crate::tally::Tally;
use crate::wire::Wire;

/// Requests that are due and wait for a connection; beyond that the bench itself is the bottleneck.
const DUE_MAX: usize = 65_536;
/// After a connection that broke.
const PAUSE: Duration = Duration::from_millis(10);

/// How requests come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// Each of so many connections sends the next request when the last is answered.
    Closed { connections: usize },
    /// So many a second, evenly, over at most so many connections. Latency counts from when a request
    /// was due, so that waiting for a connection is part of it.
    Open { per_second: u32, connections: usize },
}

impl Load {
    /// Sends requests for `length`, and answers what was told of them.
    pub(crate) async fn run(self, asking: &Arc<Asking>, length: Duration) -> Tally {
        match self {
            Self::Closed { connections } => closed(asking, connections, length).await,
            Self::Open { per_second, connections } => {
                open(asking, per_second, connections, length).await
            }
        }
    }
}

async fn closed(asking: &Arc<Asking>, connections: usize, length: Duration) -> Tally {
    let mut clients = JoinSet::new();
    let began = Instant::now();
    for _ in 0..connections {
        let asking = Arc::clone(asking);
        clients.spawn(async move {
            let mut tally = Tally::new();
            let mut wire = None;
            while began.elapsed() < length {
                let told = one(&asking, &mut wire, Instant::now()).await;
                tally.add(told.as_ref().ok());
                if told.is_err() {
                    tokio::time::sleep(PAUSE).await;
                }
            }
            tally
        });
    }
    let mut sum = Tally::new();
    while let Some(tally) = clients.join_next().await {
        sum.join(&tally.expect("no client panics"));
    }
    sum.length = began.elapsed();
    sum
}

async fn open(
    asking: &Arc<Asking>,
    per_second: u32,
    connections: usize,
    length: Duration,
) -> Tally {
    let (due, mut next) = mpsc::channel(DUE_MAX);
    let began = Instant::now();
    tell_when_due(due, began, per_second, length);
    let (idle, mut free) = mpsc::channel(connections);
    let mut opened = 0;
    let mut clients = JoinSet::new();
    while let Some(due) = next.recv().await {
        let wire: Option<Wire> = match free.try_recv() {
            Ok(wire) => wire,
            Err(_) if opened < connections => {
                opened += 1;
                None
            }
            Err(_) => free.recv().await.unwrap_or_default(),
        };
        let (asking, idle) = (Arc::clone(asking), idle.clone());
        clients.spawn(async move {
            let mut wire = wire;
            let told = one(&asking, &mut wire, due).await;
            let _ = idle.send(wire).await;
            told
        });
    }
    let mut sum = Tally::new();
    while let Some(told) = clients.join_next().await {
        sum.add(told.expect("no client panics").as_ref().ok());
    }
    sum.length = began.elapsed();
    sum
}

/// A thread of its own says when the next request is due: the runtime's timer counts whole
/// milliseconds.
fn tell_when_due(due: mpsc::Sender<Instant>, began: Instant, per_second: u32, length: Duration) {
    let clock = thread::Builder::new().name("clock".to_owned()).spawn(move || {
        for number in 0_u32.. {
            let offset = Duration::from_secs(1) * number / per_second;
            if offset >= length {
                return;
            }
            thread::sleep((began + offset).saturating_duration_since(Instant::now()));
            if due.blocking_send(began + offset).is_err() {
                return;
            }
        }
    });
    clock.expect("a thread");
}

/// One request over `wire`, or over a new connection where there is none.
async fn one(asking: &Asking, wire: &mut Option<Wire>, began: Instant) -> io::Result<Told> {
    let mut open = match wire.take() {
        Some(open) => open,
        None => Wire::connect(&asking.authority).await?,
    };
    let told = asking.ask(&mut open, began).await?;
    *wire = Some(open);
    Ok(told)
}
