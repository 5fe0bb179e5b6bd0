//! The pump: a streamed answer from its provider to its client.
//!
//! Nothing is delivered beyond what is durably authorised, and the usage event waits for the charge.
//! When the client goes away the pump reads on, within bounds, to learn what the provider bills.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use http::StatusCode;
use keyway_core::ledger::Ending;
use keyway_providers::chat::{About, Chunk, StreamEvent};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::broken::Break;
use super::choices::Choices;
use super::client::KEEP_ALIVE;
use super::exchange::{Ended, Exchange};
use super::meter::Late;
use super::outlet::{Offered, Outlet};
use super::pass::Halt;
use super::recording::Failure as Recorded;
use super::tally::Tally;
use super::upstream::{ChunkStream, Failure};
use crate::alarm::Alarm;
use crate::telemetry::metrics::Gate;

/// Completion tokens that are authorised ahead of delivery, each time. After a crash an answer is
/// charged at most this much beyond what was delivered.
pub(super) const AUTHORISE_TOKENS: u64 = 1_024;
/// How long, and over how many bytes of output, usage is waited for when the client has left.
const DRAIN_TIME_MAX: Duration = Duration::from_mins(2);
const DRAIN_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// One streamed answer in motion.
pub(super) struct Pump<'a> {
    exchange: &'a mut Exchange,
    /// `None` once the client has left.
    client: Option<Outlet>,
    /// Whatever ends the flow from outside. Made once: each piece would register anew for all of it.
    halted: BoxFuture<'static, Break>,
    /// When a client that hears nothing is told to wait on, and one that left is not waited for.
    alarm: Alarm,
    quiet_since: Instant,
    drain_until: Option<Instant>,
    drained_bytes: u64,
    /// Completion tokens up to which delivery is durably authorised.
    authorised_tokens: u64,
    /// UTF-8 bytes of output that the provider sent, and that the client was given.
    received_bytes: u64,
    delivered_bytes: u64,
    /// Bytes of the events that are passed on as they came.
    event_bytes: u64,
    /// Chunks with output that the client was given.
    delivered_chunks: u64,
    tally: Tally,
    choices: Choices,
    /// Whether the provider said everything.
    is_whole: bool,
    about: About,
}

enum Step {
    Event(Result<Option<StreamEvent>, Failure>),
    Cut(Break),
    DrainedEnough,
}

/// The first-byte gate: durably marks the request as being answered.
pub(super) async fn open(exchange: &Exchange) -> Result<(), Halt> {
    let began = exchange.app.metrics.start();
    // As much is held from the beginning.
    mark(exchange, AUTHORISE_TOKENS).await?;
    exchange.pass.check().await?;
    exchange.app.metrics.waited(Gate::First, began);
    Ok(())
}

/// Durably authorises delivery of `tokens`.
async fn mark(exchange: &Exchange, tokens: u64) -> Result<(), Halt> {
    let amount = exchange.bound.cost_up_to(tokens);
    exchange.app.meter.authorise(&exchange.metered, amount).await.map_err(Halt::Store)
}

impl<'a> Pump<'a> {
    /// Goes on from the gate, behind which up to [`AUTHORISE_TOKENS`] are authorised.
    pub(super) fn new(exchange: &'a mut Exchange, client: Outlet) -> Self {
        Self {
            halted: halted(exchange),
            exchange,
            client: Some(client),
            alarm: Alarm::default(),
            quiet_since: Instant::now(),
            drain_until: None,
            drained_bytes: 0,
            authorised_tokens: AUTHORISE_TOKENS,
            received_bytes: 0,
            delivered_bytes: 0,
            event_bytes: 0,
            delivered_chunks: 0,
            tally: Tally::default(),
            choices: Choices::default(),
            is_whole: false,
            about: About::default(),
        }
    }

    /// Pumps to the end, settles, and gives the last byte.
    pub(super) async fn run(&mut self, mut stream: ChunkStream) {
        let flow = self.flow(&mut stream).await;
        drop(stream);
        // Larger than all that a stream needs until it ends.
        Box::pin(self.finish(flow)).await;
    }

