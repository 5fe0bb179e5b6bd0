//! A streamed answer, chunk by chunk.

use std::borrow::Cow;

use bytes::Bytes;
use keyway_core::money::Nanos;
use keyway_core::pricing::Usage;
use serde_json::{Map, Value, json};

use super::choice::{self, Form};
use super::piece::Piece;
use super::receipt::{read_cost, read_usage};
use super::{AnswerError, Counted, Envelope, Receipt, keep_unknown, message_of, source};
use crate::json::parse_lenient;
use crate::sse::{self, DONE};

pub(super) const OBJECT: &str = "chat.completion.chunk";

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
    pub(super) body: Body,
    /// What comes with it; with most of a stream nothing does.
    beside: Option<Box<Beside>>,
}

/// What a chunk brings beside words.
#[derive(Clone, Debug, Default, PartialEq)]
struct Beside {
    usage: Option<Usage>,
    provider_cost: Option<Nanos>,
    /// Whether more is to be counted than `usage`.
    is_partial: bool,
    /// The events that it was read from, where the client speaks the provider's dialect.
    natives: Vec<Map<String, Value>>,
    native_bytes: u64,
}

/// What it says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Body {
    Tree(Map<String, Value>),
    /// The same as it came, where nobody has to understand it all.
    Piece(Piece),
}

/// Reads the data of one event.
pub fn stream_event(data: impl Into<String>) -> Result<StreamEvent, AnswerError> {
    match Piece::of(data.into()) {
        Ok(piece) => Ok(StreamEvent::Chunk(Chunk::with(Body::Piece(piece)))),
        Err(data) => read_event(&data),
    }
}

/// Reads it as a tree, whatever it says.
pub(super) fn read_event(data: &str) -> Result<StreamEvent, AnswerError> {
    match data.trim() {
        DONE => return Ok(StreamEvent::Done),
        // Some providers keep the connection alive with it.
        "" => return Ok(StreamEvent::Chunk(Chunk::new(Value::Null, None))),
        _ => {}
    }
    let body = parse_lenient(data.as_bytes())
        .map_err(|error| AnswerError::Malformed(format!("an event {error}")))?;
    let Value::Object(mut body) = body else {
        return Err(AnswerError::Malformed("an event is not an object".to_owned()));
    };
    if let Some(failure) = failure(&body, data) {
        return Ok(failure);
    }
    source::annotate(&mut body, Form::Chunk);
    Ok(StreamEvent::Chunk(Chunk::of(body)))
}

/// The failure that an event tells of. Some servers put it into `error`, some make the event the error.
pub(crate) fn failure(body: &Map<String, Value>, data: &str) -> Option<StreamEvent> {
    let code = match body.get("error") {
        Some(error) if !error.is_null() => error.get("code"),
        _ if body.get("object").and_then(Value::as_str) == Some("error") => body.get("code"),
        _ => return None,
    };
    let message = message_of(data.as_bytes());
    Some(StreamEvent::Error {
        code: code.and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok()),
        message: message.unwrap_or_else(|| "The provider broke off its answer".to_owned()),
    })
}

impl Chunk {
    /// A chunk that a dialect put into this form.
    pub(crate) fn of(mut body: Map<String, Value>) -> Self {
        let block = body.shift_remove("usage");
        let usage = block.as_ref().and_then(read_usage);
        let provider_cost = block.as_ref().and_then(read_cost);
        Self::with(Body::Tree(body)).with_usage(usage).with_cost(provider_cost)
    }

    /// A chunk that was made here.
    pub(crate) fn new(choices: Value, usage: Option<Usage>) -> Self {
        let mut body = Map::new();
        body.insert("choices".into(), choices);
        Self::with(Body::Tree(body)).with_usage(usage)
    }

    const fn with(body: Body) -> Self {
        Self { body, beside: None }
    }

    fn with_usage(mut self, usage: Option<Usage>) -> Self {
        if usage.is_some() {
            self.beside().usage = usage;
        }
        self
    }

    fn beside(&mut self) -> &mut Beside {
        self.beside.get_or_insert_default()
    }

    /// A chunk that means nothing but to its client.
    pub(crate) fn silent() -> Self {
        Self::new(json!([{"index": 0, "delta": {}, "finish_reason": null}]), None)
    }

    /// The same with another reading of its body.
    pub(crate) fn reread(mut self, read: impl FnOnce(&mut Map<String, Value>)) -> Self {
        let mut body = self.body.into_tree();
        read(&mut body);
        self.body = Body::Tree(body);
        self
    }

