//! What is sent to Cohere. Fields that it does not know are left out.

use serde_json::{Map, Value, json};

use super::errand_body;
use crate::chat::part::{Kind, Part, parts};
use crate::chat::{ChatRequest, Reasoning, RequestError, Tool, ToolChoice, is_of, tool_calls};
use crate::dialect::Target;

/// Fields of a request beside Cohere's names for them.
const SETTINGS: [(&str, &str); 6] = [
    ("temperature", "temperature"),
    ("top_p", "p"),
    ("top_k", "k"),
    ("seed", "seed"),
    ("presence_penalty", "presence_penalty"),
    ("frequency_penalty", "frequency_penalty"),
];

/// The request's body. An error names the field that Cohere cannot take.
pub(crate) fn request_body(
    request: &ChatRequest,
    target: &Target<'_>,
) -> Result<Vec<u8>, RequestError> {
    if let Some(errand) = request.errand {
        let mut body = errand_body(request, errand)?;
        body.insert("model".into(), target.model.into());
        return Ok(serde_json::to_vec(&body).expect("a JSON object can be written"));
    }
    request.only_one("Cohere")?;
    let numbered = request.messages().iter().enumerate();
    let messages = numbered.map(|(number, it)| message(it, &format!("messages[{number}]")));
    let messages: Vec<Value> = messages.collect::<Result<_, _>>()?;
    let tools = tools(request)?;

    let mut body = Map::new();
    let mut put = |field: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(field.to_owned(), value);
        }
    };
    put("model", Some(target.model.into()));
    put("stream", Some(request.stream.into()));
    put("messages", Some(messages.into()));
    if !tools.is_empty() {
        put("tool_choice", request.tool_choice()?.and_then(choice));
        put("tools", Some(tools.into()));
    }
    put("max_tokens", request.max_tokens.map(Value::from));
    for (field, theirs) in SETTINGS {
        put(theirs, request.field(field).cloned());
    }
    let stops = request.stops();
    put("stop_sequences", Some(json!(stops)).filter(|_| !stops.is_empty()));
    put("response_format", format(request));
    let most = request.max_tokens.unwrap_or(target.completion_tokens_max);
    put("thinking", request.reasoning().map(|asked| thinking(asked, most)));
    Ok(serde_json::to_vec(&body).expect("a JSON object can be written"))
}

fn message(message: &Value, at: &str) -> Result<Value, RequestError> {
    let parts = parts(message, at)?;
    let read = parts.iter().enumerate();
    let content = read.map(|(number, it)| part(it, &format!("{at}.content[{number}]")));
    let content: Vec<Value> = content.collect::<Result<_, _>>()?;
    let role = match message.get("role").and_then(Value::as_str) {
        Some("developer") => "system",
        role => role.unwrap_or("user"),
    };
    let mut said = json!({"role": role});
    if role == "tool" {
        let id = message.get("tool_call_id").filter(|id| id.is_string());
        let id =
            id.ok_or_else(|| RequestError::new(format!("{at}.tool_call_id"), "is required"))?;
        said["tool_call_id"] = id.clone();
    }
    let calls = tool_calls(message, at)?;
    if !content.is_empty() || calls.is_empty() {
        said["content"] = content.into();
    }
    if !calls.is_empty() {
        let calls = calls.iter().map(|call| {
            let arguments = Value::Object(call.arguments.clone()).to_string();
            let function = json!({"name": call.name, "arguments": arguments});
            json!({"id": call.id, "type": "function", "function": function})
        });
        said["tool_calls"] = calls.collect();
    }
    Ok(said)
}

fn part(part: &Part<'_>, at: &str) -> Result<Value, RequestError> {
    match part.kind {
        Kind::Text(text) => Ok(json!({"type": "text", "text": text})),
        Kind::Image(media) => Ok(json!({"type": "image_url", "image_url": {"url": media.url()}})),
        Kind::File { .. } | Kind::Audio { .. } | Kind::Video(_) => {
            Err(RequestError::new(at, "is neither text nor an image; Cohere takes nothing else"))
        }
    }
}

fn tools(request: &ChatRequest) -> Result<Vec<Value>, RequestError> {
    let nothing = || json!({"type": "object", "properties": {}});
    let tool = |(number, tool): (usize, Tool<'_>)| {
        let Tool::Function(it) = tool else {
            let allowed = "must be of type \"function\" for Cohere";
            return Err(RequestError::new(format!("tools[{number}]"), allowed));
        };
        let parameters = it.parameters.cloned().unwrap_or_else(nothing);
        let mut function = json!({"name": it.name, "parameters": parameters});
        if let Some(description) = it.description {
            function["description"] = description.clone();
        }
        Ok(json!({"type": "function", "function": function}))
    };
    request.tools()?.into_iter().enumerate().map(tool).collect()
}

/// One function cannot be asked for by its name.
fn choice(choice: ToolChoice<'_>) -> Option<Value> {
    match choice {
        ToolChoice::Auto => None,
        ToolChoice::None => Some("NONE".into()),
        ToolChoice::Required | ToolChoice::Function(_) => Some("REQUIRED".into()),
    }
}

fn format(request: &ChatRequest) -> Option<Value> {
    let mut format = json!({"type": "json_object"});
    match request.json_schema() {
        Some(schema) => format["json_schema"] = schema.clone(),
        None => request.field("response_format").filter(|it| is_of(it, "json_object")).map(drop)?,
    }
    Some(format)
}

fn thinking(asked: Reasoning, most: u64) -> Value {
    match asked.budget(most, 1) {
        Some(budget) => json!({"type": "enabled", "token_budget": budget}),
        None => json!({"type": "disabled"}),
    }
}
