//! A request of Anthropic's Messages, read into the form in the middle.

use serde_json::{Map, Value, json};

use super::content;
use crate::chat::{ChatRequest, Native, RequestError, Tongue, place};

/// Fields that both forms have.
const SHARED: [&str; 16] = [
    "model",
    "max_tokens",
    "stream",
    "temperature",
    "top_p",
    "top_k",
    "cache_control",
    "models",
    "plugins",
    "provider",
    "route",
    "session_id",
    "trace",
    "user",
    "stop_server_tools_when",
    "speed",
];
const FALLBACKS_MAX: usize = 3;

/// Reads a request.
pub(in crate::face) fn read(body: &Value) -> Result<ChatRequest, RequestError> {
    let Value::Object(said) = body else {
        return Err(RequestError::new("The request's body", "must be a JSON object"));
    };
    let mut chat = Map::new();
    for field in SHARED {
        if let Some(value) = present(said, field) {
            chat.insert(field.to_owned(), value.clone());
        }
    }
    chat.insert("messages".to_owned(), content::messages(said)?);
    fallbacks(said, &mut chat)?;
    tools(said, &mut chat)?;
    if let Some(stop) = present(said, "stop_sequences") {
        chat.insert("stop".to_owned(), stop.clone());
    }
    if let Some(user) = said.get("metadata").and_then(|it| present(it.as_object()?, "user_id")) {
        chat.entry("user").or_insert_with(|| user.clone());
    }
    if let Some(tier) = said.get("service_tier").and_then(Value::as_str) {
        let tier = if tier == "standard_only" { "default" } else { tier };
        chat.insert("service_tier".to_owned(), tier.into());
    }
    thinking(said, &mut chat);
    output(said, &mut chat);
    let request = ChatRequest::parse(Value::Object(chat))?;
    let messages = said.get("messages").and_then(Value::as_array).into_iter().flatten();
    // What is sent as it is has what is not translated, too.
    for (number, message) in messages.enumerate() {
        place::check_blocks(message.get("content"), &format!("messages[{number}].content"))?;
    }
    let (said, untranslated, left_out) = (said.clone(), None, None);
    let native = Native { tongue: Tongue::Messages, said, untranslated, left_out };
    Ok(request.with_native(native))
}

fn present<'a>(said: &'a Map<String, Value>, field: &str) -> Option<&'a Value> {
    said.get(field).filter(|value| !value.is_null())
}

/// `fallbacks` are further models, without anything else about them.
fn fallbacks(said: &Map<String, Value>, chat: &mut Map<String, Value>) -> Result<(), RequestError> {
    let Some(fallbacks) = present(said, "fallbacks") else { return Ok(()) };
    let wrong = |why: &str| RequestError::new("fallbacks", why);
    if chat.contains_key("models") {
        return Err(wrong("must not be given together with models"));
    }
    let models = fallbacks.as_array().filter(|models| models.len() <= FALLBACKS_MAX);
    let models = models.ok_or_else(|| wrong("must be an array of at most 3 models"))?;
    let named = models.iter().map(|fallback| {
        let fields = fallback.as_object().filter(|fields| fields.len() == 1)?;
        fields.get("model").filter(|model| model.is_string()).cloned()
    });
    let named: Option<Vec<Value>> = named.collect();
    let named = named.ok_or_else(|| wrong("must be objects with nothing but a model"))?;
    chat.insert("models".to_owned(), named.into());
    Ok(())
}

fn tools(said: &Map<String, Value>, chat: &mut Map<String, Value>) -> Result<(), RequestError> {
    if let Some(tools) = present(said, "tools") {
        let tools = tools
            .as_array()
            .ok_or_else(|| RequestError::new("tools", "must be an array of tools"))?;
        chat.insert("tools".to_owned(), tools.iter().map(tool).collect());
    }
    let Some(choice) = present(said, "tool_choice") else { return Ok(()) };
    let how = choice.get("type").and_then(Value::as_str).unwrap_or_default();
    let chosen = match how {
        "auto" | "none" => how.into(),
        "any" => "required".into(),
        "tool" => json!({"type": "function", "function": {"name": choice["name"]}}),
        _ => {
            let allowed = "must be one of auto, any, tool, none";
            return Err(RequestError::new("tool_choice.type", allowed));
        }
    };
    chat.insert("tool_choice".to_owned(), chosen);
    if choice["disable_parallel_tool_use"] == true {
        chat.insert("parallel_tool_calls".to_owned(), false.into());
    }
    Ok(())
}

