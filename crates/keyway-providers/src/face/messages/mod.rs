//! Anthropic's Messages, as clients speak them (contract, C.10).

mod answer;
mod citation;
mod content;
mod error;
mod request;
mod stream;
mod usage;

pub(super) use answer::whole;
pub use error::error_body;
pub(super) use request::read;
pub(super) use stream::Stream;

use serde_json::Value;

/// The format in which the form in the middle keeps what Anthropic's models thought.
const THOUGHT_FORMAT: &str = "anthropic-claude-v1";

/// Why an answer ended, in Anthropic's words: from the word of the form in the middle and the
/// provider's own.
fn stop_reason(finish: Option<&str>, native: Option<&str>) -> Option<&'static str> {
    match native {
        Some("stop_sequence") => return Some("stop_sequence"),
        Some("pause_turn") => return Some("pause_turn"),
        Some("refusal") => return Some("refusal"),
        Some("model_context_window_exceeded") => return Some("model_context_window_exceeded"),
        _ => {}
    }
    Some(match finish? {
        "length" => "max_tokens",
        "tool_calls" => "tool_use",
        "content_filter" => "refusal",
        _ => "end_turn",
    })
}

/// The arguments of a call, which the form in the middle keeps as text. What is no object is none.
fn input(arguments: Option<&Value>) -> Value {
    let text = arguments.and_then(Value::as_str).unwrap_or_default();
    let read = crate::json::parse_lenient(text.as_bytes()).ok().filter(Value::is_object);
    read.unwrap_or_else(|| Value::Object(serde_json::Map::new()))
}
