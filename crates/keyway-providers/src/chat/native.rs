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
            Some(StreamEvent::Chunk(chunk)) => {
                Some(StreamEvent::Chunk(chunk.with_natives(self.all())))
            }
            // Not too many wait: what nobody here knows may be long.
            None if self.bytes > WAITING_BYTES_MAX => {
                Some(StreamEvent::Chunk(Chunk::silent().with_natives(self.all())))
            }
            other => other,
        }
    }

    fn all(&mut self) -> Vec<Map<String, Value>> {
        self.bytes = 0;
        std::mem::take(&mut self.waiting)
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
        let passed = (0..1000).filter(|_| natives.take(&event, None).is_some()).count();
        assert!((1..10).contains(&passed), "{passed}");
        assert!(natives.bytes <= WAITING_BYTES_MAX);
    }
}
