//! The body of an answer, which keeps its place on a trunk until it was read, or given up.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::trunks::OnTrunk;

#[derive(Debug)]
pub struct Received {
    body: Incoming,
    #[expect(dead_code, reason = "held for its destructor")]
    trunk: Option<OnTrunk>,
}

impl Received {
    pub(super) const fn new(body: Incoming, trunk: Option<OnTrunk>) -> Self {
        Self { body, trunk }
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
