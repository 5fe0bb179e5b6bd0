//! A client's socket that does not wait for ever.
//!
//! Everything that a client can keep waiting passes here, whatever protocol it speaks and also
//! before that is known: the head of a request that does not come, a connection that nothing is
//! asked on, an answer that is not read. Bodies have their own time (`body`).

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::parting::Partings;
use super::presence::Presence;
use crate::alarm::Alarm;
use crate::config::ServerLimits;
use crate::ear::Ear;

/// How HTTP/2 begins; no method of HTTP/1 that is served here does.
const HTTP2: &[u8] = b"PRI";

/// How long each thing may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) head: Duration,
    pub(super) idle: Duration,
    pub(super) write: Duration,
}

#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    ear: Ear,
    presence: Arc<Presence>,
    patience: Patience,
    partings: Partings,
    /// How much was said of what is said in the place of something else.
    in_place: usize,
    reading: Reading,
    read_alarm: Alarm,
    /// Since when the client leaves unread what it was sent.
    unread_since: Option<Instant>,
    write_alarm: Alarm,
}

/// What is waited for while no request runs.
#[derive(Debug, Default)]
struct Reading {
    /// Requests that had begun at the last look.
    begun: usize,
    /// Whether something of the next head is here.
    heard: bool,
    is_http2: bool,
    since: Option<Instant>,
}

impl From<&ServerLimits> for Patience {
    fn from(limits: &ServerLimits) -> Self {
        Self { head: limits.head_timeout, idle: limits.idle_timeout, write: limits.write_timeout }
    }
}

impl Socket {
    pub(super) fn new(
        stream: TcpStream,
        presence: Arc<Presence>,
        patience: Patience,
        partings: Partings,
    ) -> Self {
        Self {
            stream,
            ear: Ear::default(),
            presence,
            patience,
            partings,
            in_place: 0,
            reading: Reading::default(),
            read_alarm: Alarm::default(),
            unread_since: None,
            write_alarm: Alarm::default(),
        }
    }

    /// Waits for the first bytes, and looks whether they cannot be the beginning of HTTP/2. They are left
    /// to be read.
    pub(super) async fn begins_as_http1(&mut self) -> io::Result<bool> {
        let mut first = [0; HTTP2.len()];
        poll_fn(|cx| {
            let mut first = ReadBuf::new(&mut first);
            match self.stream.poll_peek(cx, &mut first) {
                Poll::Ready(peeked) => {
                    Poll::Ready(peeked.map(|_| !HTTP2.starts_with(first.filled())))
                }
                Poll::Pending => self.poll_silence(cx).map(Err),
            }
        })
        .await
    }

    fn heard(&mut self, bytes: &[u8]) {
        if self.presence.is_busy() || bytes.is_empty() {
            return;
        }
        let begun = self.presence.begun();
        let reading = &mut self.reading;
        reading.go_on(begun);
        if begun == 0 && !reading.heard && bytes.starts_with(HTTP2) {
            reading.is_http2 = true;
            // Its requests end in tasks of their own, which may be while the alarm goes off.
            self.presence.is_minded_until(None);
        }
        // What HTTP/2 says beside requests, as whether the other end is still there, is no head.
        if !reading.heard && !reading.is_http2 {
            reading.heard = true;
            // From the beginning of a connection on, its first head is waited for.
            if begun > 0 {
                reading.since = None;
            }
        }
    }

    /// Whether nothing came for too long.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        if self.presence.is_busy() {
            return Poll::Pending;
        }
        let begun = self.presence.begun();
        let reading = &mut self.reading;
        reading.go_on(begun);
        let waits_for_head = reading.heard || begun == 0;
        let patience = if waits_for_head { self.patience.head } else { self.patience.idle };
        // The first head is waited for from the beginning of a connection on, a later one from its own.
        let begins_now = reading.heard && begun > 0;
        let begins = || if begins_now { Instant::now() } else { self.presence.silent_since() };
        let since = *reading.since.get_or_insert_with(begins);
        if self.read_alarm.poll(since + patience, cx).is_pending() {
            let minds = !reading.is_http2 && patience <= self.patience.idle;
            let minded_until = self.read_alarm.deadline().filter(|_| minds);
            self.presence.is_minded_until(minded_until);
            return Poll::Pending;
        }
        if self.reading.heard && self.unread_since.is_none() {
            // Nothing else is on its way to the client: no answer was begun.
            let _ = self.stream.try_write(&self.partings.timed_out);
        }
        Poll::Ready(io::ErrorKind::TimedOut.into())
    }

    /// Says something else in the place of `bytes`, where they answer a head that could not be taken.
    fn poll_in_place(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Option<Poll<io::Result<usize>>> {
        if self.presence.is_busy() || self.reading.is_http2 {
            return None;
        }
        let words = self.partings.in_place_of(bytes)?;
        while self.in_place < words.len() {
            match Pin::new(&mut self.stream).poll_write(cx, &words[self.in_place..]) {
                Poll::Ready(Ok(count)) => self.in_place += count,
                other => return Some(other),
            }
        }
        Some(Poll::Ready(Ok(bytes.len())))
    }

    /// Passes on how writing went, unless the client read nothing for too long.
    fn written<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.unread_since = None;
            return written;
        }
        let since = *self.unread_since.get_or_insert_with(Instant::now);
        self.write_alarm
            .poll(since + self.patience.write, cx)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl Reading {
    /// Waits for something else than before, where requests began meanwhile.
    fn go_on(&mut self, begun: usize) {
        if self.begun != begun {
            (self.begun, self.heard, self.since) = (begun, false, None);
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.presence.is_read_by(cx.waker());
        let before = buffer.filled().len();
        let Self { stream, ear, .. } = &mut *self;
        if let Poll::Ready(read) = ear.hear(cx, |cx| Pin::new(stream).poll_read(cx, buffer)) {
            self.heard(&buffer.filled()[before..]);
            return Poll::Ready(read);
        }
        self.poll_silence(cx).map(Err)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = match self.poll_in_place(cx, bytes) {
            Some(written) => written,
            None => Pin::new(&mut self.stream).poll_write(cx, bytes),
        };
        self.written(written, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = bytes.first().map_or(&[][..], |first| first);
        let written = match self.poll_in_place(cx, first) {
            Some(written) => written,
            None => Pin::new(&mut self.stream).poll_write_vectored(cx, bytes),
        };
        self.written(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
