//! An answer's body on its way to the client.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use super::memory::{Hold, Memory};
use super::presence::Visit;
use super::unread::Unread;
use crate::telemetry::traces::Trace;

/// The protocols take a body's piece whole once there is room for any of it, and keep it. So a client that
/// reads nothing makes us keep no more than this, beside what is counted here.
const PIECE_BYTES: usize = 64 * 1024;

/// A body in pieces; the visit is over when it was given, or given up.
#[derive(Debug)]
pub(super) struct Visited {
    body: Body,
    /// What is left of a piece that was too large.
    rest: Bytes,
    /// What a body takes that is here whole.
    hold: Option<Hold>,
    unread: Option<Arc<Unread>>,
    #[expect(dead_code, reason = "held for its destructor")]
    visit: Visit,
    #[expect(dead_code, reason = "held for its destructor")]
    trace: Trace,
}

impl Visited {
    pub(super) fn new(body: Body, visit: Visit, trace: Trace, memory: &Arc<Memory>) -> Self {
        let whole = body.size_hint().exact().and_then(|bytes| usize::try_from(bytes).ok());
        let hold = whole.filter(|bytes| *bytes > PIECE_BYTES).map(|bytes| memory.count(bytes));
        let unread = Unread::of_this_stream();
        if let Some(unread) = &unread {
            unread.offer();
        }
        Self { body, rest: Bytes::new(), hold, unread, visit, trace }
    }

    /// The next piece of what is here.
    fn piece(&mut self, mut data: Bytes) -> Frame<Bytes> {
        if data.len() > PIECE_BYTES {
            self.rest = data.split_off(PIECE_BYTES);
        }
        Frame::data(data)
    }

    fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if !self.rest.is_empty() {
            let rest = std::mem::take(&mut self.rest);
            return Poll::Ready(Some(Ok(self.piece(rest))));
        }
        let Poll::Ready(polled) = Pin::new(&mut self.body).poll_frame(cx) else {
            return Poll::Pending;
        };
        Poll::Ready(polled.map(|frame| {
            frame.map(|frame| match frame.into_data() {
                Ok(data) => self.piece(data),
                Err(trailers) => trailers,
            })
        }))
    }
}

impl HttpBody for Visited {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = self.poll_piece(cx);
        if self.rest.is_empty() && polled.is_ready() {
            // The last piece is the protocol's.
            self.hold = None;
        }
        if let Some(unread) = &self.unread {
            match polled {
                Poll::Ready(Some(_)) => unread.offer(),
                Poll::Ready(None) | Poll::Pending => unread.taken(),
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.body.size_hint();
        let rest = self.rest.len() as u64;
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(hint.lower() + rest);
        hint
    }
}
