//! A span, written as what it says becomes known.

use std::fmt;
use std::sync::Arc;

use keyway_core::clock::{Clock, Timestamp};

use super::context::SpanContext;
use super::export::Queue;
use super::sampling::Sampling;
use super::wire::{Message, Value};

/// Fields of a span, and of its status.
const TRACE_ID: u64 = 1;
const SPAN_ID: u64 = 2;
const PARENT_SPAN_ID: u64 = 4;
const NAME: u64 = 5;
const KIND: u64 = 6;
const START: u64 = 7;
const END: u64 = 8;
const ATTRIBUTES: u64 = 9;
const STATUS: u64 = 15;
const FLAGS: u64 = 16;
const STATUS_CODE: u64 = 3;
const STATUS_ERROR: u64 = 2;

/// It is known whether the parent is another process's,
const KNOWN_PARENT: u32 = 0x100;
/// and it is.
const REMOTE_PARENT: u32 = 0x200;

const NANOS_PER_MICRO: u64 = 1_000;
/// What a span takes mostly.
const USUAL_BYTES: usize = 512;

/// What spans are begun and told with.
pub(super) struct Tracer {
    pub(super) queue: Queue,
    pub(super) sampling: Sampling,
    pub(super) clock: Arc<dyn Clock>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SpanKind {
    Internal = 1,
    Server = 2,
    Client = 3,
}

/// What a span is part of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Parent {
    Nothing,
    /// A span of the client's,
    Remote(u64),
    /// or one of ours.
    Local(u64),
}

/// What many spans say alike, written once.
#[derive(Clone, Debug, Default)]
pub(super) struct Preface(Message);

/// A span that is told; it ends when it is dropped.
pub(super) struct Span {
    tracer: Arc<Tracer>,
    message: Message,
    error: Option<String>,
    is_failed: bool,
}

impl Preface {
    pub(super) fn new(kind: SpanKind) -> Self {
        let mut message = Message::default();
        message.number(KIND, kind as u64);
        Self(message)
    }

    pub(super) fn title(&mut self, verb: &str, object: &str) {
        title(&mut self.0, verb, object);
    }

    pub(super) fn says(&mut self, key: &str, value: Value<'_>) {
        self.0.attribute(ATTRIBUTES, key, value);
    }

    #[cfg(test)]
    pub(super) fn as_slice(&self) -> &[u8] {
        self.0.as_slice()
    }
}

impl Tracer {
    /// The span `context` of a trace that is told.
    pub(super) fn span(
        self: &Arc<Self>,
        context: SpanContext,
        parent: Parent,
        since: Timestamp,
        preface: &Preface,
    ) -> Span {
        let mut message = Message::with_capacity(USUAL_BYTES);
        message.bytes(TRACE_ID, &context.trace.to_be_bytes());
        message.bytes(SPAN_ID, &context.span.to_be_bytes());
        if let Parent::Remote(id) | Parent::Local(id) = parent {
            message.bytes(PARENT_SPAN_ID, &id.to_be_bytes());
        }
        let remote = if let Parent::Remote(_) = parent { REMOTE_PARENT } else { 0 };
        message.fixed_32(FLAGS, u32::from(context.flags()) | KNOWN_PARENT | remote);
        message.fixed_64(START, nanos(since));
        message.append(preface.0.as_slice());
        Span { tracer: Arc::clone(self), message, error: None, is_failed: false }
    }
}

impl Span {
    /// What it is called, in two parts.
    pub(super) fn title(&mut self, verb: &str, object: &str) {
        title(&mut self.message, verb, object);
    }

    pub(super) fn says(&mut self, key: &str, value: Value<'_>) {
        self.message.attribute(ATTRIBUTES, key, value);
    }

    pub(super) fn says_text(&mut self, key: &str, text: &str) {
        self.says(key, Value::Text(text));
    }

    /// Why it ended not well, in a word; of several the last one holds.
    pub(super) fn error(&mut self, kind: &str) {
        self.error = Some(kind.to_owned());
    }

    /// Who asks is not to blame for it.
    pub(super) fn fail(&mut self) {
        self.is_failed = true;
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if let Some(kind) = self.error.take() {
            self.says_text("error.type", &kind);
        }
        if self.is_failed {
            let mut status = Message::default();
            status.number(STATUS_CODE, STATUS_ERROR);
            self.message.bytes(STATUS, status.as_slice());
        }
        self.message.fixed_64(END, nanos(self.tracer.clock.now()));
        self.tracer.queue.offer(self.message.as_slice());
    }
}

fn title(message: &mut Message, verb: &str, object: &str) {
    message.open(NAME, verb.len() + 1 + object.len());
    message.append(verb.as_bytes());
    message.append(b" ");
    message.append(object.as_bytes());
}

fn nanos(moment: Timestamp) -> u64 {
    u64::try_from(moment.as_micros()).unwrap_or_default().saturating_mul(NANOS_PER_MICRO)
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracer").finish_non_exhaustive()
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Span").finish_non_exhaustive()
    }
}
