//! A streamed answer of Anthropic's, event by event.

use serde_json::Value;

use super::answer::{counted, reason, redacted, source, thought};
use crate::chat::{AnswerError, Counted, Said, StreamEvent, message_of};
use crate::json::parse_lenient;

/// What has to be known of earlier events. One block is open at a time, so that it does not grow.
#[derive(Debug, Default)]
pub(crate) struct Events {
    /// What it calls its answer; said with the first piece.
    id: Option<String>,
    /// Who speaks was said.
    begun: bool,
    calls: u64,
    /// The call whose arguments come, and whether any came.
    open_call: Option<(u64, bool)>,
    /// Characters of the text so far, and before the block that is open.
    chars: usize,
    chars_before: usize,
    /// What the block that is open refers to, as far as it was said.
    citations: Vec<Value>,
    /// Of the beginning: what the end does not say again.
    usage: Usage,
}

/// The counts as they were said last.
#[derive(Debug, Default)]
struct Usage(serde_json::Map<String, Value>);

impl Usage {
    fn learn(&mut self, event: Option<&Value>) {
        let said = event.and_then(Value::as_object).into_iter().flatten();
        let counts = said.filter(|(_, value)| !value.is_null());
        for (field, value) in counts.filter(|(field, _)| COUNTS.contains(&field.as_str())) {
            self.0.insert(field.clone(), value.clone());
        }
    }

    fn counted(&self) -> Option<Counted> {
        counted(&Value::Object(self.0.clone()))
    }

    /// Of the prompt alone: so much is known from the beginning.
    fn of_prompt(&self) -> Option<Counted> {
        let mut said = self.0.clone();
        said.insert("output_tokens".into(), 0.into());
        counted(&Value::Object(said))
    }
}

/// Of one block.
const CITATIONS_MAX: usize = 256;

/// Fields of `usage` that are kept from one event to the next.
const COUNTS: [&str; 6] = [
    "input_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "cache_creation",
    "output_tokens",
    "output_tokens_details",
];

impl Events {
    /// Reads the data of one event; `None` where there is nothing to pass on.
    pub(crate) fn read(&mut self, data: &str) -> Result<Option<StreamEvent>, AnswerError> {
        let event = parse_lenient(data.as_bytes())
            .map_err(|error| AnswerError::Malformed(format!("an event {error}")))?;
        let Some(kind) = event.get("type").and_then(Value::as_str) else {
            return Err(AnswerError::Malformed("an event has no type".to_owned()));
        };
        Ok(match kind {
            "message_start" => {
                let message = event.get("message");
                let id = message.and_then(|message| message.get("id")?.as_str());
                self.id = id.map(str::to_owned);
                self.usage.learn(message.and_then(|message| message.get("usage")));
                // Nothing was said by then. It must not stand for the answer's, where the end counts none.
                self.usage.0.shift_remove("output_tokens");
                None
            }
            "content_block_start" => self.block(&event),
            "content_block_delta" => self.delta(&event),
            "content_block_stop" if !self.citations.is_empty() => self.cite(),
            "content_block_stop" => self.close_call(),
            "message_delta" => self.end(&event),
            "message_stop" => Some(StreamEvent::Done),
            "error" => Some(failure(&event, data)),
            // A ping, or something new, which clients are told to ignore.
            _ => None,
        })
    }

    fn block(&mut self, event: &Value) -> Option<StreamEvent> {
        let (block, index) = (event.get("content_block")?, index(event));
        let field = |name: &str| block.get(name).and_then(Value::as_str).unwrap_or_default();
        let mut said = Said::default();
        self.chars_before = self.chars;
        match field("type") {
            "text" => {
                let text = Some(field("text")).filter(|text| !text.is_empty())?;
                self.chars += text.chars().count();
                said.text(text);
            }
            "thinking" if field("thinking").is_empty() => return None,
            "thinking" => said.think(field("thinking"), thought(block, index)),
            "redacted_thinking" => said.detail(redacted(block, index)),
            "tool_use" => {
                said.call(self.calls, field("id"), field("name"), "");
                self.open_call = Some((self.calls, false));
                self.calls += 1;
            }
            _ => return None,
        }
        Some(self.say(said))
    }

