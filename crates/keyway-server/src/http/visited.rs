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
/// HTTP/2 takes the last piece, too, where there is room for one byte of it, and the stream's task is over,
/// with all that minds it. So the last byte of what has more than this is a piece of its own: it is not
/// taken before the client has granted all that goes before it.
const UNMINDED_BYTES_MAX: usize = 1024;

/// A body in pieces; the visit is over when it was given, or given up.
#[derive(Debug)]
pub(super) struct Visited {
    body: Body,
    /// What is left of a piece that was too large.
    rest: Bytes,
    /// What it takes that more than a piece is here.
    hold: Option<Hold>,
    memory: Arc<Memory>,
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
        let memory = Arc::clone(memory);
        Self { body, rest: Bytes::new(), hold, memory, unread, visit, trace }
    }

    /// The next piece of what is here.
    fn piece(&mut self, mut data: Bytes) -> Frame<Bytes> {
        let is_http2 = self.unread.is_some();
        if data.len() > PIECE_BYTES {
            self.hold.get_or_insert_with(|| self.memory.count(data.len()));
            self.rest = data.split_off(PIECE_BYTES);
        } else if is_http2 && data.len() > UNMINDED_BYTES_MAX {
            self.rest = data.split_off(data.len() - 1);
        }
        // A part keeps the whole; over HTTP/2 for as long as the client likes.
        let is_part = self.hold.is_some();
        Frame::data(if is_http2 && is_part { Bytes::copy_from_slice(&data) } else { data })
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
            // The last piece is the protocol's, and keeps nothing else.
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

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use futures_util::stream;
    use http_body_util::BodyExt;
    use tokio::time::Instant;

    use super::super::presence::Presence;
    use super::super::unread::bounded;
    use super::*;

    const BYTES: usize = PIECE_BYTES * 2 + PIECE_BYTES / 2;

    /// A body that is told of when nothing keeps it any more.
    struct Whole(Vec<u8>, #[expect(dead_code, reason = "tells")] Arc<()>);

    impl AsRef<[u8]> for Whole {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }

    fn visited(body: Body, memory: &Arc<Memory>) -> Visited {
        let visit = Arc::new(Presence::new(Instant::now())).begin();
        Visited::new(body, visit, Trace::default(), memory)
    }

    async fn next(body: &mut Visited) -> Bytes {
        let frame = body.frame().await.expect("more").expect("no error");
        frame.into_data().expect("data")
    }

    /// Runs `stream` as one of HTTP/2.
    async fn as_stream(stream: impl Future<Output = ()>) {
        let mut is_over = false;
        bounded(async { (stream.await, is_over = true).0 }, Duration::from_mins(1)).await;
        assert!(is_over);
    }

    #[tokio::test]
    async fn a_stream_is_not_over_before_its_last_byte_is_asked_for() {
        let memory = Arc::new(Memory::new(usize::MAX));
        as_stream(async {
            for bytes in [UNMINDED_BYTES_MAX + 1, PIECE_BYTES, BYTES] {
                let mut body = visited(Body::from(vec![7; bytes]), &memory);
                assert_eq!(body.size_hint().exact(), Some(bytes as u64));
                let mut left = bytes;
                while left > 1 {
                    assert!(!body.is_end_stream());
                    left -= next(&mut body).await.len();
                    assert_eq!(body.size_hint().exact(), Some(left as u64));
                    assert_eq!(memory.held(), if bytes > PIECE_BYTES { bytes } else { 0 });
                }
                assert!(!body.is_end_stream());
                assert_eq!(next(&mut body).await.as_ref(), [7]);
                assert!(body.is_end_stream());
                assert_eq!(memory.held(), 0);
            }
            let mut small = visited(Body::from(vec![7; UNMINDED_BYTES_MAX]), &memory);
            assert_eq!(next(&mut small).await.len(), UNMINDED_BYTES_MAX);
            assert!(small.is_end_stream());
        })
        .await;
    }

    #[tokio::test]
    async fn what_the_protocol_keeps_does_not_keep_the_whole() {
        let memory = Arc::new(Memory::new(usize::MAX));
        as_stream(async {
            let kept = Arc::new(());
            let whole = Bytes::from_owner(Whole(vec![7; BYTES], Arc::clone(&kept)));
            let mut body = visited(Body::from(whole), &memory);
            let mut pieces = Vec::new();
            while !body.is_end_stream() {
                pieces.push(next(&mut body).await);
            }
            assert_eq!(pieces.iter().map(Bytes::len).sum::<usize>(), BYTES);
            assert_eq!(Arc::strong_count(&kept), 1);
        })
        .await;
    }

    #[tokio::test]
    async fn what_is_left_of_a_streamed_event_counts() {
        let memory = Arc::new(Memory::new(usize::MAX));
        let event = || Ok::<_, Infallible>(Bytes::from(vec![7; BYTES]));
        let mut body = visited(Body::from_stream(stream::iter([event(), event()])), &memory);
        for _ in 0..2 {
            assert_eq!(memory.held(), 0);
            assert_eq!(next(&mut body).await.len(), PIECE_BYTES);
            assert_eq!(memory.held(), BYTES);
            assert_eq!(next(&mut body).await.len(), PIECE_BYTES);
            assert_eq!(memory.held(), BYTES);
            assert_eq!(next(&mut body).await.len(), PIECE_BYTES / 2);
        }
        assert_eq!(memory.held(), 0);
    }
}
