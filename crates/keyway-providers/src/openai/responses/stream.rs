//! A streamed response, event by event.

use serde_json::{Map, Value};

use super::answer::{counted, reason, think};
use crate::chat::{AnswerError, Said, StreamEvent, message_of, read_cost};
use crate::json::parse_lenient;
use crate::sse::DONE;

/// What has to be known of earlier events.
#[derive(Debug, Default)]
pub(crate) struct Events {
    /// Who speaks was said.
    begun: bool,
    calls: u64,
}

impl Events {
    /// Reads the data of one event; `None` where it means nothing here.
    pub(crate) fn read(&mut self, data: &str) -> Result<Option<StreamEvent>, AnswerError> {
        if data.trim() == DONE {
            return Ok(Some(StreamEvent::Done));
        }
        let event = parse_lenient(data.as_bytes())
            .map_err(|error| AnswerError::Malformed(format!("an event {error}")))?;
        let Some(kind) = event.get("type").and_then(Value::as_str) else {
            return match event.get("error") {
                Some(error) if !error.is_null() => Ok(Some(failure(error, data))),
                _ => Err(AnswerError::Malformed("an event has no type".to_owned())),
            };
        };
        let mut said = Said::default();
        let delta = event.get("delta").and_then(Value::as_str).unwrap_or_default();
        match kind {
            "response.output_text.delta" | "response.refusal.delta" => said.text(delta),
            "response.reasoning_text.delta" | "response.reasoning_summary_text.delta" => {
                think(delta, &mut said);
            }
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                said.arguments(self.calls.saturating_sub(1), delta);
            }
            "response.output_item.added" => self.call(event.get("item"), &mut said),
            "response.completed" | "response.incomplete" => {
                return Ok(event.get("response").and_then(Value::as_object).map(|it| self.end(it)));
            }
            "response.failed" => {
                let response = event.get("response").unwrap_or(&Value::Null);
                return Ok(Some(failure(response.get("error").unwrap_or(&Value::Null), data)));
            }
            "error" => return Ok(Some(failure(&event, data))),
            // It tells where it is, or is new, which clients are told to ignore.
            _ => {}
        }
        Ok((!said.is_empty()).then(|| self.say(said)))
    }

    fn call(&mut self, item: Option<&Value>, said: &mut Said) {
        let Some(item) = item else { return };
        let field = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
        if matches!(field("type"), "function_call" | "custom_tool_call") {
            said.call(self.calls, field("call_id"), field("name"), "");
            self.calls += 1;
        }
    }

    fn end(&mut self, response: &Map<String, Value>) -> StreamEvent {
        let first = !std::mem::replace(&mut self.begun, true);
        let usage = response.get("usage").unwrap_or(&Value::Null);
        let reason = reason(response, self.calls > 0);
        let end = Said::default().into_chunk(first, reason.as_ref(), counted(usage));
        match end {
            StreamEvent::Chunk(chunk) => StreamEvent::Chunk(chunk.with_cost(read_cost(usage))),
            other => other,
        }
    }

    fn say(&mut self, said: Said) -> StreamEvent {
        let first = !std::mem::replace(&mut self.begun, true);
        said.into_chunk(first, None, None)
    }
}

/// A failure in the middle; its code is a word.
fn failure(error: &Value, data: &str) -> StreamEvent {
    let field = |name: &str| error.get(name).and_then(Value::as_str);
    let code = match field("code") {
        Some("rate_limit_exceeded") => Some(429),
        Some("invalid_prompt" | "invalid_image" | "context_length_exceeded") => Some(400),
        Some("server_is_overloaded" | "slow_down") => Some(503),
        _ => None,
    };
    let message = field("message").map(str::to_owned).or_else(|| message_of(data.as_bytes()));
    let message = message.unwrap_or_else(|| "The provider broke off its answer".to_owned());
    StreamEvent::Error { code, message }
}
