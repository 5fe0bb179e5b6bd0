//! The one way out: every connection that Keyway opens goes through [`Egress`].
//!
//! It goes where the configuration says and nowhere else: no redirects are followed, no proxy is
//! taken from the environment, and nothing of a client's request chooses the address. What a name
//! leads to is checked before it is connected to, and what was checked is connected to.

mod connector;
mod line;
mod pool;
mod received;
mod stream;
#[cfg(test)]
mod tests;
mod trunks;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::uri::Scheme;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::CaptureConnection;
use rustls::ClientConfig;
use thiserror::Error;
use tower::BoxError;

use self::connector::{Connector, Resolver, System};
use self::pool::Pool;
pub use self::received::Received;
use self::trunks::Trunks;
use crate::lanes;

type Https = HttpsConnector<Connector>;

/// An HTTP client with warm connections. Cloning shares them.
#[derive(Clone, Debug)]
pub struct Egress {
    /// One for each place that requests come from: a connection is used where it was opened, so that an
    /// answer wakes no other thread.
    pools: Arc<[Arc<Pool>]>,
    connector: Connector,
    tls: ClientConfig,
    /// Where HTTP/2 is spoken with whoever speaks it; as many.
    trunks: Option<Arc<[Trunks]>>,
}

/// The request did not get an answer.
#[derive(Debug, Error)]
pub enum EgressError {
    #[error("cannot connect")]
    Connect(#[source] BoxError),
    #[error("no connection was there in time")]
    Late,
    #[error("the connection broke before an answer came")]
    Broken(#[source] BoxError),
}

/// Whether a request was handed to a connection. Before that nobody can have heard of it.
#[derive(Debug, Default)]
pub struct Handed {
    is_done: AtomicBool,
    /// What tells of it where it goes over a trunk.
    trunk: OnceLock<CaptureConnection>,
}

impl Handed {
    /// It was, whether or not its connection held.
    pub fn is_done(&self) -> bool {
        let trunk = || self.trunk.get().is_some_and(|it| it.connection_metadata().is_some());
        self.is_done.load(Ordering::Relaxed) || trunk()
    }

    fn set(&self) {
        self.is_done.store(true, Ordering::Relaxed);
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
        let pools = (0..lanes::places()).map(|_| Arc::new(Pool::new(https.clone()))).collect();
        Self { pools, connector, tls, trunks: None }
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
        self.send_within(request, None, None).await
    }

    /// The same, with `connect` to get a connection in, where that is less than the place allows; `handed`
    /// tells of the first request that it is given with.
    ///
    /// It has a place of its own, for in whoever waits for it, and whoever waits for them, it would be moved
    /// with each of them.
    pub fn send_within<'a>(
        &'a self,
        request: Request<Full<Bytes>>,
        connect: Option<Duration>,
        handed: Option<&'a Handed>,
    ) -> BoxFuture<'a, Result<Response<Received>, EgressError>> {
        let is_secure = request.uri().scheme() == Some(&Scheme::HTTPS);
        match self.trunks.as_ref().filter(|_| is_secure) {
            None => Box::pin(self.pools[lanes::here()].send(request, connect, handed)),
            Some(trunks) => Box::pin(trunks[lanes::here()].send(request, connect, handed)),
        }
    }
}
