//! The body of an answer, which keeps its connection, or its place on a trunk, until it was read or given up.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::pool::Lent;
use super::trunks::OnTrunk;

#[derive(Debug)]
pub struct Received {
    // Dropped before its connection, which then is asked whether anything of it is missing.
    body: Incoming,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Line(Lent),
    Trunk(#[expect(dead_code, reason = "held for its destructor")] OnTrunk),
    /// All of it is here.
    Nowhere,
}

impl Received {
    pub(super) fn over(body: Incoming, lent: Lent) -> Self {
        let source = if body.is_end_stream() { Source::Nowhere } else { Source::Line(lent) };
        Self { body, source }
    }

    pub(super) const fn on_trunk(body: Incoming, trunk: OnTrunk) -> Self {
        Self { body, source: Source::Trunk(trunk) }
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Self { body, source } = &mut *self;
        if body.is_end_stream() {
            return Poll::Ready(None);
        }
        let Source::Line(lent) = source else { return Pin::new(body).poll_frame(cx) };
        let polled = lent.line().poll_body(body, cx);
        let is_over = !matches!(polled, Poll::Pending | Poll::Ready(Some(Ok(_))));
        if is_over || body.is_end_stream() {
            *source = Source::Nowhere;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
