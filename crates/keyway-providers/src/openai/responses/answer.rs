//! A whole response.

use serde_json::{Value, json};

use super::FORMAT;
use crate::chat::{Answer, AnswerError, Counted, Reason, Said, ended, message_of};
use crate::json::parse_lenient;

/// Reads a response.
pub(crate) fn answer(body: &[u8]) -> Result<Answer, AnswerError> {
    let malformed = |why: &str| AnswerError::Malformed(why.to_owned());
    let read = parse_lenient(body).map_err(|error| malformed(&error.to_string()))?;
    let Value::Object(response) = read else { return Err(malformed("is not an object")) };
    let failed = response.get("error").filter(|error| !error.is_null());
    if let Some(message) = failed.and_then(|_| message_of(body)) {
        return Err(AnswerError::Failed(message));
    }
    let Some(output) = response.get("output").and_then(Value::as_array) else {
        return Err(malformed("has no output"));
    };
    let (mut said, mut calls) = (Said::default(), 0);
    for item in output {
        take(item, &mut calls, &mut said);
    }
    let usage = response.get("usage").unwrap_or(&Value::Null);
    let (counted, cost) = (counted(usage), crate::chat::read_cost(usage));
    let reason = reason(&response, calls > 0);
    let answer = said.into_answer(reason.as_ref(), counted).with_cost(cost);
    Ok(answer.with_native(response))
}

fn take(item: &Value, calls: &mut u64, said: &mut Said) {
    let field = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
    let parts = |name: &str| item.get(name).and_then(Value::as_array).into_iter().flatten();
    match field("type") {
        "message" => parts("content").for_each(|part| said.text(text_of(part))),
        "reasoning" => {
            parts("summary").chain(parts("content")).for_each(|part| think(text_of(part), said));
        }
        "function_call" | "custom_tool_call" => {
            let arguments = item.get("arguments").or_else(|| item.get("input"));
            let arguments = arguments.and_then(Value::as_str).unwrap_or_default();
            said.call(*calls, field("call_id"), field("name"), arguments);
            *calls += 1;
        }
        // What its own tools did stands in its words.
        _ => {}
    }
}

fn text_of(part: &Value) -> &str {
    let text = part.get("text").or_else(|| part.get("refusal"));
    text.and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn think(text: &str, said: &mut Said) {
    let detail = json!({"type": "reasoning.text", "text": text, "format": FORMAT, "index": 0});
    said.think(text, detail);
}

/// Why a response ended; `None` where it has not.
pub(super) fn reason(response: &serde_json::Map<String, Value>, calls: bool) -> Option<Reason<'_>> {
    let status = response.get("status").and_then(Value::as_str)?;
    let why = || response.get("incomplete_details")?.get("reason")?.as_str();
    Some(match status {
        "incomplete" => match why().unwrap_or(status) {
            native @ "content_filter" => ended("content_filter", native),
            native => ended("length", native),
        },
        "failed" | "cancelled" => ended("error", status),
        _ => ended(if calls { "tool_calls" } else { "stop" }, status),
    })
}

/// `None` where one of the sides was not counted.
pub(super) fn counted(usage: &Value) -> Option<Counted> {
    let count = |field: &str| usage.get(field).and_then(Value::as_u64);
    let detail = |side: &str, field: &str| usage.get(side)?.get(field)?.as_u64();
    let of_prompt = |field: &str| detail("input_tokens_details", field).unwrap_or(0);
    Some(Counted {
        prompt: count("input_tokens")?,
        cached: of_prompt("cached_tokens"),
        cache_write: of_prompt("cache_write_tokens"),
        images: of_prompt("image_tokens"),
        audio: of_prompt("audio_tokens"),
        completion: count("output_tokens")?,
        reasoning: detail("output_tokens_details", "reasoning_tokens").unwrap_or(0),
        ..Counted::default()
    })
}
