//! What is sent to Bedrock. Converse is one form for all models; what only some know goes into fields of
//! theirs.

use serde_json::{Map, Value, json};

use super::content::{Conversation, cache_point};
use crate::anthropic::{Version, thinking};
use crate::chat::{ChatRequest, RequestError, Tool, ToolChoice};
use crate::dialect::Target;

/// The request's body. An error names the field that Bedrock cannot take.
pub(crate) fn request_body(
    request: &ChatRequest,
    target: &Target<'_>,
) -> Result<Vec<u8>, RequestError> {
    request.only_one("Bedrock")?;
    let conversation = Conversation::of(request.messages())?;
    let mut body = Map::new();
    body.insert("messages".into(), conversation.messages.into());
    if !conversation.system.is_empty() {
        body.insert("system".into(), conversation.system.into());
    }
    let tools = tools(request)?;
    if !tools.is_empty() {
        let mut config = json!({"tools": tools});
        if let Some(choice) = request.tool_choice()?.and_then(choice) {
            config["toolChoice"] = choice;
        }
        body.insert("toolConfig".into(), config);
    }
    let theirs = model_fields(request, target);
    let thinks = theirs.contains_key("thinking");
    let parts = [
        ("inferenceConfig", inference(request, target, thinks)),
        ("additionalModelRequestFields", theirs),
        ("outputConfig", output_config(request)),
    ];
    for (field, fields) in parts.into_iter().filter(|(_, fields)| !fields.is_empty()) {
        body.insert(field.into(), fields.into());
    }
    Ok(serde_json::to_vec(&body).expect("a JSON object can be written"))
}

fn tools(request: &ChatRequest) -> Result<Vec<Value>, RequestError> {
    let mut tools = Vec::new();
    for (number, tool) in request.tools()?.into_iter().enumerate() {
        let Tool::Function(function) = tool else {
            let allowed = "must be of type \"function\" for Bedrock";
            return Err(RequestError::new(format!("tools[{number}]"), allowed));
        };
        let nothing = || json!({"type": "object", "properties": {}});
        let schema = function.parameters.cloned().unwrap_or_else(nothing);
        let mut spec = json!({"name": function.name, "inputSchema": {"json": schema}});
        if let Some(description) = function.description {
            spec["description"] = description.clone();
        }
        tools.push(json!({"toolSpec": spec}));
        tools.extend(function.cache_control.map(|_| cache_point()));
    }
    Ok(tools)
}

/// That no tool be called cannot be said; the tools have to stay for the calls that were.
fn choice(choice: ToolChoice<'_>) -> Option<Value> {
    match choice {
        ToolChoice::Auto | ToolChoice::None => None,
        ToolChoice::Required => Some(json!({"any": {}})),
        ToolChoice::Function(name) => Some(json!({"tool": {"name": name}})),
    }
}

fn inference(request: &ChatRequest, target: &Target<'_>, thinks: bool) -> Map<String, Value> {
    let mut config = Map::new();
    if let Some(most) = request.max_tokens {
        config.insert("maxTokens".into(), most.into());
    } else if thinks {
        // A budget for thoughts is a part of it.
        config.insert("maxTokens".into(), target.completion_tokens_max.into());
    }
    let sampled = !thinks && (!is_claude(target) || Version::of(target.model).takes_sampling());
    let temperature = request.field("temperature");
    // Newer models take only one of the two.
    let top_p = request.field("top_p").filter(|_| temperature.is_none() || !is_claude(target));
    for (field, value) in [("temperature", temperature), ("topP", top_p)] {
        if let Some(value) = value.filter(|_| sampled) {
            config.insert(field.into(), value.clone());
        }
    }
    let stops: Vec<&str> = request.stops().into_iter().filter(|it| !it.trim().is_empty()).collect();
    if !stops.is_empty() {
        config.insert("stopSequences".into(), json!(stops));
    }
    config
}

/// Fields of the model's own author.
fn model_fields(request: &ChatRequest, target: &Target<'_>) -> Map<String, Value> {
    let mut fields = Map::new();
    if !is_claude(target) {
        return fields;
    }
    let version = Version::of(target.model);
    let most = request.max_tokens.unwrap_or(target.completion_tokens_max);
    let forced =
        matches!(request.tool_choice(), Ok(Some(ToolChoice::Required | ToolChoice::Function(_))));
    let asked = request.reasoning().filter(|_| !forced);
    let (thinking, effort) = asked.map_or((None, None), |asked| thinking(asked, version, most));
    if let Some(effort) = effort {
        fields.insert("output_config".into(), json!({"effort": effort}));
    }
    match (thinking, request.field("top_k")) {
        (Some(thinking), _) => {
            fields.insert("thinking".into(), thinking);
        }
        (None, Some(top_k)) if version.takes_sampling() => {
            fields.insert("top_k".into(), top_k.clone());
        }
        (None, _) => {}
    }
    fields
}

/// `anthropic.claude-…`, or behind a region: `us.anthropic.claude-…`.
fn is_claude(target: &Target<'_>) -> bool {
    target.model.contains("anthropic.")
}

fn output_config(request: &ChatRequest) -> Map<String, Value> {
    let mut config = Map::new();
    if let Some(schema) = request.json_schema() {
        let schema = json!({"schema": schema.to_string(), "name": "answer"});
        let format = json!({"type": "json_schema", "structure": {"jsonSchema": schema}});
        config.insert("textFormat".into(), format);
    }
    config
}
