//! Carries spans to the collector, by the one way out.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use thiserror::Error;
use tokio::time::timeout;
use tower::BoxError;

use super::export::Collector;
use crate::egress::{Egress, EgressError, Place};

/// For one batch, where nothing else is said.
const TIMEOUT: Duration = Duration::from_secs(10);
/// To find the collector and connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A collector says little.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");
const AGENT: HeaderValue = HeaderValue::from_static(concat!("keyway/", env!("CARGO_PKG_VERSION")));

/// Why a batch was not taken.
#[derive(Debug, Error)]
pub(crate) enum CarrierError {
    #[error(transparent)]
    Unreached(#[from] EgressError),
    #[error("it answers with {0}")]
    Refused(StatusCode),
    #[error("its answer cannot be read: {0}")]
    Unread(BoxError),
    #[error("it takes too long")]
    TimedOut,
}

#[derive(Debug)]
pub(crate) struct Carrier {
    egress: Egress,
    uri: Uri,
    headers: HeaderMap,
    timeout: Duration,
}

impl Carrier {
    /// To `uri`, with `headers` beside those that are always there.
    pub(super) fn new(uri: Uri, mut headers: HeaderMap, timeout: Option<Duration>) -> Self {
        headers.insert(CONTENT_TYPE, PROTOBUF);
        headers.entry(USER_AGENT).or_insert(AGENT);
        // The operator named it, and mostly it is next door.
        let place =
            Place { uri: uri.clone(), allow_private: true, connect_timeout: CONNECT_TIMEOUT };
        let egress = Egress::new([place]);
        Self { egress, uri, headers, timeout: timeout.unwrap_or(TIMEOUT) }
    }

    async fn post(&self, body: Bytes) -> Result<(), CarrierError> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        let (head, body) = self.egress.send(request).await?.into_parts();
        // A connection whose answer was read takes the next batch.
        Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(CarrierError::Unread)?;
        if head.status.is_success() { Ok(()) } else { Err(CarrierError::Refused(head.status)) }
    }
}

impl Collector for Carrier {
    async fn take(&mut self, request: Bytes) -> Result<(), CarrierError> {
        timeout(self.timeout, self.post(request)).await.map_err(|_| CarrierError::TimedOut)?
    }
}
