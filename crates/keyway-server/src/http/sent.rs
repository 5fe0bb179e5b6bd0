//! A request's body over HTTP/1.1, on its way from the connection to who reads it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::bell::{self, Bell};

/// Whoever takes a piece wakes the connection, to read the next. Of the last one it shall not: it would look
/// around for nothing.
#[derive(Debug)]
pub(super) struct Sent {
    body: Incoming,
    connection: Arc<Bell>,
}

impl Sent {
    pub(super) const fn new(body: Incoming, connection: Arc<Bell>) -> Self {
        Self { body, connection }
    }
}

impl Body for Sent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if self.body.is_end_stream() {
            return Poll::Ready(None);
        }
        let (polled, missed) = bell::off(|| Pin::new(&mut self.body).poll_frame(cx));
        if missed && !self.body.is_end_stream() {
            self.connection.ring();
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
