//! Carries spans to the collector, by the one way out.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use opentelemetry_http::{HttpClient, HttpError};
use tokio::time::timeout;

use crate::egress::Egress;

/// For one batch.
const TIMEOUT: Duration = Duration::from_secs(10);
/// A collector says little.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct Carrier(Egress);

impl Carrier {
    pub(super) fn new(egress: Egress) -> Self {
        Self(egress)
    }
}

#[async_trait]
impl HttpClient for Carrier {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answered = async {
            let (head, body) = self.0.send(request.map(Full::new)).await?.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?.to_bytes();
            Ok(Response::from_parts(head, body))
        };
        timeout(TIMEOUT, answered).await?
    }
}
