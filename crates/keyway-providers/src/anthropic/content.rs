//! Messages, as Anthropic has them: the system prompt apart, answers of tools as the user's words.

use serde_json::{Value, json};

use super::FORMAT;
use crate::chat::part::{Kind, Media, Part, parts};
use crate::chat::{RequestError, Turns, is_of, tool_calls};

const PDF: &str = "application/pdf";

/// A request's messages in this dialect.
#[derive(Debug)]
pub(super) struct Conversation {
    /// Blocks of text. Anthropic takes them before everything else only, wherever they stood.
    pub(super) system: Vec<Value>,
    turns: Turns,
}

impl Conversation {
    pub(super) fn of(messages: &[Value]) -> Result<Self, RequestError> {
        let (mut system, mut turns) = (Vec::new(), Turns::new("content"));
        for (number, message) in messages.iter().enumerate() {
            let at = format!("messages[{number}]");
            match message.get("role").and_then(Value::as_str) {
                Some("system" | "developer") => system.extend(blocks(message, &at)?),
                Some("assistant") => {
                    let last = number + 1 == messages.len();
                    turns.say("assistant", assistant(message, &at, last)?);
                }
                Some("tool") => turns.say("user", vec![tool_result(message, &at)?]),
                _ => turns.say("user", blocks(message, &at)?),
            }
        }
        Ok(Self { system, turns })
    }

    /// Whether a tool's answer follows a call that no thought was given back with. Anthropic refuses to
    /// think on from there.
    pub(super) fn has_lost_its_thoughts(&self) -> bool {
        let content = |message: &Value| message["content"].as_array().cloned().unwrap_or_default();
        let [.., called, answered] = self.turns.messages() else { return false };
        let answers_a_tool = content(answered).iter().any(|block| is_of(block, "tool_result"));
        let thought = |block: &Value| is_of(block, "thinking") || is_of(block, "redacted_thinking");
        answers_a_tool && !content(called).first().is_some_and(thought)
    }

    pub(super) fn into_messages(self) -> Vec<Value> {
        self.turns.into_messages()
    }

    /// Whether the answer was begun by the client.
    pub(super) fn is_begun(&self) -> bool {
        self.turns.messages().last().is_some_and(|last| last["role"] == "assistant")
    }
}

fn blocks(message: &Value, at: &str) -> Result<Vec<Value>, RequestError> {
    let parts = parts(message, at)?;
    parts
        .iter()
        .enumerate()
        .map(|(number, it)| block(it, &format!("{at}.content[{number}]")))
        .collect()
}

fn block(part: &Part<'_>, at: &str) -> Result<Value, RequestError> {
    let mut block = match part.kind {
        Kind::Text(text) => json!({"type": "text", "text": text}),
        Kind::Image(media) => json!({"type": "image", "source": source(media)}),
        Kind::File { name, media } => document(name, media, at)?,
        Kind::Audio { .. } | Kind::Video(_) => {
            let message = "is sound or video, which Anthropic does not take";
            return Err(RequestError::new(at, message));
        }
    };
    if let Some(cache_control) = part.cache_control {
        block["cache_control"] = cache_control.clone();
    }
    Ok(block)
}

fn document(name: Option<&str>, media: Media<'_>, at: &str) -> Result<Value, RequestError> {
    if let Media::Data { media_type, .. } = media
        && media_type != PDF
    {
        let allowed = "must be a PDF (application/pdf) for Anthropic";
        return Err(RequestError::new(format!("{at}.file.file_data"), allowed));
    }
    let mut document = json!({"type": "document", "source": source(media)});
    if let Some(name) = name {
        document["title"] = name.into();
    }
    Ok(document)
}

fn source(media: Media<'_>) -> Value {
    match media {
        Media::Url(url) => json!({"type": "url", "url": url}),
        Media::Data { media_type, base64 } => {
            json!({"type": "base64", "media_type": media_type, "data": base64})
        }
    }
}

fn tool_result(message: &Value, at: &str) -> Result<Value, RequestError> {
    let id = message.get("tool_call_id").and_then(Value::as_str);
    let id = id.ok_or_else(|| RequestError::new(format!("{at}.tool_call_id"), "is required"))?;
    let mut blocks = blocks(message, at)?;
    // A mark on the only part is one of the whole result.
    let mark = match &mut blocks[..] {
        [Value::Object(block)] => block.shift_remove("cache_control"),
        _ => None,
    };
    let mut result = json!({"type": "tool_result", "tool_use_id": id, "content": blocks});
    if let Some(mark) = mark {
        result["cache_control"] = mark;
    }
    Ok(result)
}

/// Thoughts come first, as they did when they were answered.
fn assistant(message: &Value, at: &str, last: bool) -> Result<Vec<Value>, RequestError> {
    let mut said = thoughts(message);
    said.extend(blocks(message, at)?);
    for call in tool_calls(message, at)? {
        let mut block =
            json!({"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments});
        if let Some(cache_control) = call.said.get("cache_control") {
            block["cache_control"] = cache_control.clone();
        }
        said.push(block);
    }
    if last {
        trim_end(&mut said);
    }
    Ok(said)
}

/// An answer that the client began must not end with a space.
fn trim_end(blocks: &mut Vec<Value>) {
    let Some(text) = blocks.last().and_then(|block| block.get("text")?.as_str()) else { return };
    let trimmed = text.trim_end().to_owned();
    match blocks.last_mut() {
        Some(last) if !trimmed.is_empty() => last["text"] = trimmed.into(),
        _ => drop(blocks.pop()),
    }
}

/// The thoughts of an earlier answer of this provider. A piece without its signature is refused by
/// Anthropic, and another provider's is not understood. A stream tells text and signature apart; clients
/// may give them back as they came.
fn thoughts(message: &Value) -> Vec<Value> {
    let details = message.get("reasoning_details").and_then(Value::as_array).into_iter().flatten();
    let (mut thoughts, mut text) = (Vec::new(), String::new());
    for detail in details.filter(|detail| is_ours(detail)) {
        let field = |name: &str| detail.get(name).and_then(Value::as_str);
        if is_of(detail, "reasoning.encrypted") {
            thoughts
                .extend(field("data").map(|it| json!({"type": "redacted_thinking", "data": it})));
        } else if is_of(detail, "reasoning.text") {
            text.push_str(field("text").unwrap_or_default());
            if let Some(signature) = field("signature") {
                let thinking = std::mem::take(&mut text);
                let thought =
                    json!({"type": "thinking", "thinking": thinking, "signature": signature});
                thoughts.push(thought);
            }
        }
    }
    thoughts
}

fn is_ours(detail: &Value) -> bool {
    detail.get("format").and_then(Value::as_str).is_none_or(|format| format == FORMAT)
}
