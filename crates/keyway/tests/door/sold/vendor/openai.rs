//! What OpenAI and those who speak like it say.

use serde_json::{Value, json};

use super::super::price::Count;
use super::Deed;

fn usage(count: Count) -> Value {
    json!({
        "prompt_tokens": count.prompt,
        "completion_tokens": count.completion,
        "total_tokens": count.prompt + count.completion,
        "prompt_tokens_details":
            {"cached_tokens": count.cached, "cache_write_tokens": count.written},
        "completion_tokens_details": {"reasoning_tokens": count.reasoning},
    })
}

pub(super) fn whole(deed: Deed) -> Value {
    let (content, finish, counted) = match deed {
        Deed::Sold(count) => ("hello", json!("stop"), usage(count)),
        Deed::Silent(prompt) => ("", Value::Null, usage(Count { prompt, ..Count::default() })),
        _ => ("hello", json!("stop"), Value::Null),
    };
    let message = json!({"role": "assistant", "content": content});
    let choice = json!({"index": 0, "finish_reason": finish, "message": message});
    json!({"object": "chat.completion", "choices": [choice], "usage": counted})
}

pub(super) fn stream(deed: Deed) -> Vec<String> {
    let chunk = |choices: Value, usage: Value| {
        let chunk = json!({"object": "chat.completion.chunk", "choices": choices, "usage": usage});
        format!("data: {chunk}\n\n")
    };
    let says = |content: &str, finish: Value| json!([{"index": 0, "delta": {"content": content}, "finish_reason": finish}]);
    let mut pieces = vec![chunk(says("", Value::Null), Value::Null)];
    match deed {
        Deed::Silent(prompt) => {
            let count = Count { prompt, ..Count::default() };
            pieces.push(chunk(json!([]), usage(count)));
        }
        Deed::BrokeOff => {
            pieces.push(chunk(says("hel", Value::Null), Value::Null));
            return pieces;
        }
        Deed::Sold(count) => {
            pieces.push(chunk(says("hel", Value::Null), Value::Null));
            pieces.push(chunk(says("lo", json!("stop")), Value::Null));
            pieces.push(chunk(json!([]), usage(count)));
        }
        _ => pieces.push(chunk(says("hello", json!("stop")), Value::Null)),
    }
    pieces.push("data: [DONE]\n\n".to_owned());
    pieces
}

/// Vectors, or a ranking.
pub(super) fn errand(count: Count, ranks: bool) -> Value {
    let usage = json!({"prompt_tokens": count.prompt, "total_tokens": count.prompt});
    if ranks {
        let results = json!([{"index": 0, "relevance_score": 0.9}]);
        return json!({"results": results, "usage": usage});
    }
    let vector = json!({"object": "embedding", "index": 0, "embedding": [0.5, -0.5]});
    json!({"object": "list", "data": [vector], "usage": usage})
}
