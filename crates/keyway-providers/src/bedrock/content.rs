//! Messages, as Converse has them.

use serde_json::{Value, json};

use super::FORMAT;
use crate::chat::part::{Kind, Media, Part, parts};
use crate::chat::{RequestError, Turns, is_of, tool_calls};

/// A request's messages in this dialect.
#[derive(Debug)]
pub(super) struct Conversation {
    pub(super) system: Vec<Value>,
    pub(super) messages: Vec<Value>,
}

impl Conversation {
    pub(super) fn of(messages: &[Value]) -> Result<Self, RequestError> {
        let (mut system, mut turns) = (Vec::new(), Turns::new("content"));
        for (number, message) in messages.iter().enumerate() {
            let at = format!("messages[{number}]");
            match message.get("role").and_then(Value::as_str) {
                Some("system" | "developer") => system.extend(blocks(message, &at)?),
                Some("assistant") => turns.say("assistant", assistant(message, &at)?),
                Some("tool") => turns.say("user", tool_result(message, &at)?),
                _ => turns.say("user", blocks(message, &at)?),
            }
        }
        Ok(Self { system, messages: turns.into_messages() })
    }
}

/// A mark for a cache is a block of its own, behind what it marks.
pub(super) fn cache_point() -> Value {
    json!({"cachePoint": {"type": "default"}})
}

fn blocks(message: &Value, at: &str) -> Result<Vec<Value>, RequestError> {
    let mut blocks = Vec::new();
    for (number, part) in parts(message, at)?.iter().enumerate() {
        blocks.push(block(part, &format!("{at}.content[{number}]"))?);
        blocks.extend(part.cache_control.map(|_| cache_point()));
    }
    Ok(blocks)
}

fn block(part: &Part<'_>, at: &str) -> Result<Value, RequestError> {
    match part.kind {
        Kind::Text(text) => Ok(json!({"text": text})),
        Kind::Image(media) => {
            let (media_type, source) = source(media, at)?;
            let format = media_type.strip_prefix("image/").unwrap_or(media_type);
            Ok(json!({"image": {"format": format, "source": source}}))
        }
        Kind::File { name, media } => {
            let (media_type, source) = source(media, at)?;
            let format = document_format(media_type).ok_or_else(|| {
                RequestError::new(
                    format!("{at}.file.file_data"),
                    "is of a type that Bedrock does not take",
                )
            })?;
            let name = document_name(name.unwrap_or("document"));
            Ok(json!({"document": {"format": format, "name": name, "source": source}}))
        }
        Kind::Video(media) => {
            let (media_type, source) = source(media, at)?;
            let format = media_type.strip_prefix("video/").unwrap_or(media_type);
            let format = if format == "quicktime" { "mov" } else { format };
            Ok(json!({"video": {"format": format, "source": source}}))
        }
        Kind::Audio { .. } => {
            Err(RequestError::new(at, "is sound, which is not sent to Bedrock from here"))
        }
    }
}

/// Bedrock fetches nothing from the web.
fn source<'a>(media: Media<'a>, at: &str) -> Result<(&'a str, Value), RequestError> {
    match media {
        Media::Data { media_type, base64 } => Ok((media_type, json!({"bytes": base64}))),
        Media::Url(_) => Err(RequestError::new(at, "must be a data URL: Bedrock fetches no other")),
    }
}

fn document_format(media_type: &str) -> Option<&'static str> {
    Some(match media_type {
        "application/pdf" => "pdf",
        "text/csv" => "csv",
        "text/html" => "html",
        "text/markdown" => "md",
        "text/plain" => "txt",
        "application/msword" => "doc",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => "docx",
        "application/vnd.ms-excel" => "xls",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => "xlsx",
        _ => return None,
    })
}

/// Bedrock refuses other characters in a name.
fn document_name(name: &str) -> String {
    let allowed = |it: char| it.is_ascii_alphanumeric() || "-()[]".contains(it);
    let words = name.split(|it| !allowed(it)).filter(|word| !word.is_empty());
    let name = words.collect::<Vec<_>>().join(" ");
    if name.is_empty() { "document".to_owned() } else { name }
}

fn tool_result(message: &Value, at: &str) -> Result<Vec<Value>, RequestError> {
    let id = message.get("tool_call_id").and_then(Value::as_str);
    let id = id.ok_or_else(|| RequestError::new(format!("{at}.tool_call_id"), "is required"))?;
    let (marks, content): (Vec<_>, Vec<_>) =
        blocks(message, at)?.into_iter().partition(|block| block.get("cachePoint").is_some());
    let result = json!({"toolResult": {"toolUseId": id, "content": content}});
    Ok([result].into_iter().chain(marks.into_iter().take(1)).collect())
}

/// Thoughts come first, as they did when they were answered.
fn assistant(message: &Value, at: &str) -> Result<Vec<Value>, RequestError> {
    let mut said = thoughts(message);
    said.extend(blocks(message, at)?);
    for call in tool_calls(message, at)? {
        let input = json!({"toolUseId": call.id, "name": call.name, "input": call.arguments});
        said.push(json!({"toolUse": input}));
    }
    Ok(said)
}

/// What was signed. A stream tells text and signature apart; clients may give them back as they came.
fn thoughts(message: &Value) -> Vec<Value> {
    let details = message.get("reasoning_details").and_then(Value::as_array).into_iter().flatten();
    let ours = |detail: &&Value| detail.get("format").and_then(Value::as_str) == Some(FORMAT);
    let (mut thoughts, mut text) = (Vec::new(), String::new());
    for detail in details.filter(ours) {
        let field = |name: &str| detail.get(name).and_then(Value::as_str);
        if is_of(detail, "reasoning.encrypted") {
            let redacted = field("data").map(|it| json!({"redactedContent": it}));
            thoughts.extend(redacted.map(|it| json!({"reasoningContent": it})));
            continue;
        }
        text.push_str(field("text").unwrap_or_default());
        if let Some(signature) = field("signature") {
            let thought = json!({"text": std::mem::take(&mut text), "signature": signature});
            thoughts.push(json!({"reasoningContent": {"reasoningText": thought}}));
        }
    }
    thoughts
}
