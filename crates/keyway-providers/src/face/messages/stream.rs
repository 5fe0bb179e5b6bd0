//! A streamed answer as Anthropic's events.

use bytes::{Bytes, BytesMut};
use serde_json::{Map, Value, json};

use super::answer::{complete, head, named, text_block, tool_block};
use super::citation::citations;
use super::usage::{nothing_yet, usage};
use super::{error_body, stop_reason};
use crate::chat::{Envelope, Receipt};
use crate::face::{ROUTING, StreamError};
use crate::sse;

/// What of the stream was said so far.
#[derive(Clone, Debug, Default)]
pub(in crate::face) struct Stream {
    has_begun: bool,
    /// Blocks so far; the last may be open.
    blocks: u64,
    open: Option<Block>,
    /// The id of the call that is open: some providers give all calls one number.
    call_id: Option<String>,
    stop_reason: Option<&'static str>,
    stop_sequence: Option<String>,
    /// Why it ends before its model has said everything.
    why: Option<Map<String, Value>>,
    /// The end as the provider said it; it waits for the charge.
    end: Option<Map<String, Value>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    Text,
    Thinking,
    /// The call with this number in the form in the middle.
    Call(u64),
    /// One of the provider's own.
    Passed,
}

impl Stream {
    pub(in crate::face) fn chunk(&mut self, said: &Map<String, Value>) -> Bytes {
        let mut events = BytesMut::new();
        self.begin(said, &mut events);
        let Some(choice) = said.get("choices").and_then(|choices| choices.get(0)) else {
            return events.freeze();
        };
        let delta = &choice["delta"];
        self.think(delta, &mut events);
        for field in ["content", "refusal"] {
            if let Some(text) = delta[field].as_str().filter(|text| !text.is_empty()) {
                self.open(Block::Text, &text_block(""), &mut events);
                self.delta(&json!({"type": "text_delta", "text": text}), &mut events);
            }
        }
        for citation in citations(delta) {
            self.open(Block::Text, &text_block(""), &mut events);
            self.delta(&json!({"type": "citations_delta", "citation": citation}), &mut events);
        }
        for call in delta["tool_calls"].as_array().into_iter().flatten() {
            self.call(call, &mut events);
        }
        if let Some(finish) = choice["finish_reason"].as_str() {
            self.stop_reason = stop_reason(Some(finish), choice["native_finish_reason"].as_str());
            self.stop_sequence = choice["stop_sequence"].as_str().map(str::to_owned);
            self.close(&mut events);
        }
        events.freeze()
    }

    /// Passes events on as they came: under our names, and without the provider's word on usage.
    pub(in crate::face) fn pass_on(
        &mut self,
        natives: Vec<Map<String, Value>>,
        said: &Map<String, Value>,
    ) -> Bytes {
        let mut events = BytesMut::new();
        for mut event in natives {
            match event.get("type").and_then(Value::as_str) {
                Some("message_start") => {
                    self.has_begun = true;
                    if let Some(Value::Object(message)) = event.get_mut("message") {
                        named(message, said);
                        message.insert("usage".into(), Value::Object(nothing_yet()));
                    }
                }
                Some("message_delta") => {
                    self.end = Some(event);
                    continue;
                }
                Some("message_stop" | "error") => continue,
                Some("content_block_start") => {
                    self.blocks = event.get("index").and_then(Value::as_u64).unwrap_or(0) + 1;
                    self.open = Some(Block::Passed);
                }
                Some("content_block_stop") => self.open = None,
                _ => {}
            }
            say(&Value::Object(event), &mut events);
        }
        events.freeze()
    }

    /// The event that carries the usage, and the end.
    pub(in crate::face) fn closing(
        &mut self,
        envelope: &Envelope,
        receipt: &Receipt,
        routing: Option<Value>,
    ) -> Bytes {
        let mut stop = json!({"type": "message_stop"});
        if let Some(routing) = routing {
            stop[ROUTING] = routing;
        }
        let mut events = BytesMut::new();
        self.begin(&envelope.head("message"), &mut events);
        self.close(&mut events);
        let mut counted = usage(&receipt.block());
        // Only a whole message says these.
        for field in ["service_tier", "inference_geo"] {
            counted.shift_remove(field);
        }
        if let Some(mut end) = self.end.take() {
            complete(&mut end, "usage", counted);
            say(&Value::Object(end), &mut events);
            say(&stop, &mut events);
            return events.freeze();
        }
        let stop_reason = self.stop_reason.unwrap_or("end_turn");
        let delta = json!({
            "stop_reason": stop_reason, "stop_sequence": self.stop_sequence,
            "stop_details": null, "container": null,
        });
        let mut last = json!({"type": "message_delta", "delta": delta, "usage": counted});
        if let Some(why) = self.why.take() {
            last["keyway_metadata"] = Value::Object(why);
        }
        say(&last, &mut events);
        say(&stop, &mut events);
        events.freeze()
    }