    /// The same with what the provider says that it charges.
    #[must_use]
    pub(crate) fn with_cost(mut self, cost: Option<Nanos>) -> Self {
        if cost.is_some() {
            self.beside().provider_cost = cost;
        }
        self
    }

    /// The same with the events that it was read from.
    #[must_use]
    pub(crate) fn with_natives(mut self, events: Vec<Map<String, Value>>, bytes: u64) -> Self {
        (self.beside().natives, self.beside().native_bytes) = (events, bytes);
        self
    }

    /// The same with what was counted up to it, where more is to come.
    #[must_use]
    pub(crate) fn with_so_far(mut self, counted: Option<Counted>) -> Self {
        if let Some(counted) = counted {
            let beside = self.beside();
            beside.usage = read_usage(&counted.block());
            beside.is_partial = true;
        }
        self
    }

    pub(crate) fn take_natives(&mut self) -> Vec<Map<String, Value>> {
        self.beside.as_mut().map(|beside| std::mem::take(&mut beside.natives)).unwrap_or_default()
    }

    /// What the provider says that it charges, beside its count of tokens.
    pub fn provider_cost(&self) -> Option<Nanos> {
        self.beside.as_ref()?.provider_cost
    }

    /// The tokens that the provider counted before the end, where it says that they are not all: those of
    /// the prompt at least.
    pub fn so_far(&self) -> Option<Usage> {
        self.beside.as_ref().filter(|beside| beside.is_partial)?.usage
    }

    /// The tokens that the provider counted, at the end of the stream. Some servers count in every chunk,
    /// and do not say that they are not all.
    pub fn usage(&self) -> Option<Usage> {
        self.beside.as_ref().filter(|beside| !beside.is_partial)?.usage
    }

    /// UTF-8 bytes of what it says.
    pub fn output_bytes(&self) -> u64 {
        match &self.body {
            Body::Tree(body) => choice::output_bytes(body.get("choices"), Form::Chunk),
            Body::Piece(piece) => choice::output_bytes(piece.choices(), Form::Chunk),
        }
    }

    /// Bytes of the events that it was read from, where they are passed on as they came.
    pub fn native_bytes(&self) -> u64 {
        self.beside.as_ref().map_or(0, |beside| beside.native_bytes)
    }

    /// The choices in it: the place of each, and why it ended where this chunk says so.
    pub fn choices(&self) -> impl Iterator<Item = (u64, Option<Cow<'_, str>>)> {
        let (tree, piece) = match &self.body {
            Body::Tree(body) => (Some(body.get("choices")), None),
            Body::Piece(piece) => (None, Some(piece.choices())),
        };
        let tree = tree.into_iter().flat_map(choice::ends);
        tree.chain(piece.into_iter().flat_map(choice::ends))
    }

    /// Whether there is anything in it for the client.
    pub fn carries_choices(&self) -> bool {
        match &self.body {
            Body::Tree(body) => choice::are_any(body.get("choices")),
            Body::Piece(piece) => choice::are_any(piece.choices()),
        }
    }

    /// The chunk as clients get it, as text.
    pub fn render(self, envelope: &Envelope) -> String {
        Value::Object(self.complete(envelope)).to_string()
    }

    /// The chunk as clients get it; usage has an event of its own.
    pub fn complete(self, envelope: &Envelope) -> Map<String, Value> {
        let mut said = self.body.into_tree();
        let mut body = envelope.head(OBJECT);
        let choices = said.shift_remove("choices").unwrap_or_default();
        body.insert("choices".into(), choice::complete(choices, Form::Chunk));
        keep_unknown(&mut body, said);
        body
    }

    /// The chunk as clients get it, as the event of a stream: without its reasoning where that is hidden.
    /// Gives it back where it has to be read as a tree for that.
    pub(crate) fn event(self, envelope: &Envelope, hides_reasoning: bool) -> Result<Bytes, Self> {
        let Body::Piece(piece) = &self.body else { return Err(self) };
        let write = |out: &mut Vec<u8>| piece.write(envelope, hides_reasoning, out);
        Ok(sse::write(piece.written_bytes(envelope), write))
    }
}

impl Body {
    fn into_tree(self) -> Map<String, Value> {
        match self {
            Self::Tree(body) => body,
            Self::Piece(piece) => piece.to_tree(),
        }
    }
}

