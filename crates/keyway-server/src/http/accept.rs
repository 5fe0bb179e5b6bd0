//! The accept loop: connections, bounded in number, until it is told to stop.

use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::rt::Executor;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::edge::Edge;
use super::parting::Partings;
use super::presence::Presence;
use super::router::Service;
use super::shed::Shed;
use super::socket::{Patience, Socket};
use super::unread;
use super::visit::Visitor;
use crate::bell::Bell;
use crate::config::ServerLimits;
use crate::lanes::Lanes;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::traces::Traces;

/// Pause after an accept that failed, as when descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Connections that are told at once that there is no room for them; further ones are closed.
const TURNED_AWAY_MAX: usize = 256;
/// How long such a one is kept so that it can read why, and how much of what it says is read away.
const PARTING_TIME_MAX: Duration = Duration::from_secs(1);
const PARTING_BYTES_MAX: u64 = 64 * 1024;
/// The least that the protocol's implementation takes for its buffer.
const HEAD_BYTES_MIN: usize = 8_192;
/// How many headers it takes where nothing is said.
const HEADERS_MAX_DEFAULT: usize = 100;
/// How often an HTTP/2 connection is asked whether the other end is still there, and how long that may
/// take.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// What a client may send ahead of being read, in one stream and in all of a connection.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
/// Bytes that wait in a stream for the client's permission to be sent.
const STREAM_SEND_BYTES_MAX: usize = 64 * 1024;
/// Streams that a client may reset before they were begun with; more are an attack (rapid reset).
const PENDING_RESETS_MAX: usize = 20;
/// Streams that are reset for the client's mistakes; more are an attack.
const OWN_RESETS_MAX: usize = 128;

/// Takes connections and answers what they ask.
pub(crate) struct Doorman {
    edge: Arc<Edge>,
    routes: Service,
    metrics: Arc<Metrics>,
    traces: Arc<Traces>,
    protocols: Arc<Protocols>,
    partings: Partings,
    turned_away: Arc<Semaphore>,
    tasks: TaskTracker,
}

/// What is spoken.
struct Protocols {
    either: auto::Builder<Tracked>,
    /// Finding out which it is makes the first read, and with that a connection's buffer twice as large.
    http1: http1::Builder,
}

/// Runs the streams of HTTP/2, as long as they are read, and a shutdown waits for them.
#[derive(Clone, Debug)]
struct Tracked {
    tasks: TaskTracker,
    write_timeout: Duration,
}

impl<F> Executor<F> for Tracked
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, future: F) {
        self.tasks.spawn(unread::bounded(future, self.write_timeout));
    }
}

impl Doorman {
    pub(crate) async fn new(
        edge: Arc<Edge>,
        routes: Service,
        tasks: TaskTracker,
        (metrics, traces): (Arc<Metrics>, Arc<Traces>),
    ) -> Self {
        Self {
            protocols: Arc::new(Protocols::new(&edge.limits, &tasks)),
            partings: Partings::new(&edge.limits).await,
            turned_away: Arc::new(Semaphore::new(TURNED_AWAY_MAX)),
            edge,
            routes,
            metrics,
            traces,
            tasks,
        }
    }