/// A tool of the client is a function. One that runs elsewhere stays as it is: who knows it runs it.
fn tool(tool: &Value) -> Value {
    let kind = tool.get("type").and_then(Value::as_str);
    if !tool.is_object() || kind.is_some_and(|kind| kind != "custom") {
        return tool.clone();
    }
    let mut function = Map::new();
    for (theirs, ours) in
        [("name", "name"), ("description", "description"), ("input_schema", "parameters")]
    {
        if let Some(value) = tool.get(theirs) {
            function.insert(ours.to_owned(), value.clone());
        }
    }
    if let Some(strict) = tool.get("strict") {
        function.insert("strict".to_owned(), strict.clone());
    }
    let mut read = json!({"type": "function", "function": function});
    if let Some(cache) = tool.get("cache_control").filter(|it| !it.is_null()) {
        read["cache_control"] = cache.clone();
    }
    read
}

/// How much it may think: so many tokens, as it sees fit, or not at all.
fn thinking(said: &Map<String, Value>, chat: &mut Map<String, Value>) {
    let mut reasoning = Map::new();
    let thinking = said.get("thinking").unwrap_or(&Value::Null);
    match thinking["type"].as_str() {
        Some("enabled") => {
            reasoning.insert("max_tokens".to_owned(), thinking["budget_tokens"].clone());
        }
        Some("adaptive") => {
            reasoning.insert("enabled".to_owned(), true.into());
        }
        Some("disabled") => {
            reasoning.insert("enabled".to_owned(), false.into());
        }
        _ => {}
    }
    let effort = said.get("output_config").and_then(|it| it.get("effort"));
    // A model is told how hard to think or for how long, not both.
    if let Some(effort @ Value::String(_)) = effort
        && !reasoning.contains_key("max_tokens")
    {
        reasoning.insert("effort".to_owned(), effort.clone());
    }
    if !reasoning.is_empty() {
        chat.insert("reasoning".to_owned(), Value::Object(reasoning));
    }
}

/// The form of the answer: a schema.
fn output(said: &Map<String, Value>, chat: &mut Map<String, Value>) {
    let newer = said.get("output_config").and_then(|it| it.get("format"));
    let format = newer.or_else(|| said.get("output_format"));
    let Some(schema) = format.and_then(|format| format.get("schema")) else { return };
    let schema = json!({"name": "output", "strict": true, "schema": schema});
    let format = json!({"type": "json_schema", "json_schema": schema});
    chat.insert("response_format".to_owned(), format);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &Value) -> Result<Value, String> {
        let mut body = json!({"model": "a/b", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
        let object = body.as_object_mut().expect("an object");
        object.extend(fields.as_object().expect("an object").clone());
        let request = super::read(&body).map_err(|error| error.to_string())?;
        Ok(Value::Object(request.body()))
    }

    #[test]
    fn every_parameter_has_its_place() {
        let read = read(&json!({
            "system": [{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}}],
            "stop_sequences": ["END"], "metadata": {"user_id": "u"}, "service_tier": "standard_only",
            "thinking": {"type": "enabled", "budget_tokens": 1024}, "top_k": 5,
            "tools": [
                {"name": "f", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}},
                {"type": "web_search_20250305", "name": "web_search"},
            ],
            "tool_choice": {"type": "any", "disable_parallel_tool_use": true},
            "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
            "fallbacks": [{"model": "c/d"}], "unknown": 1,
        }))
        .expect("a request");
        let expected = json!({
            "model": "a/b", "max_tokens": 9, "top_k": 5,
            "messages": [
                {"role": "system", "content": [
                    {"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}},
                ]},
                {"role": "user", "content": "hi"},
            ],
            "models": ["c/d"],
            "tools": [
                {"type": "function", "cache_control": {"type": "ephemeral"},
                 "function": {"name": "f", "parameters": {"type": "object"}}},
                {"type": "web_search_20250305", "name": "web_search"},
            ],
            "tool_choice": "required", "parallel_tool_calls": false,
            "stop": ["END"], "user": "u", "service_tier": "default",
            "reasoning": {"max_tokens": 1024},
            "response_format": {"type": "json_schema", "json_schema": {
                "name": "output", "strict": true, "schema": {"type": "object"},
            }},
        });
        assert_eq!(read, expected);
    }

    #[test]
    fn mistakes_name_their_field() {
        for (fields, told) in [
            (json!({"model": null}), "model: is required; GET /api/v1/models lists them all"),
            (json!({"tools": {}}), "tools: must be an array of tools"),
            (
                json!({"tool_choice": "auto"}),
                "tool_choice.type: must be one of auto, any, tool, none",
            ),
            (
                json!({"fallbacks": [{"model": "c/d", "x": 1}]}),
                "fallbacks: must be objects with nothing but a model",
            ),
            (
                json!({"fallbacks": [], "models": ["c/d"]}),
                "fallbacks: must not be given together with models",
            ),
            (json!({"messages": []}), "messages: must have at least one message"),
        ] {
            assert_eq!(read(&fields), Err(told.to_owned()));
        }
    }
}
