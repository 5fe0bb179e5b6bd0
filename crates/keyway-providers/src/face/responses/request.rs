//! A request of the Responses API, read into the form in the middle.

use serde_json::{Map, Value, json};

use super::input::{self, Heard};
use super::kept;
use crate::chat::{ChatRequest, Native, RequestError, Tongue};

/// Fields that both forms have under one name.
const SHARED: [&str; 25] = [
    "model",
    "models",
    "stream",
    "temperature",
    "top_p",
    "top_k",
    "top_logprobs",
    "presence_penalty",
    "frequency_penalty",
    "parallel_tool_calls",
    "metadata",
    "user",
    "safety_identifier",
    "service_tier",
    "prompt_cache_key",
    "prompt_cache_options",
    "cache_control",
    "modalities",
    "image_config",
    "plugins",
    "provider",
    "route",
    "session_id",
    "trace",
    "stop_server_tools_when",
];
/// What stands for something that was kept; nothing is kept here.
const STATEFUL: [(&str, &str); 4] = [
    ("previous_response_id", "Keyway keeps no responses; send the conversation in input"),
    ("conversation", "Keyway keeps no conversations; send the conversation in input"),
    ("prompt", "Keyway keeps no prompts; send the text in instructions or input"),
    ("background", "Keyway runs no responses in the background"),
];

/// Reads a request.
pub(super) fn read(said: &Map<String, Value>) -> Result<ChatRequest, RequestError> {
    stateless(said)?;
    let mut chat = Map::new();
    for field in SHARED {
        if let Some(value) = present(said, field) {
            chat.insert(field.to_owned(), value.clone());
        }
    }
    if let Some(most) = present(said, "max_output_tokens") {
        whole(most)?;
        chat.insert("max_tokens".to_owned(), most.clone());
    }
    let Heard { messages, foreign: untranslated, left_out } = input::messages(said)?;
    chat.insert("messages".to_owned(), messages);
    tools(said, &mut chat)?;
    text(said, &mut chat);
    if let Some(Value::Object(reasoning)) = present(said, "reasoning") {
        let mut reasoning = reasoning.clone();
        reasoning.retain(|_, value| !value.is_null());
        chat.insert("reasoning".to_owned(), Value::Object(reasoning));
    }
    let included = said.get("include").and_then(Value::as_array).into_iter().flatten();
    if included.into_iter().any(|it| it == "message.output_text.logprobs") {
        chat.insert("logprobs".to_owned(), true.into());
    }
    let request = ChatRequest::parse(Value::Object(chat))?;
    if !kept::is_openais(said) {
        return untranslated.map_or(Ok(request), Err);
    }
    kept::refuse(said)?;
    let said = said.clone();
    Ok(request.with_native(Native { tongue: Tongue::Responses, said, untranslated, left_out }))
}

fn present<'a>(said: &'a Map<String, Value>, field: &str) -> Option<&'a Value> {
    said.get(field).filter(|value| !value.is_null())
}

/// Under the name that the client used.
fn whole(most: &Value) -> Result<(), RequestError> {
    let text = most.to_string();
    let number = text.strip_suffix(".0").unwrap_or(&text).parse::<u64>().ok();
    match number.filter(|number| *number > 0) {
        Some(_) => Ok(()),
        None => Err(RequestError::new("max_output_tokens", "must be a whole number above zero")),
    }
}

fn stateless(said: &Map<String, Value>) -> Result<(), RequestError> {
    if present(said, "store").is_some_and(|store| *store != false) {
        let why = "must be false: Keyway keeps no responses";
        return Err(RequestError::new("store", why));
    }
    let kept = |(field, _): &&(&str, &str)| {
        present(said, field).is_some_and(|value| *value != Value::Bool(false))
    };
    match STATEFUL.iter().find(kept) {
        Some((field, why)) => Err(RequestError::new(*field, *why)),
        None => Ok(()),
    }
}

fn tools(said: &Map<String, Value>, chat: &mut Map<String, Value>) -> Result<(), RequestError> {
    if let Some(tools) = present(said, "tools") {
        let tools = tools
            .as_array()
            .ok_or_else(|| RequestError::new("tools", "must be an array of tools"))?;
        if !tools.is_empty() {
            chat.insert("tools".to_owned(), tools.iter().map(tool).collect());
        }
    }
    let Some(choice) = present(said, "tool_choice") else { return Ok(()) };
    let choice = match choice["type"].as_str() {
        Some(kind @ ("function" | "custom")) => {
            let mut chosen = json!({"type": kind});
            chosen[kind] = json!({"name": choice["name"]});
            chosen
        }
        Some("allowed_tools") => {
            let tools = choice["tools"].as_array().into_iter().flatten().map(tool);
            let allowed = json!({"mode": choice["mode"], "tools": tools.collect::<Vec<_>>()});
            json!({"type": "allowed_tools", "allowed_tools": allowed})
        }
        _ => choice.clone(),
    };
    chat.insert("tool_choice".to_owned(), choice);
    Ok(())
}

/// A tool of the client is described inside of a field there. One that runs elsewhere stays as it is.
fn tool(tool: &Value) -> Value {
    let (Some(kind @ ("function" | "custom")), Value::Object(fields)) =
        (tool["type"].as_str(), tool)
    else {
        return tool.clone();
    };
    let mut described = fields.clone();
    described.shift_remove("type");
    described.retain(|_, value| !value.is_null());
    let mut tool = json!({"type": kind});
    tool[kind] = Value::Object(described);
    tool
}

/// The form of the answer's text.
fn text(said: &Map<String, Value>, chat: &mut Map<String, Value>) {
    let text = said.get("text").unwrap_or(&Value::Null);
    if let verbosity @ Value::String(_) = &text["verbosity"] {
        chat.insert("verbosity".to_owned(), verbosity.clone());
    }
    let format = &text["format"];
    let read = match (format["type"].as_str(), format) {
        (Some("json_schema"), Value::Object(fields)) => {
            let mut schema = fields.clone();
            schema.shift_remove("type");
            schema.retain(|_, value| !value.is_null());
            json!({"type": "json_schema", "json_schema": schema})
        }
        (Some("json_object"), _) => format.clone(),
        _ => return,
    };
    chat.insert("response_format".to_owned(), read);
}
