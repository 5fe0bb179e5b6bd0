//! The conversation: Anthropic's messages of blocks, read into messages of parts.

use serde_json::{Map, Value, json};

use super::THOUGHT_FORMAT;
use crate::chat::RequestError;

/// The messages of a request, the system's before them.
pub(super) fn messages(said: &Map<String, Value>) -> Result<Value, RequestError> {
    let turns = match said.get("messages") {
        Some(Value::Array(turns)) => turns,
        None | Some(Value::Null) => return Err(RequestError::new("messages", "is required")),
        Some(_) => return Err(RequestError::new("messages", "must be an array of messages")),
    };
    if turns.is_empty() {
        return Err(RequestError::new("messages", "must have at least one message"));
    }
    let mut messages = Vec::with_capacity(turns.len() + 1);
    match said.get("system") {
        None | Some(Value::Null) => {}
        Some(text @ (Value::String(_) | Value::Array(_))) => {
            messages.push(json!({"role": "system", "content": text}));
        }
        Some(_) => {
            return Err(RequestError::new("system", "must be a string or an array of text blocks"));
        }
    }
    for (number, turn) in turns.iter().enumerate() {
        read_turn(&format!("messages[{number}]"), turn, &mut messages)?;
    }
    Ok(messages.into())
}

/// One message may be several there: the result of each tool is a message of its own.
fn read_turn(at: &str, turn: &Value, messages: &mut Vec<Value>) -> Result<(), RequestError> {
    let role = turn.get("role").and_then(Value::as_str);
    let role = role.filter(|role| ["user", "assistant", "system"].contains(role));
    let Some(role) = role else {
        let allowed = "must be one of user, assistant, system";
        return Err(RequestError::new(format!("{at}.role"), allowed));
    };
    let content = format!("{at}.content");
    let blocks = match turn.get("content") {
        Some(Value::Array(blocks)) => blocks,
        Some(text @ Value::String(_)) => {
            messages.push(json!({"role": role, "content": text}));
            return Ok(());
        }
        _ => return Err(RequestError::new(content, "must be a string or an array of blocks")),
    };
    let mut message = Message::default();
    for (number, block) in blocks.iter().enumerate() {
        let kind = block.get("type").and_then(Value::as_str).ok_or_else(|| {
            RequestError::new(format!("{content}[{number}].type"), "must say what the block is")
        })?;
        if kind == "tool_result" {
            // What stands before it was said before it.
            message.finish(role, messages);
            messages.push(tool_result(block));
        } else {
            message.add(kind, block);
        }
    }
    message.finish(role, messages);
    Ok(())
}

fn tool_result(block: &Value) -> Value {
    let content = match block.get("content") {
        Some(Value::Array(blocks)) => blocks
            .iter()
            .map(|block| part(block["type"].as_str().unwrap_or_default(), block))
            .collect(),
        Some(text @ Value::String(_)) => text.clone(),
        _ => "".into(),
    };
    let mut message =
        json!({"role": "tool", "tool_call_id": block["tool_use_id"], "content": content});
    for field in ["is_error", "cache_control"] {
        if let Some(value) = block.get(field).filter(|value| !value.is_null()) {
            message[field] = value.clone();
        }
    }
    message
}

/// A message of the form in the middle, while it is put together.
#[derive(Default)]
struct Message {
    parts: Vec<Value>,
    thoughts: Vec<Value>,
    calls: Vec<Value>,
}

impl Message {
    fn add(&mut self, kind: &str, block: &Value) {
        let index = self.thoughts.len();
        match kind {
            "thinking" => self.thoughts.push(json!({
                "type": "reasoning.text", "text": block["thinking"],
                "signature": block["signature"], "format": THOUGHT_FORMAT, "index": index,
            })),
            "redacted_thinking" => self.thoughts.push(json!({
                "type": "reasoning.encrypted", "data": block["data"],
                "format": THOUGHT_FORMAT, "index": index,
            })),
            "tool_use" => self.calls.push(call(block)),
            _ => self.parts.push(part(kind, block)),
        }
    }

