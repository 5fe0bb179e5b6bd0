//! The input of a response: items, read into messages.

use serde_json::{Map, Value, json};

use super::parts::parts;
use crate::chat::RequestError;

const ROLES: [&str; 4] = ["user", "assistant", "system", "developer"];

/// What was read, and what of it the form in the middle has no word for.
pub(super) type Read = (Value, Option<RequestError>);

/// The messages of a request, and what they do not tell.
pub(super) struct Heard {
    pub(super) messages: Value,
    /// What the form in the middle has no word for.
    pub(super) foreign: Option<RequestError>,
    /// Where an item stands that models do well without, and that may be more than its text.
    pub(super) left_out: Option<String>,
}

/// The messages of a request, the instructions before them.
pub(super) fn messages(said: &Map<String, Value>) -> Result<Heard, RequestError> {
    let (mut messages, mut foreign, mut left_out) = (Vec::new(), None, None);
    match said.get("instructions") {
        None | Some(Value::Null) => {}
        Some(text @ Value::String(_)) => messages.push(json!({"role": "system", "content": text})),
        Some(_) => return Err(RequestError::new("instructions", "must be a string")),
    }
    match said.get("input") {
        Some(text @ Value::String(_)) => messages.push(json!({"role": "user", "content": text})),
        Some(Value::Array(items)) => {
            let mut turn = Turn::default();
            for (number, item) in items.iter().enumerate() {
                turn.read(&format!("input[{number}]"), item, &mut messages)?;
            }
            turn.finish(&mut messages);
            (foreign, left_out) = (turn.foreign, turn.left_out);
        }
        None | Some(Value::Null) => return Err(RequestError::new("input", "is required")),
        Some(_) => return Err(RequestError::new("input", "must be a string or an array of items")),
    }
    if messages.is_empty() {
        let nothing =
            foreign.ok_or_else(|| RequestError::new("input", "must have at least one item"))?;
        let messages = json!([{"role": "user", "content": ""}]);
        return Ok(Heard { messages, foreign: Some(nothing), left_out });
    }
    Ok(Heard { messages: messages.into(), foreign, left_out })
}

/// What a model said in one turn: several items here, one message there.
#[derive(Default)]
struct Turn {
    thoughts: Vec<Value>,
    content: Option<Value>,
    calls: Vec<Value>,
    /// The first thing in all turns that the form in the middle has no word for.
    foreign: Option<RequestError>,
    /// Where the first item stands that was left out.
    left_out: Option<String>,
}

impl Turn {
    fn read(
        &mut self,
        at: &str,
        item: &Value,
        messages: &mut Vec<Value>,
    ) -> Result<(), RequestError> {
        if !item.is_object() {
            return Err(RequestError::new(at, "must be an object"));
        }
        let kind = item["type"].as_str().unwrap_or("message");
        match kind {
            "message" => self.message(at, item, messages)?,
            "reasoning" => self.thoughts.extend(thoughts(item)),
            "function_call" => self.calls.push(json!({
                "id": item["call_id"], "type": "function",
                "function": {"name": item["name"], "arguments": item["arguments"]},
            })),
            "custom_tool_call" => self.calls.push(json!({
                "id": item["call_id"], "type": "custom",
                "custom": {"name": item["name"], "input": item["input"]},
            })),
            _ if kind.ends_with("_output") && item["call_id"].is_string() => {
                self.finish(messages);
                let content = self.output(kind, &format!("{at}.output"), &item["output"])?;
                let id = &item["call_id"];
                messages.push(json!({"role": "tool", "tool_call_id": id, "content": content}));
            }
            _ if kind.ends_with("_call") && item["call_id"].is_string() => {
                self.calls.push(client_call(kind, item));
            }
            "item_reference" => {
                return Err(RequestError::new(at, "refers to an item, and Keyway keeps none"));
            }
            // What a tool at the provider did; its results are in what the model said.
            _ if kind.ends_with("_call") || kind.starts_with("openrouter:") => {
                self.left_out.get_or_insert_with(|| at.to_owned());
            }
            _ => {
                let why = format!("{kind} is not an item that can be sent to a model here");
                self.foreign.get_or_insert(RequestError::new(format!("{at}.type"), why));
            }
        }
        Ok(())
    }

