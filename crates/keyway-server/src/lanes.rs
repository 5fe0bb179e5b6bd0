//! Lanes: threads that each serve the connections given to them, from a request's first byte to its
//! charge.
//!
//! Whatever a request waits for is on its lane: the client's socket, the task that relays it, the
//! connection to the provider. Nothing of it is moved to another thread or wakes one, but the store's,
//! which for a small request would cost more than the request. There is a lane for each processor;
//! what concerns no single connection runs beside them, on the runtime of the process.

use std::cell::Cell;
use std::io;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use futures_util::FutureExt;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio_util::sync::CancellationToken;

thread_local! {
    static HERE: Cell<usize> = const { Cell::new(0) };
}

/// How many lanes there are, and the runtime of the process beside them.
pub(crate) fn places() -> usize {
    count() + 1
}

/// On which of [`places`] the caller runs: 0 is the runtime of the process.
pub(crate) fn here() -> usize {
    HERE.get()
}

fn count() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

#[derive(Debug)]
pub(crate) struct Lanes {
    lanes: Vec<Lane>,
    stop: CancellationToken,
}

#[derive(Debug)]
pub(crate) struct Lane {
    runtime: Handle,
    /// As many hold it as there are connections, and the lane itself.
    seat: Arc<()>,
    /// `None` on the runtime of the process.
    thread: Option<thread::JoinHandle<()>>,
}

impl Lanes {
    /// # Errors
    /// Where the system has no thread or no descriptor to give.
    pub(crate) fn start() -> io::Result<Self> {
        let stop = CancellationToken::new();
        let lanes = (1..=count()).map(|place| Lane::start(place, stop.clone()));
        Ok(Self { lanes: lanes.collect::<io::Result<_>>()?, stop })
    }

    /// None of their own: for connections that are not worth a thread. Called on the runtime that serves
    /// them.
    pub(crate) fn none() -> Self {
        let lane = Lane { runtime: Handle::current(), seat: Arc::default(), thread: None };
        Self { lanes: vec![lane], stop: CancellationToken::new() }
    }

    /// The lane with the fewest connections. They stay where they are: what is open for long is spread
    /// evenly, and what is short does not matter.
    pub(crate) fn emptiest(&self) -> &Lane {
        let lanes = self.lanes.iter();
        lanes.min_by_key(|lane| Arc::strong_count(&lane.seat)).expect("there is a processor")
    }

    /// Ends what still runs on them, and returns when all have ended.
    pub(crate) async fn end(self) {
        self.stop.cancel();
        let joined = tokio::task::spawn_blocking(|| {
            for thread in self.lanes.into_iter().filter_map(|lane| lane.thread) {
                // It was told of by the panic itself.
                let _ = thread.join();
            }
        });
        let _ = joined.await;
    }
}

impl Lane {
    fn start(place: usize, stop: CancellationToken) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let thread = thread::Builder::new().name(format!("keyway-lane-{place}"));
        let thread = thread.spawn(move || run(place, runtime, &stop))?;
        Ok(Self { runtime: handle, seat: Arc::default(), thread: Some(thread) })
    }

    /// Takes over a socket that was accepted elsewhere.
    ///
    /// # Errors
    /// Where the system cannot watch it.
    pub(crate) fn adopt(&self, stream: TcpStream) -> io::Result<TcpStream> {
        let stream = stream.into_std()?;
        let _here = self.runtime.enter();
        TcpStream::from_std(stream)
    }

    /// Serves a connection here. Who spawns it sees to it that a shutdown waits for it.
    pub(crate) fn spawn(&self, connection: impl Future<Output = ()> + Send + 'static) {
        let seat = Arc::clone(&self.seat);
        // An async block would have room for the connection twice: as what it is given, and where it waits.
        self.runtime.spawn(connection.map(move |()| drop(seat)));
    }
}

fn run(place: usize, runtime: Runtime, stop: &CancellationToken) {
    HERE.set(place);
    runtime.block_on(stop.cancelled());
    // A look-up of a name may hang for longer than anybody waits for it.
    runtime.shutdown_background();
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn connections_go_where_the_fewest_are_and_stay_there() {
        let lanes = Lanes::start().expect("threads can be started");
        let mut open = Vec::new();
        let mut seen = Vec::new();
        for _ in 0..2 * count() {
            let (place, placed) = oneshot::channel();
            let (end, ended) = oneshot::channel::<()>();
            lanes.emptiest().spawn(async move {
                place.send(here()).expect("it is waited for");
                let _ = ended.await;
            });
            seen.push(placed.await.expect("it runs"));
            open.push(end);
        }
        seen.sort_unstable();
        let twice: Vec<_> = (1..=count()).flat_map(|place| [place, place]).collect();
        assert_eq!(seen, twice);
        assert_eq!(here(), 0, "a test is on none of them");
        // Whatever is still open ends with them.
        lanes.end().await;
    }

    #[tokio::test]
    async fn what_hangs_does_not_keep_them() {
        let lanes = Lanes::start().expect("threads can be started");
        let (release, released) = std::sync::mpsc::sync_channel::<()>(0);
        let (run, runs) = oneshot::channel();
        lanes.emptiest().spawn(async move {
            let hanging = tokio::task::spawn_blocking(move || {
                run.send(()).expect("it is waited for");
                let _ = released.recv();
            });
            let _ = hanging.await;
        });
        runs.await.expect("it runs");
        lanes.end().await;
        drop(release);
    }
}
