//! A whole answer of Anthropic's.

use serde_json::{Value, json};

use super::FORMAT;
use crate::chat::{Answer, AnswerError, Counted, Reason, Said, Source, ended, is_of, message_of};
use crate::json::parse_lenient;

/// Reads a message.
pub(crate) fn answer(body: &[u8]) -> Result<Answer, AnswerError> {
    let malformed = |why: &str| AnswerError::Malformed(why.to_owned());
    let read = parse_lenient(body).map_err(|error| malformed(&error.to_string()))?;
    let Some(content) = read.get("content").and_then(Value::as_array) else {
        let failed = is_of(&read, "error").then(|| message_of(body)).flatten();
        return Err(failed.map_or_else(|| malformed("has no content"), AnswerError::Failed));
    };
    let (mut said, mut calls) = (Said::default(), 0);
    for (block, index) in content.iter().zip(0..) {
        take_block(block, index, &mut calls, &mut said);
    }
    let reason = read.get("stop_reason").and_then(Value::as_str).map(reason);
    let answer = said.into_answer(reason.as_ref(), read.get("usage").and_then(counted));
    Ok(match read {
        Value::Object(native) => answer.with_native(native),
        _ => answer,
    })
}

fn take_block(block: &Value, index: u64, calls: &mut u64, said: &mut Said) {
    let field = |name: &str| block.get(name).and_then(Value::as_str).unwrap_or_default();
    match field("type") {
        "text" => {
            let start = said.content().chars().count();
            let end = start + field("text").chars().count();
            said.text(field("text"));
            let citations = block.get("citations").and_then(Value::as_array).into_iter().flatten();
            citations.filter_map(source).for_each(|it| said.cite(&it, (start, end)));
        }
        "thinking" => said.think(field("thinking"), thought(block, index)),
        "redacted_thinking" => said.detail(redacted(block, index)),
        "tool_use" => {
            let input = block.get("input").unwrap_or(&Value::Null);
            let arguments = if input.is_object() { input.to_string() } else { "{}".to_owned() };
            said.call(*calls, field("id"), field("name"), &arguments);
            *calls += 1;
        }
        // What its own tools did stands in its words.
        _ => {}
    }
}

/// What a citation refers to, where that is on the web and no document of the client's.
pub(super) fn source(citation: &Value) -> Option<Source<'_>> {
    let text = |field: &str| citation.get(field).and_then(Value::as_str);
    let url = text("url").or_else(|| text("source"))?;
    url.starts_with("http").then_some(Source {
        url,
        title: text("title"),
        content: text("cited_text"),
    })
}

/// A thought with its signature, so that it can be given back.
pub(super) fn thought(block: &Value, index: u64) -> Value {
    let mut detail = json!({"type": "reasoning.text"});
    for (name, theirs) in [("text", "thinking"), ("signature", "signature")] {
        if let Some(text) = block.get(theirs).and_then(Value::as_str) {
            detail[name] = text.into();
        }
    }
    marked(detail, index)
}

/// A thought that only Anthropic reads.
pub(super) fn redacted(block: &Value, index: u64) -> Value {
    let data = block.get("data").and_then(Value::as_str).unwrap_or_default();
    marked(json!({"type": "reasoning.encrypted", "data": data}), index)
}

fn marked(mut detail: Value, index: u64) -> Value {
    detail["format"] = FORMAT.into();
    detail["index"] = index.into();
    detail
}

pub(super) fn reason(native: &str) -> Reason<'_> {
    let word = match native {
        "max_tokens" | "model_context_window_exceeded" => "length",
        "tool_use" => "tool_calls",
        "refusal" => "content_filter",
        _ => "stop",
    };
    ended(word, native)
}

/// Anthropic counts what was read from and written to a cache beside the rest of the prompt. `None` where
/// one of the sides was not counted.
pub(super) fn counted(usage: &Value) -> Option<Counted> {
    let said = |field: &str| usage.get(field).and_then(Value::as_u64);
    let count = |field: &str| said(field).unwrap_or(0);
    let inside = |block: &str, field: &str| usage.get(block)?.get(field)?.as_u64();
    let (cached, written) =
        (count("cache_read_input_tokens"), count("cache_creation_input_tokens"));
    Some(Counted {
        prompt: said("input_tokens")?.saturating_add(cached).saturating_add(written),
        cached,
        cache_write: written,
        cache_write_1h: inside("cache_creation", "ephemeral_1h_input_tokens").unwrap_or(0),
        completion: said("output_tokens")?,
        reasoning: inside("output_tokens_details", "thinking_tokens").unwrap_or(0),
        ..Counted::default()
    })
}
