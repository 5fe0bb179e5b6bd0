//! A whole answer of Bedrock's.

use serde_json::{Value, json};

use super::FORMAT;
use crate::chat::{Answer, AnswerError, Counted, Reason, Said, ended, message_of};
use crate::json::parse_lenient;

/// Reads a message.
pub(crate) fn answer(body: &[u8]) -> Result<Answer, AnswerError> {
    let malformed = |why: &str| AnswerError::Malformed(why.to_owned());
    let read = parse_lenient(body).map_err(|error| malformed(&error.to_string()))?;
    let message = read.get("output").and_then(|output| output.get("message"));
    let Some(content) = message.and_then(|message| message.get("content")?.as_array()) else {
        let failed = message_of(body).filter(|_| read.get("message").is_some());
        return Err(failed.map_or_else(|| malformed("has no content"), AnswerError::Failed));
    };
    let (mut said, mut calls) = (Said::default(), 0);
    for (block, index) in content.iter().zip(0..) {
        take_block(block, index, &mut calls, &mut said);
    }
    let reason = read.get("stopReason").and_then(Value::as_str).map(reason);
    Ok(said.into_answer(reason.as_ref(), read.get("usage").and_then(counted)))
}

fn take_block(block: &Value, index: u64, calls: &mut u64, said: &mut Said) {
    if let Some(text) = block.get("text").and_then(Value::as_str) {
        said.text(text);
    } else if let Some(thought) = block.get("reasoningContent") {
        let inside = thought.get("reasoningText").unwrap_or(thought);
        take_thought(inside, index, said);
    } else if let Some(call) = block.get("toolUse") {
        let field = |name: &str| call.get(name).and_then(Value::as_str).unwrap_or_default();
        let input = call.get("input").filter(|it| it.is_object());
        let arguments = input.map_or_else(|| "{}".to_owned(), Value::to_string);
        said.call(*calls, field("toolUseId"), field("name"), &arguments);
        *calls += 1;
    }
}

/// A thought, or a piece of one.
pub(super) fn take_thought(thought: &Value, index: u64, said: &mut Said) {
    let field = |name: &str| thought.get(name).and_then(Value::as_str);
    if let Some(data) = field("redactedContent") {
        return said.detail(json!({
            "type": "reasoning.encrypted", "data": data, "format": FORMAT, "index": index,
        }));
    }
    let mut detail = json!({"type": "reasoning.text", "format": FORMAT, "index": index});
    if let Some(signature) = field("signature") {
        detail["signature"] = signature.into();
    }
    match field("text") {
        Some(text) => {
            detail["text"] = text.into();
            said.think(text, detail);
        }
        None => said.detail(detail),
    }
}

pub(super) fn reason(native: &str) -> Reason<'_> {
    let word = match native {
        "max_tokens" | "model_context_window_exceeded" => "length",
        "tool_use" => "tool_calls",
        "guardrail_intervened" | "content_filtered" => "content_filter",
        "malformed_model_output" | "malformed_tool_use" => "error",
        _ => "stop",
    };
    ended(word, native)
}

/// Bedrock counts what was read from and written to a cache beside the rest of the prompt.
pub(super) fn counted(usage: &Value) -> Option<Counted> {
    let said = |field: &str| usage.get(field).and_then(Value::as_u64);
    let cached = said("cacheReadInputTokens").unwrap_or(0);
    let written = said("cacheWriteInputTokens").unwrap_or(0);
    Some(Counted {
        prompt: said("inputTokens")?.saturating_add(cached).saturating_add(written),
        cached,
        cache_write: written,
        completion: said("outputTokens")?,
        ..Counted::default()
    })
}
