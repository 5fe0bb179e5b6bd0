//! A streamed answer of Cohere's, event by event.

use serde_json::Value;

use super::answer::{cite, counted, reason, take_block, take_call, think};
use crate::chat::{AnswerError, Said, StreamEvent};
use crate::json::parse_lenient;
use crate::sse::DONE;

/// What has to be known of earlier events.
#[derive(Debug, Default)]
pub(crate) struct Events {
    /// What it calls its answer; said with the first piece.
    id: Option<String>,
    /// Who speaks was said.
    begun: bool,
    /// Calls so far; pieces of arguments belong to the last one.
    calls: u64,
}

impl Events {
    /// Reads the data of one event; `None` where there is nothing to pass on.
    pub(crate) fn read(&mut self, data: &str) -> Result<Option<StreamEvent>, AnswerError> {
        if data.trim() == DONE {
            return Ok(Some(StreamEvent::Done));
        }
        let event = parse_lenient(data.as_bytes())
            .map_err(|error| AnswerError::Malformed(format!("an event {error}")))?;
        let Some(kind) = event.get("type").and_then(Value::as_str) else {
            return Err(AnswerError::Malformed("an event has no type".to_owned()));
        };
        let delta = event.get("delta").unwrap_or(&Value::Null);
        let message = delta.get("message").unwrap_or(&Value::Null);
        Ok(match kind {
            "message-start" => {
                self.id = event.get("id").and_then(Value::as_str).map(str::to_owned);
                None
            }
            "content-start" | "content-delta" => self.content(message),
            "tool-plan-delta" => self.plan(message),
            "tool-call-start" => self.call(message),
            "tool-call-delta" => self.arguments(message),
            "message-end" => Some(self.end(delta)),
            "citation-start" => self.citation(message),
            // The ends of blocks.
            _ => None,
        })
    }

    fn content(&mut self, message: &Value) -> Option<StreamEvent> {
        let mut said = Said::default();
        take_block(message.get("content")?, &mut said);
        (!said.is_empty()).then(|| self.say(said))
    }

    fn citation(&mut self, message: &Value) -> Option<StreamEvent> {
        let mut said = Said::default();
        cite(message.get("citations"), &mut said);
        (!said.is_empty()).then(|| self.say(said))
    }

    fn plan(&mut self, message: &Value) -> Option<StreamEvent> {
        let mut said = Said::default();
        think(message.get("tool_plan")?.as_str().filter(|plan| !plan.is_empty())?, &mut said);
        Some(self.say(said))
    }

    fn call(&mut self, message: &Value) -> Option<StreamEvent> {
        let mut said = Said::default();
        take_call(message.get("tool_calls")?, self.calls, &mut said);
        self.calls += 1;
        Some(self.say(said))
    }

    fn arguments(&mut self, message: &Value) -> Option<StreamEvent> {
        let piece = message.get("tool_calls")?.get("function")?.get("arguments")?.as_str()?;
        let mut said = Said::default();
        said.arguments(self.calls.checked_sub(1)?, piece);
        Some(self.say(said))
    }

    fn end(&mut self, delta: &Value) -> StreamEvent {
        if let Some(message) = delta.get("error").and_then(Value::as_str) {
            return StreamEvent::Error { code: None, message: message.to_owned() };
        }
        let reason = delta.get("finish_reason").and_then(Value::as_str).map(reason);
        let first = !std::mem::replace(&mut self.begun, true);
        let usage = delta.get("usage").and_then(counted);
        let mut said = Said::default();
        said.identify(self.id.take().as_deref());
        said.into_chunk(first, reason.as_ref(), usage)
    }

    fn say(&mut self, mut said: Said) -> StreamEvent {
        let first = !std::mem::replace(&mut self.begun, true);
        said.identify(self.id.take().as_deref());
        said.into_chunk(first, None, None)
    }
}
