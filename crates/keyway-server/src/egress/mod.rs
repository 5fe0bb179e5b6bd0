//! The one way out: every connection that Keyway opens goes through [`Egress`].
//!
//! It goes where the configuration says and nowhere else: no redirects are followed, no proxy is
//! taken from the environment, and nothing of a client's request chooses the address. What a name
//! leads to is checked before it is connected to, and what was checked is connected to.

#![expect(clippy::disallowed_types, reason = "this is where the ban on other clients points to")]

mod connector;
mod received;
#[cfg(test)]
mod tests;
mod trunks;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::uri::Scheme;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use thiserror::Error;

use self::connector::{Connector, Resolver, System};
pub use self::received::Received;
use self::trunks::{OnTrunk, Trunks};
use crate::lanes;

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

type Https = HttpsConnector<Connector>;
type Http = Client<Https, Full<Bytes>>;

/// An HTTP client with warm connections. Cloning shares them.
#[derive(Clone, Debug)]
pub struct Egress {
    /// One for each place that requests come from: a connection is used where it was opened, so that an
    /// answer wakes no other thread.
    clients: Arc<[Http]>,
    connector: Connector,
    tls: ClientConfig,
    /// Where HTTP/2 is spoken with whoever speaks it; as many.
    trunks: Option<Arc<[Trunks]>>,
}

/// The request did not get an answer.
#[derive(Debug, Error)]
pub enum EgressError {
    #[error("cannot connect")]
    Connect(#[source] hyper_util::client::legacy::Error),
    #[error("no connection was there in time")]
    Late,
    #[error("the connection broke before an answer came")]
    Broken(#[source] hyper_util::client::legacy::Error),
}

/// Whether a request was handed to a connection. Before that nobody can have heard of it.
#[derive(Debug, Default)]
pub struct Handed(OnceLock<CaptureConnection>);

impl Handed {
    /// It was, whether or not its connection held.
    pub fn is_done(&self) -> bool {
        self.0.get().is_some_and(|connection| connection.connection_metadata().is_some())
    }
}

/// Where connections may go: the host and port of an address in the configuration.
#[derive(Clone, Debug)]
pub struct Place {
    pub uri: Uri,
    /// Whether its name may lead into private networks. An address that is written out, and `localhost`,
    /// may anyway.
    pub allow_private: bool,
    /// To find its address and connect.
    pub connect_timeout: Duration,
}

impl Egress {
    /// A way out to `places`, and to nowhere else.
    pub fn new(places: impl IntoIterator<Item = Place>) -> Self {
        Self::with_resolver(places, Arc::new(System))
    }

    fn with_resolver(places: impl IntoIterator<Item = Place>, resolver: Arc<dyn Resolver>) -> Self {
        let tls = ClientConfig::builder().with_webpki_roots().with_no_client_auth();
        Self::with_tls(Connector::new(places, resolver), tls)
    }

    fn with_tls(connector: Connector, tls: ClientConfig) -> Self {
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls.clone())
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector.clone());
        let clients = (0..lanes::places()).map(|_| client(https.clone())).collect();
        Self { clients, connector, tls, trunks: None }
    }

    /// The same, for one place with which HTTP/2 is spoken where it is offered: TLS says so.
    #[must_use]
    pub fn with_http2(&self) -> Self {
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(self.tls.clone())
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .wrap_connector(self.connector.clone());
        let trunks = (0..lanes::places()).map(|_| Trunks::new(https.clone())).collect();
        Self { trunks: Some(trunks), ..self.clone() }
    }

    /// Sends one request and answers as soon as the response's head is there.
    pub async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Received>, EgressError> {
        let is_secure = request.uri().scheme() == Some(&Scheme::HTTPS);
        match self.trunks.as_ref().filter(|_| is_secure) {
            None => send(&self.clients[lanes::here()], request, None).await,
            Some(trunks) => {
                let (client, trunk) = trunks[lanes::here()].enter();
                send(&client, request, Some(trunk)).await
            }
        }
    }

    /// The same, with `connect` to get a connection in, where that is less than the place allows; `handed`
    /// tells of the first request that it is given with.
    pub async fn send_within(
        &self,
        mut request: Request<Full<Bytes>>,
        connect: Option<Duration>,
        handed: Option<&Handed>,
    ) -> Result<Response<Received>, EgressError> {
        if connect.is_none() && handed.is_none() {
            return self.send(request).await;
        }
        let mut connection = capture_connection(&mut request);
        if let Some(Handed(of)) = handed {
            of.get_or_init(|| connection.clone());
        }
        let Some(connect) = connect else { return self.send(request).await };
        let late = async {
            let connected = connection.wait_for_connection_metadata();
            if tokio::time::timeout(connect, connected).await.is_ok() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            answer = self.send(request) => answer,
            () = late => Err(EgressError::Late),
        }
    }
}

async fn send(
    client: &Http,
    request: Request<Full<Bytes>>,
    trunk: Option<OnTrunk>,
) -> Result<Response<Received>, EgressError> {
    let answer = client.request(request).await.map_err(|error| {
        if error.is_connect() { EgressError::Connect(error) } else { EgressError::Broken(error) }
    })?;
    Ok(answer.map(|body| Received::new(body, trunk)))
}

/// A pool of connections that `connector` opens.
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