    /// The answer is as long as the budget affords.
    pub(in crate::face) fn cut_short(&mut self, why: Map<String, Value>) -> Bytes {
        self.why = Some(why);
        self.end = None;
        self.stop_reason = Some("max_tokens");
        Bytes::new()
    }

    pub(in crate::face) fn failure(envelope: &Envelope, error: &StreamError<'_>) -> Bytes {
        let mut events = BytesMut::new();
        say(&error_body(error.message, error.error_type, Some(&envelope.id)), &mut events);
        events.freeze()
    }

    fn begin(&mut self, said: &Map<String, Value>, events: &mut BytesMut) {
        if !std::mem::replace(&mut self.has_begun, true) {
            let mut message = head(said);
            message.insert("usage".into(), Value::Object(nothing_yet()));
            say(&json!({"type": "message_start", "message": message}), events);
        }
    }

    fn think(&mut self, delta: &Value, events: &mut BytesMut) {
        let details = delta["reasoning_details"].as_array();
        if let Some(details) = details.filter(|details| !details.is_empty()) {
            for detail in details {
                self.detail(detail, events);
            }
        } else if let Some(text) = delta["reasoning"].as_str() {
            self.thought(text, events);
        }
    }

    fn detail(&mut self, detail: &Value, events: &mut BytesMut) {
        if detail["type"] == "reasoning.encrypted" {
            self.close(events);
            let block = json!({"type": "redacted_thinking", "data": detail["data"]});
            self.open(Block::Thinking, &block, events);
            return self.close(events);
        }
        let text = detail["text"].as_str().or_else(|| detail["summary"].as_str());
        self.thought(text.unwrap_or_default(), events);
        if let Some(signature) = detail["signature"].as_str().filter(|it| !it.is_empty()) {
            self.open_thinking(events);
            self.delta(&json!({"type": "signature_delta", "signature": signature}), events);
            // What is signed is complete.
            self.close(events);
        }
    }

    fn thought(&mut self, text: &str, events: &mut BytesMut) {
        if !text.is_empty() {
            self.open_thinking(events);
            self.delta(&json!({"type": "thinking_delta", "thinking": text}), events);
        }
    }

    fn open_thinking(&mut self, events: &mut BytesMut) {
        let block = json!({"type": "thinking", "thinking": "", "signature": ""});
        self.open(Block::Thinking, &block, events);
    }

    fn call(&mut self, call: &Value, events: &mut BytesMut) {
        let function = &call["function"];
        if let Some(id) = call["id"].as_str().filter(|id| !id.is_empty())
            && self.call_id.as_deref() != Some(id)
        {
            self.close(events);
            self.call_id = Some(id.to_owned());
        }
        let number = call["index"].as_u64().unwrap_or_default();
        let block = tool_block(&call["id"], &function["name"], &json!({}));
        self.open(Block::Call(number), &block, events);
        if let Some(part) = function["arguments"].as_str().filter(|part| !part.is_empty()) {
            self.delta(&json!({"type": "input_json_delta", "partial_json": part}), events);
        }
    }

    /// Goes on with `block`, or ends the one that is open and begins it.
    fn open(&mut self, block: Block, content: &Value, events: &mut BytesMut) {
        if self.open == Some(block) {
            return;
        }
        self.close(events);
        let start =
            json!({"type": "content_block_start", "index": self.blocks, "content_block": content});
        say(&start, events);
        self.blocks += 1;
        self.open = Some(block);
    }

    fn delta(&self, delta: &Value, events: &mut BytesMut) {
        let index = self.blocks.saturating_sub(1);
        say(&json!({"type": "content_block_delta", "index": index, "delta": delta}), events);
    }

    fn close(&mut self, events: &mut BytesMut) {
        if self.open.take().is_some() {
            let index = self.blocks.saturating_sub(1);
            say(&json!({"type": "content_block_stop", "index": index}), events);
        }
    }
}

/// Anthropic's clients look at the event's name, which is its type.
fn say(event: &Value, events: &mut BytesMut) {
    let name = event["type"].as_str().unwrap_or_default();
    events.extend_from_slice(&sse::named(name, &event.to_string()));
}

#[cfg(test)]
mod tests {
    use keyway_core::money::Nanos;
    use keyway_core::pricing::{Cost, Usage};

    use super::*;

    fn envelope() -> Envelope {
        Envelope { id: "gen-1".into(), model: "a/b".into(), provider: "A".into(), created: 7 }
    }