    /// Serves connections on `lanes` until `stop` is cancelled.
    pub(crate) async fn run(
        &self,
        listener: TcpListener,
        lanes: &Lanes,
        connections: &GracefulShutdown,
        stop: &CancellationToken,
    ) {
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let taken = accepted.and_then(|(stream, peer)| {
                self.take(stream, peer.ip().to_canonical(), lanes, (connections.watcher(), stop))
            });
            if let Err(error) = taken {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }

    fn take(
        &self,
        stream: TcpStream,
        peer: IpAddr,
        lanes: &Lanes,
        (watcher, stop): (Watcher, &CancellationToken),
    ) -> io::Result<()> {
        let Some(member) = self.edge.crowd.join(peer, self.edge.is_trusted(peer)) else {
            self.edge.shed.add(Shed::Connection);
            self.turn_away(stream);
            return Ok(());
        };
        let lane = lanes.emptiest();
        let stream = lane.adopt(stream)?;
        // Small events must not wait for more to come.
        let _ = stream.set_nodelay(true);
        let presence = Arc::new(Presence::new(Instant::now()));
        let patience = Patience::from(&self.edge.limits);
        let partings = self.partings.clone();
        // Each place on its way to the protocol would keep room for it.
        let socket = Box::new(Socket::new(stream, Arc::clone(&presence), patience, partings));
        let (routes, metrics) = (self.routes.clone(), Arc::clone(&self.metrics));
        let traces = Arc::clone(&self.traces);
        let memory = Arc::clone(&self.edge.memory);
        let bell = Arc::<Bell>::default();
        let visitor = Visitor { routes, metrics, traces, peer, presence, bell, memory };
        let (protocols, stop) = (Arc::clone(&self.protocols), stop.clone());
        lane.spawn(async move {
            protocols.serve(socket, visitor, watcher, &stop).await;
            drop(member);
        });
        Ok(())
    }

    /// Says that there is no room, where not too many are being told so.
    fn turn_away(&self, stream: TcpStream) {
        let Ok(permit) = Arc::clone(&self.turned_away).try_acquire_owned() else { return };
        let parting = tokio::time::timeout(
            PARTING_TIME_MAX,
            part(stream, Arc::clone(&self.partings.no_room)),
        );
        self.tasks.spawn(async move {
            let _ = parting.await;
            drop(permit);
        });
    }
}

/// Answers unasked, and reads away what was asked meanwhile: a socket that is closed with something
/// unread in it takes back what was answered.
async fn part(mut stream: TcpStream, words: Arc<[u8]>) -> io::Result<()> {
    stream.write_all(&words).await?;
    stream.shutdown().await?;
    tokio::io::copy(&mut stream.take(PARTING_BYTES_MAX), &mut tokio::io::sink()).await?;
    Ok(())
}

impl Protocols {
    fn new(limits: &ServerLimits, tasks: &TaskTracker) -> Self {
        Self { http1: http1(limits), either: either(limits, tasks) }
    }

    /// Serves a connection to its end, or until `stop` where nothing was said on it.
    async fn serve(
        &self,
        mut socket: Box<Socket>,
        visitor: Visitor,
        watcher: Watcher,
        stop: &CancellationToken,
    ) {
        let begins = tokio::select! {
            biased;
            begins = socket.begins_as_http1() => begins,
            () = stop.cancelled() => return,
        };
        // What goes wrong between two ends of a socket is nobody's fault here.
        let Ok(is_http1) = begins else { return };
        let socket = TokioIo::new(socket);
        // What it takes to get here is not kept beside it.
        if is_http1 {
            let bell = Arc::clone(&visitor.bell);
            let connection = self.http1.serve_connection(socket, visitor);
            let mut connection = Box::pin(watcher.watch(connection));
            let _ = poll_fn(|cx| connection.as_mut().poll(&mut bell.for_user(cx))).await;
        } else {
            let connection = self.either.serve_connection(socket, visitor).into_owned();
            let _ = Box::pin(watcher.watch(connection)).await;
        }
    }
}

/// HTTP/1.1. How long anything takes is bounded below it, by the socket.
fn http1(limits: &ServerLimits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(buffer_bytes_max(limits));
    // Any other number than its own costs an allocation for each request.
    if limits.headers_max != HEADERS_MAX_DEFAULT {
        builder.max_headers(limits.headers_max);
    }
    builder
}

fn buffer_bytes_max(limits: &ServerLimits) -> usize {
    limits.head_bytes_max.max(HEAD_BYTES_MIN)
}

/// The same, and HTTP/2. What finds out which of the two is spoken has no time limit of its own.
fn either(limits: &ServerLimits, tasks: &TaskTracker) -> auto::Builder<Tracked> {
    let mut builder =
        auto::Builder::new(Tracked { tasks: tasks.clone(), write_timeout: limits.write_timeout });
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(buffer_bytes_max(limits))
        .max_headers(limits.headers_max);
    let head_bytes_max = u32::try_from(limits.head_bytes_max).unwrap_or(u32::MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_INTERVAL)
        .max_concurrent_streams(limits.http2_streams_max)
        .max_header_list_size(head_bytes_max)
        .max_pending_accept_reset_streams(PENDING_RESETS_MAX)
        .max_local_error_reset_streams(OWN_RESETS_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(STREAM_SEND_BYTES_MAX);
    builder
}
