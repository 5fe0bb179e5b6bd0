//! A whole answer as an Anthropic message.

use serde_json::{Map, Value, json};

use super::citation::citations;
use super::{input, stop_reason, usage::usage};

/// From a whole answer of the form in the middle. A message that came as one is passed on, under our
/// names and with what it costs.
pub(in crate::face) fn whole(
    said: &Map<String, Value>,
    native: Option<Map<String, Value>>,
) -> Map<String, Value> {
    if let Some(mut message) = native {
        let counted = usage(said.get("usage").unwrap_or(&Value::Null));
        named(&mut message, said);
        complete(&mut message, "usage", counted);
        return message;
    }
    let none = Value::Null;
    let choice = said.get("choices").and_then(|choices| choices.get(0)).unwrap_or(&none);
    let mut message = head(said);
    message.insert("content".into(), content(&choice["message"]).into());
    let (finish, native) =
        (choice["finish_reason"].as_str(), choice["native_finish_reason"].as_str());
    message.insert("stop_reason".into(), stop_reason(finish, native).into());
    message.insert("stop_sequence".into(), choice["stop_sequence"].as_str().into());
    let block = said.get("usage").unwrap_or(&none);
    message.insert("usage".into(), Value::Object(usage(block)));
    message
}

/// Puts our names for the answer into a message that came from its provider.
pub(super) fn named(message: &mut Map<String, Value>, said: &Map<String, Value>) {
    for field in ["id", "model", "provider"] {
        message.insert(field.to_owned(), said.get(field).cloned().unwrap_or_default());
    }
    for field in ["stop_sequence", "stop_details", "container"] {
        message.entry(field).or_insert(Value::Null);
    }
}

/// Puts what was counted here over what the provider says under `field`, whose further counts stay.
pub(super) fn complete(message: &mut Map<String, Value>, field: &str, counted: Map<String, Value>) {
    let theirs = message.entry(field).or_insert(Value::Null);
    let mut usage = theirs.as_object_mut().map(std::mem::take).unwrap_or_default();
    for (name, value) in counted {
        if !value.is_null() || !usage.contains_key(&name) {
            usage.insert(name, value);
        }
    }
    *theirs = Value::Object(usage);
}

/// How a message begins, whole or streamed: with nothing in it yet.
pub(super) fn head(said: &Map<String, Value>) -> Map<String, Value> {
    let said = |field: &str| said.get(field).cloned().unwrap_or_default();
    let Value::Object(head) = json!({
        "id": said("id"),
        "type": "message",
        "role": "assistant",
        "model": said("model"),
        "provider": said("provider"),
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
        "stop_details": null,
        "container": null,
    }) else {
        unreachable!("it is written as an object")
    };
    head
}

fn content(message: &Value) -> Vec<Value> {
    let mut blocks = thoughts(message);
    let mut text = message["content"].as_str().filter(|text| !text.is_empty()).map(text_block);
    let cited: Vec<Value> = citations(message).collect();
    if !cited.is_empty() {
        text.get_or_insert_with(|| text_block(""))["citations"] = cited.into();
    }
    blocks.extend(text);
    if let Some(text) = message["refusal"].as_str().filter(|text| !text.is_empty()) {
        blocks.push(text_block(text));
    }
    let calls = message["tool_calls"].as_array().into_iter().flatten();
    blocks.extend(calls.map(|call| {
        let function = &call["function"];
        tool_block(&call["id"], &function["name"], &input(function.get("arguments")))
    }));
    blocks
}

pub(super) fn text_block(text: &str) -> Value {
    json!({"type": "text", "text": text, "citations": null})
}

pub(super) fn tool_block(id: &Value, name: &Value, input: &Value) -> Value {
    json!({
        "type": "tool_use", "id": id, "name": name, "input": input, "caller": {"type": "direct"},
    })
}

fn thoughts(message: &Value) -> Vec<Value> {
    let details = message["reasoning_details"].as_array().into_iter().flatten();
    let blocks: Vec<Value> = details.filter_map(thought).collect();
    match message["reasoning"].as_str().filter(|text| !text.is_empty()) {
        Some(text) if blocks.is_empty() => {
            vec![json!({"type": "thinking", "thinking": text, "signature": ""})]
        }
        _ => blocks,
    }
}

fn thought(detail: &Value) -> Option<Value> {
    let signature = detail["signature"].as_str().unwrap_or_default();
    match detail["type"].as_str()? {
        "reasoning.text" => {
            let text = detail["text"].as_str().unwrap_or_default();
            Some(json!({"type": "thinking", "thinking": text, "signature": signature}))
        }
        "reasoning.summary" => {
            let text = detail["summary"].as_str()?;
            Some(json!({"type": "thinking", "thinking": text, "signature": signature}))
        }
        "reasoning.encrypted" => {
            Some(json!({"type": "redacted_thinking", "data": detail["data"].as_str()?}))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_becomes_a_message() {
        let said = json!({
            "id": "gen-1", "model": "a/b", "provider": "A",
            "choices": [{
                "finish_reason": "tool_calls", "native_finish_reason": "tool_calls",
                "message": {
                    "content": "look", "reasoning": "hm",
                    "annotations": [
                        {"type": "url_citation", "url_citation": {"url": "https://a.example", "title": "A"}},
                        {"type": "file", "file": {"hash": "h"}},
                    ],
                    "reasoning_details": [
                        {"type": "reasoning.text", "text": "hm", "signature": "s"},
                        {"type": "reasoning.encrypted", "data": "d"},
                    ],
                    "tool_calls": [{"id": "t", "function": {"name": "f", "arguments": "{\"a\":1}"}}],
                },
            }],
            "usage": {"prompt_tokens": 3, "completion_tokens": 4},
        });
        let message = Value::Object(whole(said.as_object().expect("an object"), None));
        let expected = json!([
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "redacted_thinking", "data": "d"},
            {"type": "text", "text": "look", "citations": [{
                "type": "web_search_result_location", "url": "https://a.example", "title": "A",
                "cited_text": "", "encrypted_index": "",
            }]},
            {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}, "caller": {"type": "direct"}},
        ]);
        assert_eq!(message["content"], expected);
        assert_eq!(
            (&message["stop_reason"], &message["id"]),
            (&json!("tool_use"), &json!("gen-1"))
        );
        assert_eq!(message["usage"]["input_tokens"], 3);
    }

    #[test]
    fn why_it_stopped_is_told_in_anthropics_words() {
        for (finish, native, told) in [
            (Some("stop"), Some("stop"), Some("end_turn")),
            (Some("stop"), Some("stop_sequence"), Some("stop_sequence")),
            (Some("length"), Some("length"), Some("max_tokens")),
            (Some("content_filter"), None, Some("refusal")),
            (None, None, None),
        ] {
            assert_eq!(stop_reason(finish, native), told);
        }
    }
}
