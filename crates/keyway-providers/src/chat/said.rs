//! What a model said, gathered from another dialect into a message or a delta.

use serde_json::{Map, Value, json};

use super::{Answer, Chunk, Counted, Source, StreamEvent};

/// A message, or a piece of one, in the making.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Said {
    content: String,
    reasoning: String,
    details: Vec<Value>,
    calls: Vec<Value>,
    images: Vec<Value>,
    annotations: Vec<Value>,
}

impl Said {
    pub(crate) fn text(&mut self, text: &str) {
        self.content.push_str(text);
    }

    /// Thoughts, with the detail that they can be given back as.
    pub(crate) fn think(&mut self, text: &str, detail: Value) {
        self.reasoning.push_str(text);
        self.details.push(detail);
    }

    /// What belongs to thoughts and is no text: a signature, or thoughts that only their provider reads.
    pub(crate) fn detail(&mut self, detail: Value) {
        self.details.push(detail);
    }

    pub(crate) fn image(&mut self, url: &str) {
        self.images.push(json!({"type": "image_url", "image_url": {"url": url}}));
    }

    /// What the characters of `span` of the whole answer's text refer to.
    pub(crate) fn cite(&mut self, source: &Source<'_>, span: (usize, usize)) {
        self.annotations.push(source.annotation(span));
    }

    /// The text so far.
    pub(crate) fn content(&self) -> &str {
        &self.content
    }

    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// A call of a tool, the first at `index` 0; `arguments` is JSON text, whole or as far as it came.
    pub(crate) fn call(&mut self, index: u64, id: &str, name: &str, arguments: &str) {
        let function = json!({"name": name, "arguments": arguments});
        let call = json!({"index": index, "id": id, "type": "function", "function": function});
        self.calls.push(call);
    }

    /// More of the arguments of the call at `index`.
    pub(crate) fn arguments(&mut self, index: u64, arguments: &str) {
        self.calls.push(json!({"index": index, "function": {"arguments": arguments}}));
    }

    /// An answer with this one choice. In whole answers calls stand in their order and have no index.
    pub(crate) fn into_answer(
        mut self,
        reason: Option<&Reason<'_>>,
        usage: Option<Counted>,
    ) -> Answer {
        for call in self.calls.iter_mut().filter_map(Value::as_object_mut) {
            call.shift_remove("index");
        }
        let mut message = json!({"role": "assistant", "content": null});
        self.fill(&mut message);
        let mut body = choices(json!({"index": 0, "message": message}), reason);
        if let Some(usage) = usage {
            body.insert("usage".into(), usage.block());
        }
        Answer::of(body)
    }

    /// A chunk with this one delta; `first` names who speaks.
    pub(crate) fn into_chunk(
        self,
        first: bool,
        reason: Option<&Reason<'_>>,
        usage: Option<Counted>,
    ) -> StreamEvent {
        let mut delta = json!({});
        if first {
            delta["role"] = "assistant".into();
        }
        self.fill(&mut delta);
        let mut body = choices(json!({"index": 0, "delta": delta}), reason);
        if let Some(usage) = usage {
            body.insert("usage".into(), usage.block());
        }
        StreamEvent::Chunk(Chunk::of(body))
    }

    fn fill(self, said: &mut Value) {
        if !self.content.is_empty() {
            said["content"] = self.content.into();
        }
        if !self.reasoning.is_empty() {
            said["reasoning"] = self.reasoning.into();
        }
        let lists = [
            ("reasoning_details", self.details),
            ("tool_calls", self.calls),
            ("images", self.images),
            ("annotations", self.annotations),
        ];
        for (field, items) in lists {
            if !items.is_empty() {
                said[field] = items.into();
            }
        }
    }
}

/// What was counted, by itself.
pub(crate) fn counted_alone(usage: Counted) -> StreamEvent {
    let mut body = Map::new();
    body.insert("choices".into(), json!([]));
    body.insert("usage".into(), usage.block());
    StreamEvent::Chunk(Chunk::of(body))
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reason<'a> {
    /// In OpenRouter's words.
    word: &'static str,
    /// In the provider's.
    native: &'a str,
}

/// Why an answer ended, in both words.
pub(crate) const fn ended<'a>(word: &'static str, native: &'a str) -> Reason<'a> {
    Reason { word, native }
}

/// Whether a block, a part or an event says that it is of this `type`.
pub(crate) fn is_of(value: &Value, kind: &str) -> bool {
    value.get("type").and_then(Value::as_str) == Some(kind)
}

fn choices(mut choice: Value, reason: Option<&Reason<'_>>) -> Map<String, Value> {
    choice["finish_reason"] = reason.map(|reason| reason.word).into();
    choice["native_finish_reason"] = reason.map(|reason| reason.native).into();
    let mut body = Map::new();
    body.insert("choices".into(), json!([choice]));
    body
}