    fn read(bytes: &Bytes) -> Vec<Value> {
        let text = std::str::from_utf8(bytes).expect("text");
        let events = text.split_terminator("\n\n").map(|event| {
            let (name, data) = event.split_once('\n').expect("two lines");
            let data: Value =
                serde_json::from_str(data.strip_prefix("data: ").expect("data")).expect("JSON");
            assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
            data
        });
        events.collect()
    }

    fn play(deltas: &[Value], finish: &str) -> Vec<Value> {
        let mut stream = Stream::default();
        let mut events = Vec::new();
        let chunk = |delta: &Value, finish: Value| {
            let said = json!({
                "id": "gen-1", "model": "a/b", "provider": "A",
                "choices": [{"delta": delta, "finish_reason": finish, "native_finish_reason": finish}],
            });
            said.as_object().expect("an object").clone()
        };
        for delta in deltas {
            events.extend(read(&stream.chunk(&chunk(delta, Value::Null))));
        }
        events.extend(read(&stream.chunk(&chunk(&json!({}), finish.into()))));
        assert!(events.iter().all(|event| event["type"] != "message_delta"), "before the charge");
        let usage = Usage::of(3, 4);
        let receipt = Receipt { usage, cost: Cost::default(), charge: Nanos::new(9), byok: None };
        events.extend(read(&stream.closing(&envelope(), &receipt, None)));
        events
    }

    /// What happened, in short: the type, and which block.
    fn shape(events: &[Value]) -> Vec<String> {
        let kind = |event: &Value| match (&event["index"], event["content_block"]["type"].as_str())
        {
            (Value::Null, _) => event["type"].as_str().unwrap_or_default().to_owned(),
            (index, Some(block)) => format!("{index} {block}"),
            (index, None) => {
                let delta = event["delta"]["type"].as_str();
                format!("{index} {}", delta.unwrap_or("stop"))
            }
        };
        events.iter().map(kind).collect()
    }

    #[test]
    fn blocks_begin_and_end_one_after_the_other() {
        let events = play(
            &[
                json!({"role": "assistant", "content": ""}),
                json!({"reasoning": "h", "reasoning_details": [{"type": "reasoning.text", "text": "h"}]}),
                json!({"reasoning_details": [{"type": "reasoning.text", "signature": "s"}]}),
                json!({"content": "he"}),
                json!({"content": "llo"}),
                json!({"tool_calls": [
                    {"index": 0, "id": "t0", "function": {"name": "f", "arguments": ""}}]}),
                json!({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}),
                json!({"tool_calls": [
                    {"index": 1, "id": "t1", "function": {"name": "g", "arguments": "{}"}}]}),
            ],
            "tool_calls",
        );
        let expected = [
            "message_start",
            "0 thinking",
            "0 thinking_delta",
            "0 signature_delta",
            "0 stop",
            "1 text",
            "1 text_delta",
            "1 text_delta",
            "1 stop",
            "2 tool_use",
            "2 input_json_delta",
            "2 stop",
            "3 tool_use",
            "3 input_json_delta",
            "3 stop",
            "message_delta",
            "message_stop",
        ];
        assert_eq!(shape(&events), expected);
        let last = &events[events.len() - 2];
        assert_eq!(last["delta"]["stop_reason"], "tool_use");
        assert_eq!(
            (&last["usage"]["input_tokens"], &last["usage"]["output_tokens"]),
            (&json!(3), &json!(4))
        );
        assert_eq!(last["usage"]["cost"].to_string(), "0.000000009");
    }

    #[test]
    fn what_a_text_refers_to_is_told_in_its_block() {
        let source = json!({"url": "https://a.example", "title": "A", "content": "cited"});
        let annotation = json!({"type": "url_citation", "url_citation": source});
        let events =
            play(&[json!({"content": "he"}), json!({"annotations": [annotation]})], "stop");
        let expected = ["message_start", "0 text", "0 text_delta", "0 citations_delta", "0 stop"];
        assert_eq!(shape(&events)[..5], expected);
        let citation = json!({
            "type": "web_search_result_location", "url": "https://a.example", "title": "A",
            "cited_text": "cited", "encrypted_index": "",
        });
        assert_eq!(events[3]["delta"]["citation"], citation);
    }

    #[test]
    fn an_answer_of_nothing_is_a_message_all_the_same() {
        assert_eq!(shape(&play(&[], "stop")), ["message_start", "message_delta", "message_stop"]);
    }

    #[test]
    fn a_failure_is_an_event_of_its_own() {
        let error = StreamError { code: 503, message: "busy", error_type: "provider_overloaded" };
        let events = read(&Stream::failure(&envelope(), &error));
        assert_eq!(events[0]["error"]["type"], "overloaded_error");
        assert_eq!(events[0]["request_id"], "gen-1");
    }
}
