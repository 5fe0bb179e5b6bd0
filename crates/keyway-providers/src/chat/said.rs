//! What a model said, gathered from another dialect into a message or a delta.

use serde_json::{Map, Value, json};

use super::{Answer, Chunk, Counted, Source, StreamEvent};

/// A message, or a piece of one, in the making.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Said {
    /// What its provider calls the answer.
    id: Option<String>,
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

    /// What the provider calls the answer: said of a whole one, or with the first piece of a stream. Nothing
    /// is said to a client by it, so that it comes last.
    pub(crate) fn identify(&mut self, id: Option<&str>) {
        self.id = id.map(str::to_owned);
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

    /// An answer with this one choice.
    pub(crate) fn into_answer(
        mut self,
        reason: Option<&Reason<'_>>,
        usage: Option<Counted>,
    ) -> Answer {
        let id = self.id.take();
        answer_of(id.as_deref(), vec![self.into_choice(0, reason)], usage)
    }

    /// A chunk with this one delta; `first` names who speaks.
    pub(crate) fn into_chunk(
        mut self,
        first: bool,
        reason: Option<&Reason<'_>>,
        usage: Option<Counted>,
    ) -> StreamEvent {
        let id = self.id.take();
        StreamEvent::Chunk(chunk_of(id.as_deref(), vec![self.into_piece(0, first, reason)], usage))
    }

    /// The choice at `index` of an answer. In whole answers calls stand in their order and have no index.
    pub(crate) fn into_choice(mut self, index: u64, reason: Option<&Reason<'_>>) -> Value {
        for call in self.calls.iter_mut().filter_map(Value::as_object_mut) {
            call.shift_remove("index");
        }
        let mut message = json!({"role": "assistant", "content": null});
        self.fill(&mut message);
        ending(json!({"index": index, "message": message}), reason)
    }

    /// A piece of the choice at `index` of a stream; `first` names who speaks.
    pub(crate) fn into_piece(self, index: u64, first: bool, reason: Option<&Reason<'_>>) -> Value {
        let mut delta = json!({});
        if first {
            delta["role"] = "assistant".into();
        }
        self.fill(&mut delta);
        ending(json!({"index": index, "delta": delta}), reason)
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
    StreamEvent::Chunk(chunk_of(None, Vec::new(), Some(usage)))
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

fn ending(mut choice: Value, reason: Option<&Reason<'_>>) -> Value {
    choice["finish_reason"] = reason.map(|reason| reason.word).into();
    choice["native_finish_reason"] = reason.map(|reason| reason.native).into();
    choice
}

/// An answer of these choices, which its provider calls `id`.
pub(crate) fn answer_of(id: Option<&str>, choices: Vec<Value>, usage: Option<Counted>) -> Answer {
    Answer::of(body(id, choices, usage))
}

/// A chunk of these pieces, the first of an answer that its provider calls `id` where it says so.
pub(crate) fn chunk_of(id: Option<&str>, choices: Vec<Value>, usage: Option<Counted>) -> Chunk {
    Chunk::of(body(id, choices, usage))
}

fn body(id: Option<&str>, choices: Vec<Value>, usage: Option<Counted>) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("choices".into(), choices.into());
    body.extend(id.map(|id| ("id".to_owned(), id.into())));
    body.extend(usage.map(|usage| ("usage".to_owned(), usage.block())));
    body
}