    /// Settles, and gives the last byte.
    async fn finish(&mut self, flow: Result<(), Break>) {
        let ending = match &flow {
            Ok(()) if self.client.is_none() => Ending::ClientLeft,
            Ok(()) => Ending::Completed,
            Err(broken) => broken.ending(),
        };
        if let Err(Break::Failed { ending: Ending::ProviderFailed, status, message, .. }) = &flow {
            self.exchange.record_failure(Recorded::said(*status, message));
        }
        let ended = self.ended(ending);
        self.hold_what_was_used(&ended).await;
        let last = match (self.exchange.settle(ended, Late::Charge).await, flow) {
            (Ok(receipt), Ok(())) => self.exchange.closing_events(&receipt),
            (Ok(receipt), Err(Break::Limit(refusal))) => {
                let mut last = BytesMut::from(self.exchange.limit_event(&refusal));
                last.extend_from_slice(&self.exchange.closing_events(&receipt));
                last.freeze()
            }
            (_, Err(Break::Failed { status, message, error_type, .. })) => {
                self.exchange.error_event(status, &message, error_type)
            }
            (Err(_), Ok(()) | Err(Break::Limit(_))) => {
                let message = "The answer's charge could not be recorded in time; it will be.";
                self.exchange.error_event(StatusCode::SERVICE_UNAVAILABLE, message, "server")
            }
        };
        self.end(last).await;
    }

    async fn flow(&mut self, stream: &mut ChunkStream) -> Result<(), Break> {
        loop {
            // What is always there, as an echo that nobody hears, would keep the lane from others.
            tokio::task::consume_budget().await;
            let event = match self.step(stream).await {
                Step::Event(Ok(event)) => event,
                Step::Event(Err(failure)) => {
                    return Err(Break::provider(failure.status, failure.message));
                }
                Step::Cut(broken) => return Err(broken),
                Step::DrainedEnough => return Ok(()),
            };
            match event {
                Some(StreamEvent::Chunk(chunk)) => self.pass(chunk).await?,
                Some(StreamEvent::Error { code, message }) => {
                    let status = code.and_then(|code| StatusCode::from_u16(code).ok());
                    return Err(Break::provider(status, message));
                }
                Some(StreamEvent::Done) => return self.complete(),
                None if self.choices.all_ended() => return self.complete(),
                None => {
                    let message = "The provider broke off its answer".to_owned();
                    return Err(Break::provider(None, message));
                }
            }
        }
    }

    fn complete(&mut self) -> Result<(), Break> {
        self.is_whole = true;
        if self.choices.all_failed() {
            let message = "The provider ended its answer with an error".to_owned();
            return Err(Break::provider(None, message));
        }
        Ok(())
    }

    /// Waits for the next event, and tells a waiting client meanwhile that there will be one.
    async fn step(&mut self, stream: &mut ChunkStream) -> Step {
        loop {
            let step = poll_fn(|cx| self.poll_step(stream, cx)).await;
            self.quiet_since = Instant::now();
            if let Some(step) = step {
                return step;
            }
            if let Err(broken) = self.give(self.exchange.voice.keep_alive()).await {
                return Step::Cut(broken);
            }
        }
    }

    /// `None` where a client that waits has heard nothing for long.
    fn poll_step(&mut self, stream: &mut ChunkStream, cx: &mut Context<'_>) -> Poll<Option<Step>> {
        if let Poll::Ready(broken) = self.halted.as_mut().poll(cx) {
            return Poll::Ready(Some(Step::Cut(broken)));
        }
        // Nothing more is billed of a rolling one from here on, and nothing more is held.
        let is_drained = self.exchange.rolling || self.drained_bytes > DRAIN_BYTES_MAX;
        if self.client.is_none() && is_drained {
            return Poll::Ready(Some(Step::DrainedEnough));
        }
        if let Poll::Ready(event) = stream.poll_next(cx) {
            return Poll::Ready(Some(Step::Event(event)));
        }
        if self.client.as_ref().is_some_and(|client| client.poll_closed(cx).is_ready()) {
            self.client_left();
            // What that changes is looked at from the beginning.
            return self.poll_step(stream, cx);
        }
        let deadline = self.drain_until.unwrap_or(self.quiet_since + KEEP_ALIVE);
        let waits = self.client.is_some();
        self.alarm.poll(deadline, cx).map(|()| (!waits).then_some(Step::DrainedEnough))
    }

    /// Passes one chunk on, once it is authorised. What it says of usage stays here.
    async fn pass(&mut self, chunk: Chunk) -> Result<(), Break> {
        chunk.tell(&mut self.about);
        self.exchange.recording.iter_mut().for_each(|it| it.hear_chunk(&chunk));
        let bytes = chunk.output_bytes();
        self.received_bytes = self.received_bytes.saturating_add(bytes);
        self.event_bytes = self.event_bytes.saturating_add(chunk.native_bytes());
        self.choices.learn(&chunk);
        self.tally.learn(&chunk, self.received_bytes, self.choices.all_ended());
        if self.client.is_none() {
            self.drained_bytes = self.drained_bytes.saturating_add(bytes);
        }
        let bound = &self.exchange.bound;
        if self.received_bytes > bound.bytes_max() || self.event_bytes > bound.event_bytes_max() {
            let message = "The provider said more than it was asked for, without an end";
            return Err(Break::provider(None, message.to_owned()));
        }
        if !chunk.carries_choices() || self.client.is_none() {
            return Ok(());
        }
        let delivered = self.delivered_bytes.saturating_add(bytes);
        let chunks = self.delivered_chunks.saturating_add(u64::from(bytes > 0));
        // So many tokens cover what will have been delivered.
        let tokens = self.exchange.tokens(delivered, chunks);
        if tokens > self.authorised_tokens {
            let ahead = Box::pin(self.exchange.hold_ahead(tokens)).await?;
            Box::pin(self.authorise(ahead)).await?;
        }
        let events = self.exchange.voice.chunk(chunk, &self.exchange.envelope);
        if events.is_empty() || self.give(events).await? {
            (self.delivered_bytes, self.delivered_chunks) = (delivered, chunks);
        }
        Ok(())
    }

