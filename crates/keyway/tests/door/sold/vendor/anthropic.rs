//! What Anthropic says.

use serde_json::{Value, json};

use super::super::price::Count;
use super::Deed;

/// Anthropic leaves out of its input what was read from and written to a cache.
fn usage(count: Count) -> Value {
    let for_minutes = count.written - count.written_1h;
    json!({
        "input_tokens": count.prompt - count.cached - count.written,
        "cache_read_input_tokens": count.cached,
        "cache_creation_input_tokens": count.written,
        "cache_creation": {
            "ephemeral_5m_input_tokens": for_minutes,
            "ephemeral_1h_input_tokens": count.written_1h,
        },
        "output_tokens": count.completion,
        "output_tokens_details": {"thinking_tokens": count.reasoning},
    })
}

pub(super) fn whole(deed: Deed) -> Value {
    let mut body = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m",
        "content": [{"type": "text", "text": "hello"}], "stop_reason": "end_turn",
    });
    if let Deed::Sold(count) = deed {
        body["usage"] = usage(count);
    }
    body
}

pub(super) fn stream(deed: Deed) -> Vec<String> {
    let usage = match deed {
        Deed::Sold(count) => usage(count),
        _ => Value::Null,
    };
    let text = |text: &str| {
        let delta = json!({"type": "text_delta", "text": text});
        json!({"type": "content_block_delta", "index": 0, "delta": delta})
    };
    let block = json!({"type": "text", "text": ""});
    let mut events = vec![
        json!({"type": "message_start", "message": {"role": "assistant", "usage": usage}}),
        json!({"type": "content_block_start", "index": 0, "content_block": block}),
        text("hel"),
    ];
    if deed != Deed::BrokeOff {
        events.extend([
            text("lo"),
            json!({"type": "content_block_stop", "index": 0}),
            json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}),
            json!({"type": "message_stop"}),
        ]);
    }
    let event = |event: &Value| {
        format!("event: {}\ndata: {event}\n\n", event["type"].as_str().expect("a type"))
    };
    events.iter().map(event).collect()
}
