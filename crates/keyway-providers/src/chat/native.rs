//! What clients and providers that speak one dialect say to each other, kept beside what it means: it
//! is passed on as it came, with fields and events that nobody here knows.

use serde_json::{Map, Value};

use super::{Chunk, RequestError, StreamEvent};
use crate::json::parse_lenient;

/// Bytes of events that wait for one that means something to the gateway.
const WAITING_BYTES_MAX: usize = 256 * 1024;

/// A dialect that clients and providers have in common, besides the form in the middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tongue {
    /// Anthropic's Messages.
    Messages,
    /// OpenAI's Responses.
    Responses,
    /// OpenAI's first completions, which are all text.
    Completions,
}

/// A request as its client said it.
#[derive(Clone, Debug)]
pub(crate) struct Native {
    pub(crate) tongue: Tongue,
    pub(crate) said: Map<String, Value>,
    /// What of it the form in the middle has no word for: only a provider that speaks it can have it.
    pub(crate) untranslated: Option<RequestError>,
    /// What its translation says nothing of, and may be longer for a model than it looks.
    pub(crate) left_out: Option<String>,
}

/// The events of a stream as they came, on their way beside what they mean.
#[derive(Debug, Default)]
pub(crate) struct Natives {
    waiting: Vec<Map<String, Value>>,
    bytes: usize,
}

impl Natives {
    /// Takes the data of an event, and what it means; answers what there is to pass on.
    pub(crate) fn take(&mut self, data: &str, means: Option<StreamEvent>) -> Option<StreamEvent> {
        if let Ok(Value::Object(event)) = parse_lenient(data.as_bytes()) {
            self.waiting.push(event);
            self.bytes += data.len();
        }
        match means {
            Some(StreamEvent::Chunk(chunk)) => Some(StreamEvent::Chunk(self.all_with(chunk))),
            // Not too many wait: what nobody here knows may be long.
            None if self.bytes > WAITING_BYTES_MAX => {
                Some(StreamEvent::Chunk(self.all_with(Chunk::silent())))
            }
            other => other,
        }
    }

    fn all_with(&mut self, chunk: Chunk) -> Chunk {
        let bytes = std::mem::take(&mut self.bytes) as u64;
        chunk.with_natives(std::mem::take(&mut self.waiting), bytes)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn not_too_much_waits() {
        let mut natives = Natives::default();
        let event = json!({"type": "new", "text": "x".repeat(1024)}).to_string();
        let told = (0..1000).filter_map(|_| match natives.take(&event, None)? {
            StreamEvent::Chunk(chunk) => Some(chunk.native_bytes()),
            _ => None,
        });
        let told: Vec<u64> = told.collect();
        assert!((1..10).contains(&told.len()), "{told:?}");
        let all = told.iter().sum::<u64>() + natives.bytes as u64;
        assert_eq!(all, 1000 * event.len() as u64);
        assert!(natives.bytes <= WAITING_BYTES_MAX);
    }
}