    /// What a tool answered. An object may be a picture, and pieces without a type are of one tool only.
    fn output(&mut self, kind: &str, at: &str, output: &Value) -> Result<Value, RequestError> {
        let of_client = matches!(kind, "function_call_output" | "custom_tool_call_output");
        match output {
            text @ Value::String(_) => return Ok(text.clone()),
            Value::Array(parts) if of_client || parts.iter().all(|it| it["type"].is_string()) => {
                return self.parts(at, parts);
            }
            Value::Null => {}
            _ => {
                let why = "is neither a text nor parts: only who has that tool can be told";
                self.foreign.get_or_insert_with(|| RequestError::new(at, why));
            }
        }
        Ok(output.to_string().into())
    }

    fn message(
        &mut self,
        at: &str,
        item: &Value,
        messages: &mut Vec<Value>,
    ) -> Result<(), RequestError> {
        let role = item["role"].as_str().filter(|role| ROLES.contains(role)).ok_or_else(|| {
            let allowed = format!("must be one of {}", ROLES.join(", "));
            RequestError::new(format!("{at}.role"), allowed)
        })?;
        let content = match &item["content"] {
            Value::Array(content) => self.parts(&format!("{at}.content"), content)?,
            text @ (Value::String(_) | Value::Null) => text.clone(),
            _ => {
                let why = "must be a string or an array of parts";
                return Err(RequestError::new(format!("{at}.content"), why));
            }
        };
        if role != "assistant" {
            self.finish(messages);
            messages.push(json!({"role": role, "content": content}));
            return Ok(());
        }
        if self.content.is_some() || !self.calls.is_empty() {
            self.finish(messages);
        }
        self.content = Some(content);
        Ok(())
    }

    fn parts(&mut self, at: &str, content: &[Value]) -> Result<Value, RequestError> {
        let (parts, foreign) = parts(at, content)?;
        if self.foreign.is_none() {
            self.foreign = foreign;
        }
        Ok(parts)
    }

    /// Ends the turn, where anything is in it.
    fn finish(&mut self, messages: &mut Vec<Value>) {
        let [thoughts, calls] = [&mut self.thoughts, &mut self.calls].map(std::mem::take);
        let content = self.content.take();
        if content.is_none() && thoughts.is_empty() && calls.is_empty() {
            return;
        }
        let mut message = json!({"role": "assistant", "content": content});
        if !thoughts.is_empty() {
            message["reasoning_details"] = thoughts.into();
        }
        if !calls.is_empty() {
            message["tool_calls"] = calls.into();
        }
        messages.push(message);
    }
}

/// A call of a tool that every client of its kind has, a shell for one: its name is its kind.
fn client_call(kind: &str, item: &Value) -> Value {
    let name = kind.strip_suffix("_call").unwrap_or(kind);
    let what = ["action", "operation", "arguments"].iter().find_map(|field| item.get(*field));
    let arguments = what.map_or_else(|| "{}".to_owned(), Value::to_string);
    json!({
        "id": item["call_id"], "type": "function",
        "function": {"name": name, "arguments": arguments},
    })
}

fn thoughts(item: &Value) -> Vec<Value> {
    let mut thoughts = Vec::new();
    let parts = |field: &str| item[field].as_array().into_iter().flatten();
    for part in parts("content") {
        thoughts.push(json!({"type": "reasoning.text", "text": part["text"]}));
    }
    for part in parts("summary") {
        thoughts.push(json!({"type": "reasoning.summary", "summary": part["text"]}));
    }
    if let (Some(last), Some(signature)) = (thoughts.last_mut(), item["signature"].as_str()) {
        last["signature"] = signature.into();
    }
    if let Some(data) = item["encrypted_content"].as_str() {
        thoughts.push(json!({"type": "reasoning.encrypted", "data": data, "id": item["id"]}));
    }
    for (index, thought) in thoughts.iter_mut().enumerate() {
        thought["index"] = index.into();
        if let Some(format) = item["format"].as_str() {
            thought["format"] = format.into();
        }
    }
    thoughts
}
