//! A whole answer of Cohere's.

use serde_json::{Value, json};

use super::FORMAT;
use crate::chat::{Answer, AnswerError, Counted, Reason, Said, Source, ended, message_of};
use crate::json::parse_lenient;

/// Reads a message.
pub(crate) fn answer(body: &[u8]) -> Result<Answer, AnswerError> {
    let malformed = |why: &str| AnswerError::Malformed(why.to_owned());
    let read = parse_lenient(body).map_err(|error| malformed(&error.to_string()))?;
    let Some(message) = read.get("message").filter(|it| it.is_object()) else {
        let failed = message_of(body).filter(|_| read.is_object());
        return Err(failed.map_or_else(|| malformed("has no message"), AnswerError::Failed));
    };
    let mut said = Said::default();
    if let Some(plan) = message.get("tool_plan").and_then(Value::as_str) {
        think(plan, &mut said);
    }
    for block in message.get("content").and_then(Value::as_array).into_iter().flatten() {
        take_block(block, &mut said);
    }
    cite(message.get("citations"), &mut said);
    let calls = message.get("tool_calls").and_then(Value::as_array).into_iter().flatten();
    for (call, index) in calls.zip(0..) {
        take_call(call, index, &mut said);
    }
    said.identify(read.get("id").and_then(Value::as_str));
    let reason = read.get("finish_reason").and_then(Value::as_str).map(reason);
    Ok(said.into_answer(reason.as_ref(), read.get("usage").and_then(counted)))
}

/// A block of content, or a piece of one.
pub(super) fn take_block(block: &Value, said: &mut Said) {
    let field = |name: &str| block.get(name).and_then(Value::as_str).filter(|it| !it.is_empty());
    if let Some(thought) = field("thinking") {
        think(thought, said);
    }
    if let Some(text) = field("text") {
        said.text(text);
    }
}

/// What the text refers to, where that is on the web and no document of the client's: one, or a list.
pub(super) fn cite(citations: Option<&Value>, said: &mut Said) {
    let citations = citations
        .map_or(&[][..], |it| it.as_array().map_or(std::slice::from_ref(it), Vec::as_slice));
    for citation in citations {
        let place = |field: &str| {
            let place = citation.get(field).and_then(Value::as_u64).unwrap_or(0);
            usize::try_from(place).unwrap_or(0)
        };
        let span = (place("start"), place("end"));
        let sources = citation.get("sources").and_then(Value::as_array).into_iter().flatten();
        sources.filter_map(source).for_each(|it| said.cite(&it, span));
    }
}

fn source(source: &Value) -> Option<Source<'_>> {
    let of = ["document", "tool_output"].iter().find_map(|field| source.get(*field))?;
    let text = |field: &str| of.get(field).and_then(Value::as_str);
    let content = text("snippet").or_else(|| text("text"));
    Some(Source { url: text("url")?, title: text("title"), content })
}

/// Its plan for the tools is a thought like any other.
pub(super) fn think(text: &str, said: &mut Said) {
    let detail = json!({"type": "reasoning.text", "text": text, "format": FORMAT, "index": 0});
    said.think(text, detail);
}

pub(super) fn take_call(call: &Value, index: u64, said: &mut Said) {
    let function = |name: &str| call.get("function")?.get(name)?.as_str();
    let id = call.get("id").and_then(Value::as_str).unwrap_or_default();
    let (name, arguments) = (function("name"), function("arguments"));
    said.call(index, id, name.unwrap_or_default(), arguments.unwrap_or_default());
}

pub(super) fn reason(native: &str) -> Reason<'_> {
    let word = match native {
        "MAX_TOKENS" => "length",
        "TOOL_CALL" => "tool_calls",
        "ERROR" | "TIMEOUT" => "error",
        "ERROR_TOXIC" => "content_filter",
        _ => "stop",
    };
    ended(word, native)
}

/// What is billed is less than what the model read: Cohere's own instructions are free.
pub(super) fn counted(usage: &Value) -> Option<Counted> {
    let units = usage.get("billed_units").or_else(|| usage.get("tokens"))?;
    let count = |field: &str| units.get(field).and_then(Value::as_u64);
    let cached = usage.get("cached_tokens").and_then(Value::as_u64).unwrap_or(0);
    let prompt = count("input_tokens")?;
    let completion = count("output_tokens")?;
    Some(Counted { prompt, cached: cached.min(prompt), completion, ..Counted::default() })
}
