//! The one way out: every connection that Keyway opens goes through [`Egress`].
//!
//! It goes where the configuration says and nowhere else: no redirects are followed, no proxy is
//! taken from the environment, and nothing of a client's request chooses the address.

#![expect(clippy::disallowed_types, reason = "this is where the ban on other clients points to")]

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use thiserror::Error;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const POOL_IDLE_TIMEOUT: Duration = Duration::from_mins(1);
const POOL_IDLE_PER_HOST_MAX: usize = 256;

/// An HTTP client with a pool of warm connections. Cloning shares the pool.
#[derive(Clone, Debug)]
pub struct Egress {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// The request did not get an answer.
#[derive(Debug, Error)]
pub enum EgressError {
    #[error("cannot connect")]
    Connect(#[source] hyper_util::client::legacy::Error),
    #[error("the connection broke before an answer came")]
    Broken(#[source] hyper_util::client::legacy::Error),
}

impl Egress {
    pub fn new() -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .pool_max_idle_per_host(POOL_IDLE_PER_HOST_MAX)
            .build(connector);
        Self { client }
    }

    /// Sends one request and answers as soon as the response's head is there.
    pub async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, EgressError> {
        self.client.request(request).await.map_err(|error| {
            if error.is_connect() {
                EgressError::Connect(error)
            } else {
                EgressError::Broken(error)
            }
        })
    }
}

impl Default for Egress {
    fn default() -> Self {
        Self::new()
    }
}
