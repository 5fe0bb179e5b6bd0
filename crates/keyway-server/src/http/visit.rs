//! One connection's requests, on their way from the protocol to the routes and back.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use futures_util::future::BoxFuture;
use http::Version;
use hyper::body::Incoming;
use tower::Service as _;

use super::edge::Peer;
use super::error::Refused;
use super::memory::Memory;
use super::presence::Presence;
use super::router::Service;
use super::sent::Sent;
use super::visited::Visited;
use crate::bell::Bell;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::traces::Traces;

/// Answers what one connection asks.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    pub(super) routes: Service,
    pub(super) metrics: Arc<Metrics>,
    pub(super) traces: Arc<Traces>,
    pub(super) peer: IpAddr,
    pub(super) presence: Arc<Presence>,
    /// What wakes the connection over HTTP/1.1.
    pub(super) bell: Arc<Bell>,
    pub(super) memory: Arc<Memory>,
}

impl hyper::service::Service<http::Request<Incoming>> for Visitor {
    type Response = http::Response<Visited>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn call(&self, request: http::Request<Incoming>) -> Self::Future {
        let visit = self.presence.begin();
        let trace = self.traces.begin(&request);
        let is_http2 = request.version() >= Version::HTTP_2;
        let sent = |body| {
            if is_http2 {
                Body::new(body)
            } else {
                Body::new(Sent::new(body, Arc::clone(&self.bell)))
            }
        };
        let mut request: Request = request.map(sent);
        request.extensions_mut().insert(Peer(self.peer));
        trace.join(&mut request);
        // Routes are always ready.
        let answered = self.routes.clone().call(request);
        let (metrics, memory) = (Arc::clone(&self.metrics), Arc::clone(&self.memory));
        Box::pin(async move {
            let mut response: Response = answered.await?;
            let refused = response.extensions_mut().remove::<Refused>();
            let refused = refused.map(|Refused(reason)| reason);
            trace.answered(response.status(), refused.as_deref());
            metrics.answered(response.status().as_u16(), refused);
            Ok(response.map(|body| Visited::new(body, visit, trace, &memory)))
        })
    }
}
