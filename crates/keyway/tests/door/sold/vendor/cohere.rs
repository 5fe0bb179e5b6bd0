//! What Cohere says.

use serde_json::{Value, json};

use super::super::price::Count;
use super::Deed;

/// What is billed; what the model read besides is free.
fn usage(count: Count) -> Value {
    let billed = json!({"input_tokens": count.prompt, "output_tokens": count.completion});
    let read = json!({"input_tokens": count.prompt + 500, "output_tokens": count.completion + 3});
    json!({"billed_units": billed, "tokens": read, "cached_tokens": count.cached})
}

pub(super) fn whole(deed: Deed) -> Value {
    let message = json!({"role": "assistant", "content": [{"type": "text", "text": "hello"}]});
    let mut body = json!({"id": "1", "finish_reason": "COMPLETE", "message": message});
    if let Deed::Sold(count) = deed {
        body["usage"] = usage(count);
    }
    body
}

pub(super) fn stream(deed: Deed) -> Vec<String> {
    let text = |text: &str| {
        let delta = json!({"message": {"content": {"text": text}}});
        json!({"type": "content-delta", "index": 0, "delta": delta})
    };
    let mut events = vec![json!({"type": "message-start", "id": "1"}), text("hel")];
    if deed != Deed::BrokeOff {
        let mut end = json!({"finish_reason": "COMPLETE"});
        if let Deed::Sold(count) = deed {
            end["usage"] = usage(count);
        }
        events.extend([
            text("lo"),
            json!({"type": "content-end", "index": 0}),
            json!({"type": "message-end", "delta": end}),
        ]);
    }
    events.iter().map(|event| format!("data: {event}\n\n")).collect()
}

/// Vectors, or a ranking.
pub(super) fn errand(count: Count, ranks: bool) -> Value {
    if ranks {
        let units = json!({"billed_units": {"search_units": count.units}});
        return json!({"results": [{"index": 0, "relevance_score": 0.9}], "meta": units});
    }
    let units = json!({"billed_units": {"input_tokens": count.prompt}});
    json!({"embeddings": {"float": [[0.5, -0.5]]}, "meta": units})
}
