//! A streamed answer of Bedrock's, event by event. It has no last word: it ends where it is closed.

use serde_json::Value;

use super::answer::{counted, reason, take_thought};
use crate::aws::Message;
use crate::chat::{AnswerError, Said, StreamEvent, counted_alone, message_of};
use crate::json::parse_lenient;

/// What has to be known of earlier events. One block is open at a time, so that it does not grow.
#[derive(Debug, Default)]
pub(crate) struct Events {
    /// Who speaks was said.
    begun: bool,
    calls: u64,
    /// The call whose arguments come, and whether any came.
    open_call: Option<(u64, bool)>,
}

impl Events {
    /// Reads one message; `None` where there is nothing to pass on.
    pub(crate) fn read(&mut self, message: &Message) -> Result<Option<StreamEvent>, AnswerError> {
        let Some(kind) = message.event() else { return Ok(Some(failure(message))) };
        let event = parse_lenient(message.payload())
            .map_err(|error| AnswerError::Malformed(format!("an event {error}")))?;
        Ok(match kind {
            "contentBlockStart" => self.call(&event),
            "contentBlockDelta" => self.delta(&event),
            "contentBlockStop" => self.close_call(),
            "messageStop" => self.end(&event),
            "metadata" => event.get("usage").and_then(counted).map(counted_alone),
            _ => None,
        })
    }

    fn call(&mut self, event: &Value) -> Option<StreamEvent> {
        let call = event.get("start")?.get("toolUse")?;
        let field = |name: &str| call.get(name).and_then(Value::as_str).unwrap_or_default();
        let mut said = Said::default();
        said.call(self.calls, field("toolUseId"), field("name"), "");
        self.open_call = Some((self.calls, false));
        self.calls += 1;
        Some(self.say(said))
    }

    fn delta(&mut self, event: &Value) -> Option<StreamEvent> {
        let delta = event.get("delta")?;
        let index = event.get("contentBlockIndex").and_then(Value::as_u64).unwrap_or(0);
        let mut said = Said::default();
        if let Some(text) = delta.get("text").and_then(Value::as_str) {
            said.text(text);
        } else if let Some(thought) = delta.get("reasoningContent") {
            take_thought(thought, index, &mut said);
        } else {
            let piece = delta.get("toolUse")?.get("input")?.as_str()?;
            let (call, any) = self.open_call.as_mut()?;
            *any |= !piece.is_empty();
            said.arguments(*call, piece);
        }
        Some(self.say(said))
    }

    /// A call without arguments gets an empty object: no JSON at all cannot be read.
    fn close_call(&mut self) -> Option<StreamEvent> {
        let (call, any) = self.open_call.take()?;
        let mut said = Said::default();
        said.arguments(call, "{}");
        (!any).then(|| self.say(said))
    }

    /// What was counted comes behind the end.
    fn end(&mut self, event: &Value) -> Option<StreamEvent> {
        let reason = reason(event.get("stopReason")?.as_str()?);
        let first = !std::mem::replace(&mut self.begun, true);
        Some(Said::default().into_chunk(first, Some(&reason), None))
    }

    fn say(&mut self, said: Said) -> StreamEvent {
        let first = !std::mem::replace(&mut self.begun, true);
        said.into_chunk(first, None, None)
    }
}

fn failure(message: &Message) -> StreamEvent {
    let code = match message.exception().unwrap_or_default() {
        "validationException" => Some(400),
        "throttlingException" => Some(429),
        "serviceUnavailableException" => Some(503),
        "modelTimeoutException" => Some(504),
        _ => None,
    };
    let said = message_of(message.payload());
    let said = said.unwrap_or_else(|| "The provider broke off its answer".to_owned());
    StreamEvent::Error { code, message: said }
}