/// The last event but `[DONE]`: no choices, and what was used and charged (contract, F.9).
pub fn usage_chunk(envelope: &Envelope, receipt: &Receipt) -> String {
    let mut body = envelope.head(OBJECT);
    body.insert("choices".into(), Value::Array(Vec::new()));
    body.insert("usage".into(), receipt.write(None));
    Value::Object(body).to_string()
}

/// The chunk that ends an answer which may not become longer, and says why: OpenAI's form, with the
/// explanation beside it.
pub fn length_chunk(envelope: &Envelope, why: Map<String, Value>) -> String {
    let mut body = envelope.head(OBJECT);
    let choices = json!([{"index": 0, "delta": {"content": ""}, "finish_reason": "length"}]);
    body.insert("choices".into(), choice::complete(choices, Form::Chunk));
    body.insert("keyway_metadata".into(), why.into());
    Value::Object(body).to_string()
}

/// The last event of a stream that fails after its first byte (contract, C.3).
pub fn error_chunk(envelope: &Envelope, code: u16, message: &str, error_type: &str) -> String {
    let mut body = envelope.head(OBJECT);
    let error = json!({"code": code, "message": message, "metadata": {"error_type": error_type}});
    body.insert("error".into(), error);
    let choices = json!([{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}]);
    body.insert("choices".into(), choice::complete(choices, Form::Chunk));
    Value::Object(body).to_string()
}

#[cfg(test)]
mod tests {
    use keyway_core::money::Nanos;
    use keyway_core::pricing::Cost;

    use super::*;

    fn envelope() -> Envelope {
        Envelope { id: "gen-1".into(), model: "a/b".into(), provider: "A".into(), created: 7 }
    }

    fn chunk(data: &Value) -> Chunk {
        match stream_event(data.to_string()) {
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
        assert_eq!((chunk.usage(), chunk.output_bytes()), (None, 2));
        assert_eq!(chunk.choices().collect::<Vec<_>>(), [(0, None)]);
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
        assert_eq!(last.usage(), Some(Usage::of(3, 4)));
        assert!(last.carries_choices());
        assert!(
            last.render(&envelope())
                .contains(r#""finish_reason":"tool_calls","native_finish_reason":"tool_use""#)
        );
        assert!(!chunk(&json!({"choices": [], "usage": {"prompt_tokens": 1}})).carries_choices());
    }

    #[test]
    fn errors_are_told_with_a_number_and_a_type() {
        let failed =
            stream_event(r#"{"error": {"message": "boom", "code": 429}}"#).expect("an event");
        assert_eq!(failed, StreamEvent::Error { code: Some(429), message: "boom".into() });
        let worded = stream_event(r#"{"error": {"message": "boom", "code": "server_error"}}"#);
        assert_eq!(worded, Ok(StreamEvent::Error { code: None, message: "boom".into() }));
        let whole = stream_event(r#"{"object": "error", "message": "boom", "code": 400}"#);
        assert_eq!(whole, Ok(StreamEvent::Error { code: Some(400), message: "boom".into() }));
        let rendered = error_chunk(&envelope(), 502, "boom", "provider_unavailable");
        let rendered: Value = serde_json::from_str(&rendered).expect("JSON");
        assert_eq!(rendered["error"]["code"], 502);
        assert_eq!(rendered["choices"][0]["finish_reason"], "error");
    }

    #[test]
    fn what_is_no_answer_is_not_passed_on() {
        assert_eq!(stream_event(" [DONE] "), Ok(StreamEvent::Done));
        for silent in ["", "{}", r#"{"choices": null, "error": null}"#] {
            let Ok(StreamEvent::Chunk(chunk)) = stream_event(silent) else { panic!("{silent}") };
            assert!(!chunk.carries_choices(), "{silent}");
        }
        for malformed in ["[]", "{", "done"] {
            assert!(
                matches!(stream_event(malformed), Err(AnswerError::Malformed(_))),
                "{malformed}"
            );
        }
    }

    #[test]
    fn the_usage_chunk_has_no_choices() {
        let usage = Usage::of(1, 2);
        let receipt = Receipt { usage, cost: Cost::default(), charge: Nanos::new(5), byok: None };
        let rendered: Value =
            serde_json::from_str(&usage_chunk(&envelope(), &receipt)).expect("JSON");
        assert_eq!(
            (&rendered["choices"], rendered["usage"]["cost"].to_string().as_str()),
            (&json!([]), "0.000000005")
        );
    }
}
