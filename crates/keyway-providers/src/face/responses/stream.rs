//! A streamed answer as the events of the Responses API, each with its number.

use bytes::{Bytes, BytesMut};
use serde_json::{Map, Value, json};

use super::item::{Also, Item, Kind, Proof};
use crate::sse;

/// Bytes of items of a provider's that are kept for the end: they may be pictures.
const KEPT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What of the answer was said so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Stream {
    has_begun: bool,
    /// The next event's.
    sequence_number: u64,
    items: Vec<Value>,
    /// Of items that were passed on.
    kept_bytes: usize,
    open: Option<Item>,
    proof: Proof,
    also: Also,
    finish_reason: Option<String>,
}

/// Events on their way.
#[derive(Debug, Default)]
pub(super) struct Events(BytesMut);

impl Events {
    pub(super) fn push(&mut self, events: &[Value]) {
        for event in events {
            let name = event["type"].as_str().unwrap_or_default();
            self.0.extend_from_slice(&sse::named(name, &event.to_string()));
        }
    }

    pub(super) fn freeze(self) -> Bytes {
        self.0.freeze()
    }

    /// The last of them.
    pub(super) fn done(mut self) -> Bytes {
        self.0.extend_from_slice(&sse::data(sse::DONE));
        self.freeze()
    }
}

impl Stream {
    /// Whether this is its beginning; asked once.
    pub(super) const fn begins(&mut self) -> bool {
        !std::mem::replace(&mut self.has_begun, true)
    }

    pub(super) fn items(&self) -> &[Value] {
        &self.items
    }

    pub(super) fn finish(&self) -> Option<&str> {
        self.finish_reason.as_deref()
    }

    pub(super) fn finish_with(&mut self, reason: &str) {
        self.finish_reason = Some(reason.to_owned());
    }

    /// Learns of an event that is passed on what an end has to repeat that its provider does not come to:
    /// the items that are done, and what was said of the one that is not.
    pub(super) fn overhear(&mut self, kind: &str, event: &Map<String, Value>) {
        let field = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
        let item = event.get("item").unwrap_or(&Value::Null);
        if kind == "response.output_item.added" {
            self.open = Item::added(event);
        } else if kind == "response.output_item.done" {
            self.open = None;
            self.keep(item);
        } else if let Some(open) = self.open.as_mut().filter(|it| it.id == field("item_id"))
            && let Some(said) = kind.strip_suffix(".delta")
        {
            open.add(said, field("delta"));
        }
    }

    /// One that is too long to be said once more is not.
    fn keep(&mut self, item: &Value) {
        let bytes = self.kept_bytes.saturating_add(item.to_string().len());
        let kept = bytes <= KEPT_BYTES_MAX;
        self.items.push(if kept {
            item.clone()
        } else {
            json!({"type": item["type"], "id": item["id"]})
        });
        if kept {
            self.kept_bytes = bytes;
        }
    }

    /// An event was passed on with this number, if it had one.
    pub(super) fn passed(&mut self, sequence_number: Option<u64>) {
        self.has_begun = true;
        let next = sequence_number.map_or(self.sequence_number, |it| it.saturating_add(1));
        self.sequence_number = self.sequence_number.max(next);
    }

    /// An event about the whole response.
    pub(super) fn whole_response(
        &mut self,
        event: &str,
        response: &Map<String, Value>,
    ) -> [Value; 1] {
        [self.number(json!({"type": event, "response": response}))]
    }

    /// Hears what `choice` says in `delta`, and answers the events of it.
    pub(super) fn hear(
        &mut self,
        said: &Map<String, Value>,
        delta: &Value,
        choice: &Value,
    ) -> Vec<Value> {
        let id = said.get("id").and_then(Value::as_str).unwrap_or_default();
        let id = id.strip_prefix("gen-").unwrap_or(id);
        let mut events = Vec::new();
        self.think(id, delta, &mut events);
        let logprobs = choice["logprobs"]["content"].as_array().cloned().unwrap_or_default();
        if let Some(text) = text_of(&delta["content"]) {
            self.open(id, &Kind::Message, &mut events);
            self.say(text, &logprobs, &mut events);
        }
        for annotation in delta["annotations"].as_array().into_iter().flatten() {
            self.annotate(annotation, &mut events);
        }
        if let Some(text) = text_of(&delta["refusal"]) {
            self.open(id, &Kind::Refusal, &mut events);
            self.say(text, &[], &mut events);
        }
        let calls = delta["tool_calls"].as_array().into_iter().flatten();
        calls.for_each(|call| self.call(id, call, &mut events));
        if let Some(reason) = choice["finish_reason"].as_str() {
            self.finish_with(reason);
        }
        events
    }

