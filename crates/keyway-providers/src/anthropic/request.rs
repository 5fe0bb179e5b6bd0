//! What is sent to Anthropic.
//!
//! A schema for the answer becomes its own format of outputs, not a forced tool: that one stands in the
//! way of thinking and of the client's own tools. `json_object` has no counterpart and is left out, as
//! are fields that Anthropic does not know.

use serde_json::{Map, Value, json};

use super::content::Conversation;
use super::native;
use super::thinking::{Version, thinking};
use crate::chat::{ChatRequest, RequestError, Tool, ToolChoice};
use crate::dialect::Target;

/// The request's body. An error names the field that Anthropic cannot take.
pub(crate) fn request_body(
    request: &ChatRequest,
    target: &Target<'_>,
) -> Result<Map<String, Value>, RequestError> {
    if let Some(native) = native::request_body(request, target) {
        return Ok(native);
    }
    request.only_one("Anthropic")?;
    let most = request.max_tokens.unwrap_or(target.completion_tokens_max);
    let mut conversation = Conversation::of(request.messages())?;
    let tools = tools(request)?;
    let choice = tool_choice(request, &tools)?;
    let version = Version::of(target.model);
    // Where it thinks, Anthropic lets nobody force a tool or begin the answer.
    let forced =
        choice.as_ref().is_some_and(|it| matches!(it["type"].as_str(), Some("any" | "tool")));
    let may_think = !forced && !conversation.is_begun() && !conversation.has_lost_its_thoughts();
    let asked = request.reasoning().filter(|_| may_think);
    let (thinking, effort) = asked.map_or((None, None), |asked| thinking(asked, version, most));

    let mut body = Map::new();
    body.insert("model".into(), target.model.into());
    body.insert("max_tokens".into(), most.into());
    put_list(&mut body, "system", std::mem::take(&mut conversation.system));
    body.insert("messages".into(), conversation.into_messages().into());
    put_list(&mut body, "tools", tools);
    put(&mut body, "tool_choice", choice);
    if version.takes_sampling() {
        sampling(request, thinking.is_some(), &mut body);
    }
    put(&mut body, "thinking", thinking);
    put(&mut body, "output_config", output_config(request, effort));
    put_list(&mut body, "stop_sequences", stops(request));
    put(&mut body, "service_tier", service_tier(request));
    put(&mut body, "metadata", request.field("user").map(|user| json!({"user_id": user})));
    put(&mut body, "cache_control", request.field("cache_control").cloned());
    if request.stream {
        body.insert("stream".into(), true.into());
    }
    Ok(body)
}

fn put(body: &mut Map<String, Value>, field: &str, value: Option<Value>) {
    if let Some(value) = value {
        body.insert(field.into(), value);
    }
}

fn put_list(body: &mut Map<String, Value>, field: &str, items: Vec<Value>) {
    put(body, field, Some(items).filter(|items| !items.is_empty()).map(Value::from));
}

fn tools(request: &ChatRequest) -> Result<Vec<Value>, RequestError> {
    Ok(request.tools()?.into_iter().map(tool).collect())
}

fn tool(tool: Tool<'_>) -> Value {
    let function = match tool {
        Tool::Function(function) => function,
        Tool::Other(theirs) => return theirs.clone(),
    };
    let mut tool = json!({"name": function.name});
    if let Some(description) = function.description {
        tool["description"] = description.clone();
    }
    let nothing = || json!({"type": "object", "properties": {}});
    tool["input_schema"] = function.parameters.cloned().unwrap_or_else(nothing);
    if let Some(cache_control) = function.cache_control {
        tool["cache_control"] = cache_control.clone();
    }
    tool
}

fn tool_choice(request: &ChatRequest, tools: &[Value]) -> Result<Option<Value>, RequestError> {
    let choice = request.tool_choice()?;
    let one_at_a_time = request.field("parallel_tool_calls") == Some(&Value::Bool(false));
    if tools.is_empty() || (choice.is_none() && !one_at_a_time) {
        return Ok(None);
    }
    let mut choice = match choice.unwrap_or(ToolChoice::Auto) {
        ToolChoice::Auto => json!({"type": "auto"}),
        ToolChoice::None => return Ok(Some(json!({"type": "none"}))),
        ToolChoice::Required => json!({"type": "any"}),
        ToolChoice::Function(name) => json!({"type": "tool", "name": name}),
    };
    if one_at_a_time {
        choice["disable_parallel_tool_use"] = true.into();
    }
    Ok(Some(choice))
}

/// Where it thinks it takes none of them, and newer models only one of `temperature` and `top_p`.
fn sampling(request: &ChatRequest, thinks: bool, body: &mut Map<String, Value>) {
    if thinks {
        return;
    }
    // OpenAI's clients go up to 2.
    let at_most_one = |it: &Value| if is_above_one(it) { json!(1) } else { it.clone() };
    let temperature = request.field("temperature").map(at_most_one);
    match temperature {
        Some(temperature) => put(body, "temperature", Some(temperature)),
        None => put(body, "top_p", request.field("top_p").cloned()),
    }
    put(body, "top_k", request.field("top_k").filter(|it| it.as_u64() > Some(0)).cloned());
}

fn is_above_one(number: &Value) -> bool {
    let text = number.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    match whole.parse::<u64>() {
        Ok(1) => fraction.contains(|digit: char| digit != '0'),
        Ok(whole) => whole > 1,
        Err(_) => false,
    }
}

fn output_config(request: &ChatRequest, effort: Option<&str>) -> Option<Value> {
    let mut config = Map::new();
    put(&mut config, "effort", effort.map(Value::from));
    let format = request.json_schema().map(|it| json!({"type": "json_schema", "schema": it}));
    put(&mut config, "format", format);
    Some(config).filter(|config| !config.is_empty()).map(Value::Object)
}

/// Anthropic refuses blank ones.
fn stops(request: &ChatRequest) -> Vec<Value> {
    let stops = request.stops().into_iter().filter(|stop| !stop.trim().is_empty());
    stops.map(Value::from).collect()
}

pub(super) fn service_tier(request: &ChatRequest) -> Option<Value> {
    match request.field("service_tier")?.as_str()? {
        "auto" => Some("auto".into()),
        "default" => Some("standard_only".into()),
        _ => None,
    }
}