    async fn authorise(&mut self, tokens: u64) -> Result<(), Halt> {
        // From the whole bound on there is nothing more to authorise.
        if self.authorised_tokens < self.exchange.bound.usage.completion_tokens.max(1) {
            mark(self.exchange, tokens).await?;
        }
        self.exchange.pass.check().await?;
        self.authorised_tokens = tokens;
        Ok(())
    }

    /// A rolling reservation may be too small for what the provider counted: then as much as can be had
    /// is held before it is charged.
    async fn hold_what_was_used(&mut self, ended: &Ended) {
        if ended.free {
            return;
        }
        let used = self.exchange.used(ended);
        if self.exchange.rolling && self.exchange.hold(used.completion_tokens).await.is_err() {
            tracing::debug!(id = %self.exchange.metered.id, "more was counted than could be held");
        }
    }

    /// Answers whether the client has it, or will when it reads on.
    async fn give(&mut self, bytes: Bytes) -> Result<bool, Break> {
        let Some(client) = &self.client else { return Ok(false) };
        let given = match client.offer(bytes) {
            Offered::Taken => return Ok(true),
            Offered::Left => false,
            Offered::Full(bytes) => {
                let patience = self.exchange.app.edge.limits.write_timeout;
                tokio::select! {
                    biased;
                    broken = &mut self.halted => return Err(broken),
                    given = client.send(bytes, patience) => given,
                }
            }
        };
        if !given {
            self.client_left();
        }
        Ok(given)
    }

    /// The last word: a client that does not read what came before it does not hear it.
    async fn end(&mut self, bytes: Bytes) {
        let Some(client) = &self.client else { return };
        let cut = self.exchange.app.cut.clone();
        let patience = self.exchange.app.edge.limits.write_timeout;
        tokio::select! {
            biased;
            _ = client.send(bytes, patience) => {}
            _ = self.exchange.pass.revoked() => {}
            () = cut.cancelled() => {}
        }
    }

    fn client_left(&mut self) {
        self.client = None;
        // What was asked is billed on, whatever becomes of the key.
        self.halted = Box::pin(stopped(self.exchange.app.cut.clone()));
        self.drain_until = Some(Instant::now() + DRAIN_TIME_MAX);
    }

    fn ended(&mut self, ending: Ending) -> Ended {
        let (usage, provider_cost) = match self.tally.whole(self.is_whole) {
            Some((usage, cost)) => (Some(usage), cost),
            None => (None, None),
        };
        let counted_nothing = match usage {
            Some(usage) => usage.completion_tokens == 0,
            None => ending == Ending::Completed,
        };
        let nothing_said =
            self.received_bytes == 0 && !self.choices.any_ended_well() && counted_nothing;
        let cut = matches!(ending, Ending::Stopped | Ending::Revoked | Ending::LimitReached)
            || (self.exchange.rolling && ending == Ending::ClientLeft);
        let nothing_given = ending == Ending::Revoked && self.delivered_bytes == 0;
        Ended {
            ending,
            usage,
            so_far: self.tally.so_far(),
            provider_cost,
            output_bytes: if cut { self.delivered_bytes } else { self.received_bytes },
            free: ending == Ending::ProviderFailed || nothing_said || nothing_given,
            about: std::mem::take(&mut self.about),
        }
    }
}

/// Waits until the key is not valid any more, or nothing may go on.
fn halted(exchange: &Exchange) -> BoxFuture<'static, Break> {
    let (pass, stopped) = (Arc::clone(&exchange.pass), stopped(exchange.app.cut.clone()));
    Box::pin(async move {
        tokio::select! {
            biased;
            halt = pass.revoked() => halt.into(),
            broken = stopped => broken,
        }
    })
}

async fn stopped(cut: CancellationToken) -> Break {
    cut.cancelled().await;
    Break::stopped("The gateway is shutting down")
}
