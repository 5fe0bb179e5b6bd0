//! What Amazon says, in frames of its own.

use bytes::Bytes;
use serde_json::{Value, json};

use super::super::price::Count;
use super::Deed;
use crate::dialects::bedrock::message;

/// Amazon leaves out of its input what was read from and written to a cache.
fn usage(count: Count) -> Value {
    json!({
        "inputTokens": count.prompt - count.cached - count.written,
        "cacheReadInputTokens": count.cached,
        "cacheWriteInputTokens": count.written,
        "outputTokens": count.completion,
        "totalTokens": count.prompt + count.completion,
    })
}

pub(super) fn whole(deed: Deed) -> Value {
    let message = json!({"role": "assistant", "content": [{"text": "hello"}]});
    let mut body = json!({"output": {"message": message}, "stopReason": "end_turn"});
    if let Deed::Sold(count) = deed {
        body["usage"] = usage(count);
    }
    body
}

pub(super) fn stream(deed: Deed) -> Vec<Bytes> {
    let event = |kind: &str, payload: &Value| message(":event-type", kind, payload);
    let text = |text: &str| {
        event("contentBlockDelta", &json!({"contentBlockIndex": 0, "delta": {"text": text}}))
    };
    let mut events = vec![event("messageStart", &json!({"role": "assistant"})), text("hel")];
    if deed != Deed::BrokeOff {
        events.extend([text("lo"), event("messageStop", &json!({"stopReason": "end_turn"}))]);
    }
    if let Deed::Sold(count) = deed {
        events.push(event("metadata", &json!({"usage": usage(count)})));
    }
    events
}
