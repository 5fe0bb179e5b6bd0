//! One connection's requests, on their way from the protocol to the routes and back.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tower::ServiceExt;

use super::edge::Peer;
use super::error::Refused;
use super::presence::{Presence, Visit};
use super::router::Service;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::traces::{Trace, Traces};

/// Answers what one connection asks.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    pub(super) routes: Service,
    pub(super) metrics: Arc<Metrics>,
    pub(super) traces: Arc<Traces>,
    pub(super) peer: IpAddr,
    pub(super) presence: Arc<Presence>,
}

/// An answer's body; the visit is over when it was given, or given up.
#[derive(Debug)]
pub(super) struct Visited {
    body: Body,
    #[expect(dead_code, reason = "held for its destructor")]
    visit: Visit,
    #[expect(dead_code, reason = "held for its destructor")]
    trace: Trace,
}

impl hyper::service::Service<http::Request<Incoming>> for Visitor {
    type Response = http::Response<Visited>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn call(&self, request: http::Request<Incoming>) -> Self::Future {
        let visit = self.presence.begin();
        let (routes, peer) = (self.routes.clone(), self.peer);
        let metrics = Arc::clone(&self.metrics);
        let trace = self.traces.begin(&request);
        Box::pin(async move {
            let mut request: Request = request.map(Body::new);
            request.extensions_mut().insert(Peer(peer));
            trace.join(&mut request);
            let mut response: Response = routes.oneshot(request).await?;
            let refused = response.extensions_mut().remove::<Refused>();
            let refused = refused.map(|Refused(reason)| reason);
            trace.answered(response.status(), refused.as_deref());
            metrics.answered(response.status().as_u16(), refused);
            Ok(response.map(|body| Visited { body, visit, trace }))
        })
    }
}

impl HttpBody for Visited {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
