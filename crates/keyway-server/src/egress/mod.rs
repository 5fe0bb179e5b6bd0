//! The one way out: every connection that Keyway opens goes through [`Egress`].
//!
//! It goes where the configuration says and nowhere else: no redirects are followed, no proxy is
//! taken from the environment, and nothing of a client's request chooses the address. What a name
//! leads to is checked before it is connected to, and what was checked is connected to.

#![expect(clippy::disallowed_types, reason = "this is where the ban on other clients points to")]

mod connector;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::capture_connection;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use thiserror::Error;

use self::connector::{Connector, Resolver, System};
use crate::lanes;

const POOL_IDLE_TIMEOUT: Duration = Duration::from_mins(1);
/// For each place that requests come from.
const POOL_IDLE_PER_HOST_MAX: usize = 256;

/// An HTTP client with warm connections. Cloning shares them.
#[derive(Clone, Debug)]
pub struct Egress {
    /// One for each place that requests come from: a connection is used where it was opened, so that an
    /// answer wakes no other thread.
    clients: Arc<[Client<HttpsConnector<Connector>, Full<Bytes>>]>,
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
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .wrap_connector(Connector::new(places, resolver));
        let client = || {
            Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(POOL_IDLE_TIMEOUT)
                .pool_max_idle_per_host(POOL_IDLE_PER_HOST_MAX)
                .build(connector.clone())
        };
        Self { clients: (0..lanes::places()).map(|_| client()).collect() }
    }

    /// Sends one request and answers as soon as the response's head is there.
    pub async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, EgressError> {
        self.clients[lanes::here()].request(request).await.map_err(|error| {
            if error.is_connect() {
                EgressError::Connect(error)
            } else {
                EgressError::Broken(error)
            }
        })
    }

    /// The same, with `connect` to get a connection in, where that is less than the place allows.
    pub async fn send_within(
        &self,
        mut request: Request<Full<Bytes>>,
        connect: Duration,
    ) -> Result<Response<Incoming>, EgressError> {
        let mut connection = capture_connection(&mut request);
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