    /// Ends the item that is open.
    pub(super) fn close(&mut self) -> Vec<Value> {
        let mut events = Vec::new();
        let Some(item) = self.open.take() else { return events };
        let (proof, also) = (std::mem::take(&mut self.proof), std::mem::take(&mut self.also));
        let output_index = item.passed_at.unwrap_or(self.items.len() as u64);
        let text = item.text.as_str();
        let place =
            |event: &str| json!({"type": event, "item_id": item.id, "output_index": output_index});
        let with = |event: &str, fields: Value| joined(place(event), fields);
        let part = item.part(text, &also);
        let mut done = match &item.kind {
            Kind::Thought => {
                vec![with(
                    "response.reasoning_text.done",
                    json!({"content_index": 0, "text": text}),
                )]
            }
            Kind::Summary => vec![
                with(
                    "response.reasoning_summary_text.done",
                    json!({"summary_index": 0, "text": text}),
                ),
                with(
                    "response.reasoning_summary_part.done",
                    json!({"summary_index": 0, "part": part}),
                ),
            ],
            Kind::Message => {
                let fields = json!({"content_index": 0, "text": text, "logprobs": also.logprobs});
                vec![with("response.output_text.done", fields)]
            }
            Kind::Refusal => {
                vec![with("response.refusal.done", json!({"content_index": 0, "refusal": text}))]
            }
            Kind::Call { is_custom: true, .. } => {
                vec![with("response.custom_tool_call_input.done", json!({"input": text}))]
            }
            Kind::Call { name, .. } => {
                let fields = json!({"name": name, "arguments": text});
                vec![with("response.function_call_arguments.done", fields)]
            }
        };
        if matches!(item.kind, Kind::Thought | Kind::Message | Kind::Refusal) {
            done.push(with(
                "response.content_part.done",
                json!({"content_index": 0, "part": part}),
            ));
        }
        // An answer that was cut ends in the middle of its last item, and a provider ends its own itself.
        let is_cut = self.finish() == Some("length") || item.passed_at.is_some();
        let status = if is_cut { "incomplete" } else { "completed" };
        let object = item.done(status, &proof, &also);
        done.push(json!({"type": "response.output_item.done", "output_index": output_index, "item": object}));
        self.items.push(object);
        events.extend(done.into_iter().map(|event| self.number(event)));
        events
    }

    fn think(&mut self, id: &str, delta: &Value, events: &mut Vec<Value>) {
        let details = delta["reasoning_details"].as_array();
        let Some(details) = details.filter(|details| !details.is_empty()) else {
            if let Some(text) = text_of(&delta["reasoning"]) {
                self.open(id, &Kind::Thought, events);
                self.say(text, &[], events);
            }
            return;
        };
        for detail in details {
            let kind = match detail["type"].as_str() {
                Some("reasoning.summary") => Kind::Summary,
                // What is encrypted belongs to the thought before it.
                Some("reasoning.encrypted") if self.is_thinking() => {
                    self.prove(detail);
                    continue;
                }
                _ => Kind::Thought,
            };
            self.open(id, &kind, events);
            let text = text_of(&detail["text"]).or_else(|| text_of(&detail["summary"]));
            if let Some(text) = text {
                self.say(text, &[], events);
            }
            self.prove(detail);
        }
    }

    /// Tells what the message that is open refers to.
    fn annotate(&mut self, annotation: &Value, events: &mut Vec<Value>) {
        let Some(Item { kind: Kind::Message, id, .. }) = &self.open else { return };
        let mut told = json!({"type": annotation["type"]});
        let kind = annotation["type"].as_str().unwrap_or_default();
        for (field, value) in annotation[kind].as_object().into_iter().flatten() {
            told[field] = value.clone();
        }
        let added = json!({
            "type": "response.output_text.annotation.added", "item_id": id,
            "output_index": self.items.len(), "content_index": 0,
            "annotation_index": self.also.annotations.len(), "annotation": told,
        });
        self.also.annotations.push(told);
        events.push(self.number(added));
    }