    /// Ends the message, where anything is in it.
    fn finish(&mut self, role: &str, messages: &mut Vec<Value>) {
        let Self { parts, thoughts, calls } = std::mem::take(self);
        if parts.is_empty() && thoughts.is_empty() && calls.is_empty() {
            return;
        }
        let content = if parts.is_empty() { Value::Null } else { parts.into() };
        let mut message = json!({"role": role, "content": content});
        if !thoughts.is_empty() {
            message["reasoning_details"] = thoughts.into();
        }
        if !calls.is_empty() {
            message["tool_calls"] = calls.into();
        }
        messages.push(message);
    }
}

fn call(block: &Value) -> Value {
    let input = block.get("input").filter(|input| !input.is_null());
    let arguments = input.map_or_else(|| "{}".to_owned(), Value::to_string);
    let mut call = json!({
        "id": block["id"], "type": "function",
        "function": {"name": block["name"], "arguments": arguments},
    });
    if let Some(cache) = block.get("cache_control").filter(|it| !it.is_null()) {
        call["cache_control"] = cache.clone();
    }
    call
}

/// What a user sends. A block that the form in the middle has no word for stays as it is.
fn part(kind: &str, block: &Value) -> Value {
    let mut part = match kind {
        "image" => match address(&block["source"]) {
            Some(url) => json!({"type": "image_url", "image_url": {"url": url}}),
            None => return block.clone(),
        },
        "document" => match document(block) {
            Some(part) => part,
            None => return block.clone(),
        },
        _ => return block.clone(),
    };
    if let Some(cache) = block.get("cache_control").filter(|it| !it.is_null()) {
        part["cache_control"] = cache.clone();
    }
    part
}

/// Where a picture or a file is: at an address, or inside of one.
fn address(source: &Value) -> Option<String> {
    match source["type"].as_str()? {
        "url" => source["url"].as_str().map(str::to_owned),
        "base64" => {
            let (kind, data) = (source["media_type"].as_str()?, source["data"].as_str()?);
            Some(format!("data:{kind};base64,{data}"))
        }
        _ => None,
    }
}

fn document(block: &Value) -> Option<Value> {
    let source = &block["source"];
    if source["type"] == "text" {
        return Some(json!({"type": "text", "text": source["data"]}));
    }
    let name = block["title"].as_str().unwrap_or("document.pdf");
    Some(json!({"type": "file", "file": {"filename": name, "file_data": address(source)?}}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(turns: &Value) -> Value {
        let said = json!({"messages": turns});
        messages(said.as_object().expect("an object")).expect("messages")
    }

    #[test]
    fn a_turn_with_tools_becomes_a_message_for_each() {
        let read = read(&json!([
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s"},
                {"type": "text", "text": "let me look"},
                {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "t1", "is_error": true, "content": [
                    {"type": "text", "text": "broken"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}},
                ]},
                {"type": "text", "text": "go on"},
            ]},
        ]));
        let expected = json!([
            {
                "role": "assistant", "content": [{"type": "text", "text": "let me look"}],
                "reasoning_details": [{
                    "type": "reasoning.text", "text": "hm", "signature": "s",
                    "format": "anthropic-claude-v1", "index": 0,
                }],
                "tool_calls": [
                    {"id": "t1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}},
                ],
            },
            {
                "role": "tool", "tool_call_id": "t1", "is_error": true,
                "content": [
                    {"type": "text", "text": "broken"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
                ],
            },
            {"role": "user", "content": [{"type": "text", "text": "go on"}]},
        ]);
        assert_eq!(read, expected);
    }

    #[test]
    fn documents_and_pictures_are_parts() {
        let cache = json!({"type": "ephemeral"});
        let read = read(&json!([{"role": "user", "content": [
            {"type": "image", "source": {"type": "url", "url": "https://a/b.png"}, "cache_control": cache},
            {"type": "document", "title": "a.pdf",
             "source": {"type": "base64", "media_type": "application/pdf", "data": "AA=="}},
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}},
            {"type": "search_result", "content": []},
        ]}]));
        let expected = json!([
            {"type": "image_url", "image_url": {"url": "https://a/b.png"}, "cache_control": cache},
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="}},
            {"type": "text", "text": "words"},
            {"type": "search_result", "content": []},
        ]);
        assert_eq!(read[0]["content"], expected);
    }
}
