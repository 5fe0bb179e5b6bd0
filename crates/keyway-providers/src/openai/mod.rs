//! The OpenAI-compatible dialect: what is sent, and how what comes back becomes OpenRouter's form.
//!
//! What a provider says that nobody here knows is kept. What the contract (C.2, C.3, D) wants absent
//! instead of null is taken out; what it wants present is put in.

mod answer;
mod chunk;
mod receipt;
mod request;
mod scrub;

use thiserror::Error;

pub use answer::Answer;
pub use chunk::{Chunk, StreamEvent, error_chunk, stream_event, usage_chunk};
pub use receipt::Receipt;
pub use request::request_body;
pub use scrub::error_message;

use keyway_core::pricing::Usage;
use serde_json::Value;

/// What every answer and chunk says about itself, whoever produced it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// `gen-…`
    pub id: String,
    /// The model as clients name it.
    pub model: String,
    /// The provider, for people.
    pub provider: String,
    /// Unix seconds.
    pub created: i64,
}

/// What a provider sent is not what its dialect says.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("The provider's answer is malformed: {0}")]
pub struct AnswerError(pub(crate) String);

/// The token counts of a `usage` object; `None` where it has none.
fn read_usage(usage: &Value) -> Option<Usage> {
    Some(Usage {
        prompt_tokens: usage.get("prompt_tokens")?.as_u64()?,
        completion_tokens: usage.get("completion_tokens").and_then(Value::as_u64).unwrap_or(0),
    })
}

/// UTF-8 bytes of what a message or a delta says: text, reasoning, refusals, calls of tools.
fn said_bytes(message: &Value) -> u64 {
    let texts = ["content", "reasoning", "reasoning_content", "refusal"];
    let text = texts.iter().filter_map(|field| message.get(field)?.as_str());
    let calls = message.get("tool_calls").and_then(Value::as_array);
    let calls = calls.into_iter().flatten().filter_map(|call| call.get("function"));
    let called = calls.flat_map(|function| {
        ["name", "arguments"].into_iter().filter_map(|field| function.get(field)?.as_str())
    });
    text.chain(called).map(|text| text.len() as u64).sum()
}

/// Why an answer ended, in OpenRouter's words; an unknown reason is passed on.
fn finish_reason(native: &str) -> &str {
    match native {
        "eos" | "end_turn" | "stop_sequence" => "stop",
        "max_tokens" => "length",
        "function_call" | "tool_use" => "tool_calls",
        known => known,
    }
}
