//! Messages, as Gemini has them: the system prompt apart, and parts in place of fields.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::FORMAT;
use crate::chat::part::{Kind, Media, Part, parts};
use crate::chat::{RequestError, ToolCall, Turns, is_of, text_of, tool_calls};
use crate::json::parse_lenient;

/// What Google takes in place of a thought's signature where another model made the call. Newer models
/// refuse a call without one.
const UNSIGNED: &str = "skip_thought_signature_validator";
/// Types by the ends of addresses: Gemini wants to be told, and nothing is fetched from here.
const MEDIA_TYPES: [(&str, &str); 10] = [
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("webp", "image/webp"),
    ("heic", "image/heic"),
    ("gif", "image/gif"),
    ("pdf", "application/pdf"),
    ("mp4", "video/mp4"),
    ("webm", "video/webm"),
    ("mov", "video/quicktime"),
];

/// A request's messages in this dialect.
#[derive(Debug)]
pub(super) struct Conversation {
    /// Parts of text.
    pub(super) system: Vec<Value>,
    pub(super) contents: Vec<Value>,
}

impl Conversation {
    pub(super) fn of(messages: &[Value]) -> Result<Self, RequestError> {
        let (mut system, mut turns) = (Vec::new(), Turns::new("parts"));
        // Answers of tools name the call's function here, not the call.
        let mut called: HashMap<&str, &str> = HashMap::new();
        for (number, message) in messages.iter().enumerate() {
            let at = format!("messages[{number}]");
            match message.get("role").and_then(Value::as_str) {
                Some("system" | "developer") => system.extend(said(message, &at)?),
                Some("assistant") => {
                    let calls = tool_calls(message, &at)?;
                    called.extend(calls.iter().map(|call| (call.id, call.name)));
                    turns.say("model", model(message, &calls, &at)?);
                }
                Some("tool") => turns.say("user", tool_result(message, &called, &at)?),
                _ => turns.say("user", said(message, &at)?),
            }
        }
        Ok(Self { system, contents: turns.into_messages() })
    }
}

fn said(message: &Value, at: &str) -> Result<Vec<Value>, RequestError> {
    Ok(parts(message, at)?.iter().map(part).collect())
}

pub(super) fn part(part: &Part<'_>) -> Value {
    match part.kind {
        Kind::Text(text) => json!({"text": text}),
        Kind::Image(media) | Kind::Video(media) | Kind::File { media, .. } => data(media),
        Kind::Audio { format, base64 } => {
            data(Media::Data { media_type: &format!("audio/{format}"), base64 })
        }
    }
}

fn data(media: Media<'_>) -> Value {
    match media {
        Media::Data { media_type, base64 } => {
            json!({"inlineData": {"mimeType": media_type, "data": base64}})
        }
        Media::Url(url) => {
            let mut file = json!({"fileUri": url});
            if let Some(media_type) = media_type(url) {
                file["mimeType"] = media_type.into();
            }
            json!({"fileData": file})
        }
    }
}

fn media_type(url: &str) -> Option<&'static str> {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let (_, end) = path.rsplit_once('.')?;
    let known = MEDIA_TYPES.iter().find(|(known, _)| known.eq_ignore_ascii_case(end));
    known.map(|(_, media_type)| *media_type)
}

/// What the model said. Thoughts are not given back, but the signatures under them are.
fn model(message: &Value, calls: &[ToolCall<'_>], at: &str) -> Result<Vec<Value>, RequestError> {
    let mut parts = said(message, at)?;
    if let (Some(last), Some(signature)) = (parts.last_mut(), signature(message, None)) {
        last["thoughtSignature"] = signature.into();
    }
    for (number, call) in calls.iter().enumerate() {
        let function = json!({"name": call.name, "args": call.arguments});
        let mut part = json!({"functionCall": function});
        // Of calls at once only the first one is signed.
        let signature = signature(message, Some(call.id)).or((number == 0).then_some(UNSIGNED));
        if let Some(signature) = signature {
            part["thoughtSignature"] = signature.into();
        }
        parts.push(part);
    }
    Ok(parts)
}

/// The signature under the call of this id; under what was said, where that is none.
fn signature<'a>(message: &'a Value, call: Option<&str>) -> Option<&'a str> {
    let details = message.get("reasoning_details").and_then(Value::as_array)?;
    let text = |detail: &'a Value, name: &str| detail.get(name).and_then(Value::as_str);
    let ours = details.iter().find(|detail| {
        is_of(detail, "reasoning.encrypted")
            && text(detail, "format") == Some(FORMAT)
            && text(detail, "id") == call
    });
    text(ours?, "data")
}

fn tool_result(
    message: &Value,
    called: &HashMap<&str, &str>,
    at: &str,
) -> Result<Vec<Value>, RequestError> {
    let id = message.get("tool_call_id").and_then(Value::as_str);
    let name = id.and_then(|id| called.get(id).copied());
    let name = name.or_else(|| message.get("name").and_then(Value::as_str));
    let name = name.ok_or_else(|| {
        RequestError::new(format!("{at}.tool_call_id"), "must be the id of a call before it")
    })?;
    let response = json!({"name": name, "response": response(&text_of(message))});
    let shown = parts(message, at)?;
    let shown = shown.iter().filter(|part| !matches!(part.kind, Kind::Text(_)));
    let result = json!({"functionResponse": response});
    Ok([result].into_iter().chain(shown.map(part)).collect())
}

/// Gemini takes objects only.
fn response(text: &str) -> Map<String, Value> {
    match parse_lenient(text.as_bytes()) {
        Ok(Value::Object(response)) => response,
        _ => [("result".to_owned(), text.into())].into_iter().collect(),
    }
}
