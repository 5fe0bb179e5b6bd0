//! HTTP/2 to one place: over connections that many requests share.
//!
//! A connection carries only as many streams at once as its server allows, mostly a hundred, and a client
//! keeps one connection: further requests would wait for an answer that may take minutes. So requests are
//! spread over trunks, each with a connection of its own. Where the server speaks HTTP/1.1 a trunk is a pool
//! like any other.

#![expect(clippy::disallowed_types, reason = "this is where the ban on other clients points to")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::capture_connection;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::received::Received;
use super::{EgressError, Handed, Https};

type Http = Client<Https, Full<Bytes>>;

const POOL_IDLE_TIMEOUT: Duration = Duration::from_mins(1);
/// For each place that requests come from.
const POOL_IDLE_PER_HOST_MAX: usize = 256;
/// How often a connection of HTTP/2 is asked whether the other end is still there, and how long that may
/// take.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// What one stream may be sent ahead of being read. A connection may be sent as much for each that shares it, so
/// that those whose clients do not read leave the others their way.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 128 * STREAM_WINDOW_BYTES;
/// A provider's head.
const HEAD_BYTES_MAX: u32 = 64 * 1024;

/// Requests on one trunk: the least that servers should allow at once, by RFC 9113.
const ON_TRUNK_MAX: usize = 100;
/// Trunks; where all are full the emptiest takes more.
const TRUNKS_MAX: usize = 256;

pub(super) struct Trunks {
    connector: Https,
    trunks: Mutex<Vec<Trunk>>,
}

#[derive(Clone)]
struct Trunk {
    client: Http,
    running: Arc<AtomicUsize>,
}

/// A request's place in its trunk, until its answer was read; free again when dropped.
#[derive(Debug)]
pub(super) struct OnTrunk(Arc<AtomicUsize>);

impl Trunks {
    pub(super) fn new(connector: Https) -> Self {
        Self { connector, trunks: Mutex::default() }
    }

    /// Sends a request; see [`Egress::send_within`](super::Egress::send_within).
    pub(super) async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
        connect: Option<Duration>,
        handed: Option<&Handed>,
    ) -> Result<Response<Received>, EgressError> {
        let mut connection = capture_connection(&mut request);
        if let Some(handed) = handed {
            handed.trunk.get_or_init(|| connection.clone());
        }
        let Some(connect) = connect else { return self.ask(request).await };
        let late = async {
            let connected = connection.wait_for_connection_metadata();
            if tokio::time::timeout(connect, connected).await.is_ok() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            answer = self.ask(request) => answer,
            () = late => Err(EgressError::Late),
        }
    }

    async fn ask(&self, request: Request<Full<Bytes>>) -> Result<Response<Received>, EgressError> {
        let (client, trunk) = self.enter();
        let answer = client.request(request).await.map_err(|error| {
            let variant =
                if error.is_connect() { EgressError::Connect } else { EgressError::Broken };
            variant(error.into())
        })?;
        Ok(answer.map(|body| Received::on_trunk(body, trunk)))
    }

    /// The first trunk that has room, so that as few connections are open as will do.
    fn enter(&self) -> (Http, OnTrunk) {
        let mut trunks = self.trunks.lock().unwrap_or_else(PoisonError::into_inner);
        let place = match trunks.iter().position(|trunk| trunk.running() < ON_TRUNK_MAX) {
            Some(place) => place,
            None if trunks.len() < TRUNKS_MAX => {
                let client = client(self.connector.clone());
                trunks.push(Trunk { client, running: Arc::default() });
                trunks.len() - 1
            }
            None => emptiest(&trunks),
        };
        let trunk = &trunks[place];
        trunk.running.fetch_add(1, Ordering::Relaxed);
        (trunk.client.clone(), OnTrunk(Arc::clone(&trunk.running)))
    }
}

fn emptiest(trunks: &[Trunk]) -> usize {
    let emptiest = trunks.iter().enumerate().min_by_key(|(_, trunk)| trunk.running());
    emptiest.map_or(0, |(place, _)| place)
}

/// A trunk over what `connector` opens.
fn client(connector: Https) -> Http {
    Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .pool_max_idle_per_host(POOL_IDLE_PER_HOST_MAX)
        .http2_keep_alive_interval(PING_INTERVAL)
        .http2_keep_alive_timeout(PING_INTERVAL)
        .http2_initial_stream_window_size(STREAM_WINDOW_BYTES)
        .http2_initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .http2_max_header_list_size(HEAD_BYTES_MAX)
        .build(connector)
}

impl Trunk {
    fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }
}

impl Drop for OnTrunk {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Trunks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trunks").finish_non_exhaustive()
    }
}