    fn delta(&mut self, event: &Value) -> Option<StreamEvent> {
        let (delta, index) = (event.get("delta")?, index(event));
        let field = |name: &str| delta.get(name).and_then(Value::as_str).unwrap_or_default();
        let mut said = Said::default();
        match field("type") {
            "text_delta" => {
                self.chars += field("text").chars().count();
                said.text(field("text"));
            }
            "citations_delta" if self.citations.len() < CITATIONS_MAX => {
                self.citations.extend(delta.get("citation").cloned());
                return None;
            }
            "thinking_delta" => said.think(field("thinking"), thought(delta, index)),
            "signature_delta" => said.detail(thought(delta, index)),
            "input_json_delta" => {
                let piece = Some(field("partial_json")).filter(|piece| !piece.is_empty())?;
                let (call, any) = self.open_call.as_mut()?;
                *any = true;
                said.arguments(*call, piece);
            }
            _ => return None,
        }
        Some(self.say(said))
    }

    /// A block of text ends, and with it what refers to something.
    fn cite(&mut self) -> Option<StreamEvent> {
        let mut said = Said::default();
        let span = (self.chars_before, self.chars);
        for citation in std::mem::take(&mut self.citations) {
            if let Some(source) = source(&citation) {
                said.cite(&source, span);
            }
        }
        (!said.is_empty()).then(|| self.say(said))
    }

    /// A call without arguments gets an empty object: no JSON at all cannot be read.
    fn close_call(&mut self) -> Option<StreamEvent> {
        let (call, any) = self.open_call.take()?;
        let mut said = Said::default();
        said.arguments(call, "{}");
        (!any).then(|| self.say(said))
    }

    /// The end, with what was counted. Before it `usage` counts one token, or a few, of no answer.
    fn end(&mut self, event: &Value) -> Option<StreamEvent> {
        self.usage.learn(event.get("usage"));
        let native = event.get("delta")?.get("stop_reason")?.as_str()?;
        let first = !std::mem::replace(&mut self.begun, true);
        let mut said = Said::default();
        said.identify(self.id.take().as_deref());
        Some(said.into_chunk(first, Some(&reason(native)), self.usage.counted()))
    }

    fn say(&mut self, mut said: Said) -> StreamEvent {
        let first = !std::mem::replace(&mut self.begun, true);
        said.identify(self.id.take().as_deref());
        match said.into_chunk(first, None, None) {
            StreamEvent::Chunk(chunk) if first => {
                StreamEvent::Chunk(chunk.with_so_far(self.usage.of_prompt()))
            }
            event => event,
        }
    }
}

fn index(event: &Value) -> u64 {
    event.get("index").and_then(Value::as_u64).unwrap_or(0)
}

fn failure(event: &Value, data: &str) -> StreamEvent {
    let kind = event.get("error").and_then(|error| error.get("type")?.as_str());
    let code = kind.and_then(|kind| {
        Some(match kind {
            "invalid_request_error" => 400,
            "authentication_error" => 401,
            "billing_error" => 402,
            "permission_error" => 403,
            "not_found_error" => 404,
            "request_too_large" => 413,
            "rate_limit_error" => 429,
            "overloaded_error" => 503,
            "timeout_error" => 504,
            _ => return None,
        })
    });
    let message = message_of(data.as_bytes());
    let message = message.unwrap_or_else(|| "The provider broke off its answer".to_owned());
    StreamEvent::Error { code, message }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_prompt_is_counted_with_the_first_of_the_answer() {
        let mut events = Events::default();
        let usage = json!({"input_tokens": 25, "cache_read_input_tokens": 5, "output_tokens": 1});
        let start = json!({"type": "message_start", "message": {"usage": usage}});
        let said =
            json!({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "a"}});
        assert_eq!(events.read(&start.to_string()), Ok(None));
        for prompt in [Some((30, 5, 0)), None] {
            let Ok(Some(StreamEvent::Chunk(chunk))) = events.read(&said.to_string()) else {
                panic!("no chunk")
            };
            let told = chunk.so_far();
            let told = told.map(|it| (it.prompt_tokens, it.cached_tokens, it.completion_tokens));
            assert_eq!((told, chunk.usage()), (prompt, None));
        }
    }

    #[test]
    fn what_the_beginning_counts_of_the_answer_is_not_its_usage() {
        let start = json!({"type": "message_start",
            "message": {"usage": {"input_tokens": 25, "output_tokens": 1}}});
        let end = |usage: Value| {
            let mut events = Events::default();
            events.read(&start.to_string()).expect("an event");
            let end = json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"},
                "usage": usage});
            match events.read(&end.to_string()) {
                Ok(Some(StreamEvent::Chunk(chunk))) => {
                    chunk.usage().map(|it| (it.prompt_tokens, it.completion_tokens))
                }
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(end(json!({"output_tokens": 40})), Some((25, 40)));
        assert_eq!(end(json!({})), None);
    }
}