    fn is_thinking(&self) -> bool {
        self.open.as_ref().is_some_and(|item| matches!(item.kind, Kind::Thought | Kind::Summary))
    }

    fn prove(&mut self, detail: &Value) {
        let proof = &mut self.proof;
        for (field, place) in [
            ("signature", &mut proof.signature),
            ("data", &mut proof.encrypted),
            ("format", &mut proof.format),
        ] {
            if let Some(value) = text_of(&detail[field]) {
                *place = Some(value.to_owned());
            }
        }
    }

    fn call(&mut self, id: &str, call: &Value, events: &mut Vec<Value>) {
        let is_custom = call["type"] == "custom" || call["custom"].is_object();
        let called = if is_custom { &call["custom"] } else { &call["function"] };
        // Only the first piece of a call says which it is.
        let call_id = text_of(&call["id"]).map(str::to_owned);
        let continues = match (&self.open, &call_id) {
            (Some(Item { kind: Kind::Call { call_id: open, .. }, .. }), Some(named)) => {
                open == named
            }
            (Some(Item { kind: Kind::Call { .. }, .. }), None) => true,
            _ => false,
        };
        if !continues {
            let name = called["name"].as_str().unwrap_or_default().to_owned();
            let call_id = call_id.unwrap_or_else(|| format!("call_{id}{}", self.items.len()));
            self.open(id, &Kind::Call { call_id, name, is_custom }, events);
        }
        let text = if is_custom { &called["input"] } else { &called["arguments"] };
        if let Some(text) = text_of(text) {
            self.say(text, &[], events);
        }
    }

    /// Goes on with an item of `kind`, or ends the one that is open and begins it.
    fn open(&mut self, id: &str, kind: &Kind, events: &mut Vec<Value>) {
        if self.open.as_ref().is_some_and(|item| item.kind == *kind) {
            return;
        }
        events.extend(self.close());
        let output_index = self.items.len();
        let id = format!("{}_{id}{output_index}", kind.prefix());
        let item = Item { id, kind: kind.clone(), text: String::new(), passed_at: None };
        let added = json!({
            "type": "response.output_item.added", "output_index": output_index, "item": item.begun(),
        });
        events.push(self.number(added));
        let place =
            |event: &str| json!({"type": event, "item_id": item.id, "output_index": output_index});
        let part = item.part("", &Also::default());
        let added = match kind {
            Kind::Thought | Kind::Message | Kind::Refusal => {
                let fields = json!({"content_index": 0, "part": part});
                Some(joined(place("response.content_part.added"), fields))
            }
            Kind::Summary => {
                let fields = json!({"summary_index": 0, "part": part});
                Some(joined(place("response.reasoning_summary_part.added"), fields))
            }
            Kind::Call { .. } => None,
        };
        self.open = Some(item);
        events.extend(added.map(|event| self.number(event)));
    }

    fn say(&mut self, text: &str, logprobs: &[Value], events: &mut Vec<Value>) {
        let output_index = self.items.len();
        let Some(item) = &mut self.open else { return };
        item.text.push_str(text);
        self.also.logprobs.extend_from_slice(logprobs);
        let (event, fields) = match item.kind {
            Kind::Thought => ("response.reasoning_text.delta", json!({"content_index": 0})),
            Kind::Summary => ("response.reasoning_summary_text.delta", json!({"summary_index": 0})),
            Kind::Message => {
                ("response.output_text.delta", json!({"content_index": 0, "logprobs": logprobs}))
            }
            Kind::Refusal => ("response.refusal.delta", json!({"content_index": 0})),
            Kind::Call { is_custom: true, .. } => {
                ("response.custom_tool_call_input.delta", json!({}))
            }
            Kind::Call { .. } => ("response.function_call_arguments.delta", json!({})),
        };
        let delta = json!({
            "type": event, "item_id": item.id, "output_index": output_index, "delta": text,
        });
        events.push(self.number(joined(delta, fields)));
    }

    fn number(&mut self, mut event: Value) -> Value {
        event["sequence_number"] = self.sequence_number.into();
        self.sequence_number += 1;
        event
    }
}

fn text_of(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
}

/// `event` with further `fields`.
fn joined(mut event: Value, fields: Value) -> Value {
    if let (Value::Object(event), Value::Object(fields)) = (&mut event, fields) {
        event.extend(fields);
    }
    event
}
