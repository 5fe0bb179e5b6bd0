//! The built-in model, in time: `keyway_providers::echo` says what, this says when.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::StatusCode;
use keyway_providers::chat::{Answer, ChatRequest, StreamEvent};
use keyway_providers::echo::{Chunks, Echo};
use tokio::time::Instant;

use super::{ANSWER_TIMEOUT, Failure, timed_out};
use crate::alarm::Alarm;

/// A streamed echo.
#[derive(Debug)]
pub(in crate::relay) struct EchoStream {
    chunks: Chunks,
    /// Before the next chunk.
    pause: Duration,
    /// When that is over, once it has begun.
    over: Option<Instant>,
    alarm: Alarm,
    each: Duration,
    /// Chunks until it breaks off.
    cut_after: Option<u64>,
}

/// The whole answer, after the time that its stream would take.
pub(super) async fn answer(request: &ChatRequest) -> Result<Answer, Failure> {
    let echo = open(request)?;
    let tokens = echo.usage().completion_tokens;
    // It breaks off before it says why it ends, so an answer that is just as long does not end either.
    let cut_after = echo.cut_after().filter(|cut_after| *cut_after <= tokens);
    let spoken = cut_after.unwrap_or(tokens);
    let millis = echo.first_ms().saturating_add(echo.each_ms().saturating_mul(spoken));
    let pause = Duration::from_millis(millis);
    if pause > ANSWER_TIMEOUT {
        return Err(timed_out());
    }
    tokio::time::sleep(pause).await;
    if cut_after.is_some() { Err(cut()) } else { Ok(echo.answer()) }
}

impl EchoStream {
    pub(super) fn open(request: &ChatRequest) -> Result<Self, Failure> {
        let echo = open(request)?;
        Ok(Self {
            chunks: echo.chunks(),
            pause: Duration::from_millis(echo.first_ms()),
            over: None,
            alarm: Alarm::default(),
            each: Duration::from_millis(echo.each_ms()),
            cut_after: echo.cut_after(),
        })
    }

    pub(super) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<StreamEvent>, Failure>> {
        if self.cut_after == Some(0) {
            return Poll::Ready(Err(cut()));
        }
        ready!(self.poll_pause(cx));
        self.cut_after = self.cut_after.map(|left| left - 1);
        Poll::Ready(Ok(self.chunks.next().map(StreamEvent::Chunk)))
    }

    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.pause.is_zero() {
            let over = *self.over.get_or_insert_with(|| Instant::now() + self.pause);
            ready!(self.alarm.poll(over, cx));
        }
        (self.pause, self.over) = (self.each, None);
        Poll::Ready(())
    }
}

fn open(request: &ChatRequest) -> Result<Echo, Failure> {
    let echo = Echo::of(request).map_err(|error| Failure::new(error.message))?;
    match echo.fail().and_then(|status| StatusCode::from_u16(status).ok()) {
        Some(status) => {
            Err(Failure { status: Some(status), ..Failure::new("The echo was told to fail") })
        }
        None => Ok(echo),
    }
}

fn cut() -> Failure {
    Failure::new("The echo was told to break off")
}
