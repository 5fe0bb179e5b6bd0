//! A streamed answer, chunk by chunk.

use keyway_core::pricing::Usage;
use serde_json::{Map, Value, json};

use super::{AnswerError, Envelope, Receipt, finish_reason, read_usage, said_bytes};
use crate::sse::DONE;

/// One event of a provider's stream.
#[derive(Clone, Debug, PartialEq)]
pub enum StreamEvent {
    Chunk(Chunk),
    /// The provider failed in the middle.
    Error {
        code: Option<u16>,
        message: String,
    },
    Done,
}

/// A piece of the answer, or what was counted at its end.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    body: Map<String, Value>,
    usage: Option<Usage>,
}

/// Reads the data of one event.
pub fn stream_event(data: &str) -> Result<StreamEvent, AnswerError> {
    if data.trim() == DONE {
        return Ok(StreamEvent::Done);
    }
    let body: Value = serde_json::from_str(data).map_err(|error| AnswerError(error.to_string()))?;
    let Value::Object(mut body) = body else {
        return Err(AnswerError("an event is not an object".to_owned()));
    };
    if let Some(error) = body.get("error").filter(|error| !error.is_null()) {
        let code = error.get("code").and_then(Value::as_u64);
        let message = super::error_message(data.as_bytes(), None);
        return Ok(StreamEvent::Error {
            code: code.and_then(|code| u16::try_from(code).ok()),
            message: message.unwrap_or_else(|| "The provider broke off its answer".to_owned()),
        });
    }
    let usage = body.shift_remove("usage").as_ref().and_then(read_usage);
    Ok(StreamEvent::Chunk(Chunk { body, usage }))
}

impl Chunk {
    /// A chunk that was made here.
    pub(crate) fn new(choices: Value, usage: Option<Usage>) -> Self {
        let mut body = Map::new();
        body.insert("choices".into(), choices);
        Self { body, usage }
    }

    /// The tokens that the provider counted, at the end of the stream.
    pub const fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// UTF-8 bytes of what it says.
    pub fn output_bytes(&self) -> u64 {
        self.choices().filter_map(|choice| choice.get("delta")).map(said_bytes).sum()
    }

    /// Why the answer ended, where this chunk says so.
    pub fn finish_reason(&self) -> Option<&str> {
        self.choices().find_map(|choice| choice.get("finish_reason")?.as_str())
    }

    /// Whether there is anything in it for the client.
    pub fn carries_choices(&self) -> bool {
        self.choices().next().is_some()
    }

    /// The chunk as clients get it; usage has an event of its own.
    pub fn render(mut self, envelope: &Envelope) -> String {
        let mut body = head(envelope);
        for (field, value) in std::mem::take(&mut self.body) {
            if field == "choices" {
                body.insert(field, choices(value));
            } else if !body.contains_key(&field) && !value.is_null() {
                body.insert(field, value);
            }
        }
        Value::Object(body).to_string()
    }

    #[cfg(test)]
    pub(crate) fn content(&self) -> Option<&str> {
        self.choices().next()?.get("delta")?.get("content")?.as_str()
    }

    fn choices(&self) -> impl Iterator<Item = &Value> {
        self.body.get("choices").and_then(Value::as_array).into_iter().flatten()
    }
}

/// The last event but `[DONE]`: no choices, and what was used and charged (contract, F.9).
pub fn usage_chunk(envelope: &Envelope, receipt: &Receipt) -> String {
    let mut body = head(envelope);
    body.insert("choices".into(), Value::Array(Vec::new()));
    body.insert("usage".into(), receipt.write(None));
    Value::Object(body).to_string()
}

/// The last event of a stream that fails after its first byte (contract, C.3).
pub fn error_chunk(envelope: &Envelope, code: u16, message: &str, error_type: &str) -> String {
    let mut body = head(envelope);
    let error = json!({"code": code, "message": message, "metadata": {"error_type": error_type}});
    body.insert("error".into(), error);
    let choice = json!({"index": 0, "delta": {"content": ""}, "finish_reason": "error"});
    body.insert("choices".into(), json!([choice]));
    Value::Object(body).to_string()
}

fn head(envelope: &Envelope) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("id".into(), envelope.id.as_str().into());
    body.insert("object".into(), "chat.completion.chunk".into());
    body.insert("created".into(), envelope.created.into());
    body.insert("model".into(), envelope.model.as_str().into());
    body.insert("provider".into(), envelope.provider.as_str().into());
    body
}

