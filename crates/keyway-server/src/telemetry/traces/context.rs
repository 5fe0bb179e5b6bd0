//! Which trace a span belongs to, and which span it is: W3C's trace context.

use http::{HeaderMap, HeaderName};

use crate::entropy::random_ahead;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// The flag that says that a trace's spans are told.
const SAMPLED: u8 = 1;
/// A version that there will never be.
const NO_VERSION: &str = "ff";
/// What a `traceparent` has, in the only version that there is and at the beginning of every later one.
const LENGTH: usize = 55;

/// A span's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SpanContext {
    pub(super) trace: u128,
    pub(super) span: u64,
    pub(super) is_sampled: bool,
}

impl SpanContext {
    /// What the client's trace is. Its `tracestate` is not gone on with: it is any text, and long.
    pub(super) fn of_client(headers: &HeaderMap) -> Option<Self> {
        Self::parse(headers.get(TRACEPARENT)?.to_str().ok()?.trim())
    }

    fn parse(text: &str) -> Option<Self> {
        let is_known = text.get(..3)? == "00-";
        let (said, more) = text.split_at_checked(LENGTH)?;
        if text.starts_with(NO_VERSION) || !(more.is_empty() || !is_known && more.starts_with('-'))
        {
            return None;
        }
        let mut parts = said.split('-');
        let mut number = |digits: usize| {
            let part = parts.next().filter(|part| part.len() == digits)?;
            let is_hex = part.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
            is_hex.then(|| u128::from_str_radix(part, 16).ok()).flatten()
        };
        let (_, trace, span, flags) = (number(2)?, number(32)?, number(16)?, number(2)?);
        let is_sampled = flags & u128::from(SAMPLED) != 0;
        let span = u64::try_from(span).ok()?;
        (trace != 0 && span != 0).then_some(Self { trace, span, is_sampled })
    }

    pub(super) const fn flags(self) -> u8 {
        if self.is_sampled { SAMPLED } else { 0 }
    }

    /// What tells a provider which trace its own spans belong to.
    pub(super) fn traceparent(self) -> String {
        format!("00-{:032x}-{:016x}-{:02x}", self.trace, self.span, self.flags())
    }
}

/// What a trace is called that begins here. None is called nothing.
pub(super) fn new_trace() -> u128 {
    u128::from_ne_bytes(random_ahead()).max(1)
}

pub(super) fn new_span() -> u64 {
    u64::from_ne_bytes(random_ahead()).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    #[test]
    fn a_traceparent_is_read_as_it_is_written() {
        for flags in ["00", "01"] {
            let text = format!("00-{TRACE}-{SPAN}-{flags}");
            let context = SpanContext::parse(&text).expect("a context");
            assert_eq!((context.traceparent(), context.is_sampled), (text, flags == "01"));
        }
        let later = SpanContext::parse(&format!("cc-{TRACE}-{SPAN}-03-more"));
        assert_eq!(later.map(SpanContext::traceparent), Some(format!("00-{TRACE}-{SPAN}-01")));
    }

    #[test]
    fn what_is_no_traceparent_is_none() {
        let (no_trace, no_span) = ("0".repeat(32), "0".repeat(16));
        for text in [
            String::new(),
            "00-".to_owned(),
            "ü".repeat(28),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("cc-{TRACE}-{SPAN}-01more"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("00-{no_trace}-{SPAN}-01"),
            format!("00-{TRACE}-{no_span}-01"),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-+{}-{SPAN}-01", &TRACE[1..]),
            format!("00-{SPAN}-{TRACE}-01"),
        ] {
            assert_eq!(SpanContext::parse(&text), None, "{text}");
        }
    }
}