fn choices(choices: Value) -> Value {
    let Value::Array(choices) = choices else { return Value::Array(Vec::new()) };
    choices.into_iter().zip(0_u64..).map(|(choice, index)| complete(choice, index)).collect()
}

fn complete(choice: Value, index: u64) -> Value {
    let Value::Object(mut choice) = choice else { return choice };
    choice.entry("index").or_insert_with(|| index.into());
    let native = choice.get("finish_reason").and_then(Value::as_str).map(str::to_owned);
    // The key is there from the start, null until the end.
    let reason = native.as_deref().map_or(Value::Null, |native| finish_reason(native).into());
    choice.insert("finish_reason".into(), reason);
    choice.entry("native_finish_reason").or_insert_with(|| native.map_or(Value::Null, Into::into));
    if let Some(Value::Object(delta)) = choice.get_mut("delta") {
        delta.retain(|field, value| !value.is_null() || may_be_null(field));
    }
    Value::Object(choice)
}

/// Of a delta's fields clients take only these as null (contract, D.5).
fn may_be_null(field: &str) -> bool {
    matches!(field, "content" | "refusal" | "reasoning")
}

#[cfg(test)]
mod tests {
    use keyway_core::money::Nanos;
    use keyway_core::pricing::Cost;
    use proptest::prelude::*;

    use super::*;

    fn envelope() -> Envelope {
        Envelope { id: "gen-1".into(), model: "a/b".into(), provider: "A".into(), created: 7 }
    }

    fn chunk(data: &Value) -> Chunk {
        match stream_event(&data.to_string()) {
            Ok(StreamEvent::Chunk(chunk)) => chunk,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn usage_is_taken_off_and_nulls_with_it() {
        let chunk = chunk(&json!({
            "id": "x", "object": "y", "system_fingerprint": null, "usage": null, "extra": 1,
            "choices": [{"index": 0, "delta": {"role": null, "content": "hi", "tool_calls": null}}],
        }));
        assert_eq!((chunk.usage(), chunk.output_bytes(), chunk.finish_reason()), (None, 2, None));
        let rendered = chunk.render(&envelope());
        let expected = json!({
            "id": "gen-1", "object": "chat.completion.chunk", "created": 7, "model": "a/b", "provider": "A",
            "extra": 1,
            "choices": [{
                "index": 0, "delta": {"content": "hi"}, "finish_reason": null, "native_finish_reason": null,
            }],
        });
        assert_eq!(serde_json::from_str::<Value>(&rendered).expect("JSON"), expected);
    }

    #[test]
    fn usage_on_the_last_chunk_is_learned() {
        let last = chunk(&json!({
            "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_use"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 4},
        }));
        assert_eq!(last.usage(), Some(Usage { prompt_tokens: 3, completion_tokens: 4 }));
        assert!(last.carries_choices());
        assert!(last.render(&envelope()).contains(r#""finish_reason":"tool_calls","native_finish_reason":"tool_use""#));
        assert!(!chunk(&json!({"choices": [], "usage": {"prompt_tokens": 1}})).carries_choices());
    }

    #[test]
    fn errors_are_told_with_a_number_and_a_type() {
        let failed = stream_event(r#"{"error": {"message": "boom", "code": 429}}"#).expect("an event");
        assert_eq!(failed, StreamEvent::Error { code: Some(429), message: "boom".into() });
        let worded = stream_event(r#"{"error": {"message": "boom", "code": "server_error"}}"#);
        assert_eq!(worded, Ok(StreamEvent::Error { code: None, message: "boom".into() }));
        let rendered = error_chunk(&envelope(), 502, "boom", "provider_unavailable");
        let rendered: Value = serde_json::from_str(&rendered).expect("JSON");
        assert_eq!(rendered["error"]["code"], 502);
        assert_eq!(rendered["choices"][0]["finish_reason"], "error");
    }

    #[test]
    fn the_usage_chunk_has_no_choices() {
        let usage = Usage { prompt_tokens: 1, completion_tokens: 2 };
        let receipt = Receipt { usage, cost: Cost::default(), charge: Nanos::new(5) };
        let rendered: Value = serde_json::from_str(&usage_chunk(&envelope(), &receipt)).expect("JSON");
        assert_eq!((&rendered["choices"], rendered["usage"]["cost"].to_string().as_str()), (&json!([]), "0.000000005"));
    }

    proptest! {
        #[test]
        fn no_event_panics(text in "\\PC{0,60}") {
            if let Ok(StreamEvent::Chunk(chunk)) = stream_event(&text) {
                let _ = (chunk.output_bytes(), chunk.finish_reason().map(str::len), chunk.render(&envelope()));
            }
        }
    }
}
