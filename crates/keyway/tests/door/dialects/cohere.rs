//! What only Cohere says.

use bytes::Bytes;
use serde_json::{Value, json};

use super::Speaker;

pub(super) const SPEAKER: Speaker = Speaker {
    dialect: "cohere",
    paths: ["/v1/chat"; 2],
    credential: ("authorization", "Bearer SECRET"),
    whole,
    stream,
    error,
    malformed: b"event: content-delta\ndata: {\"type\"\n\n",
    kind: "text/event-stream",
};

fn usage() -> Value {
    let billed = json!({"input_tokens": 10, "output_tokens": 4});
    json!({"billed_units": billed, "tokens": {"input_tokens": 500, "output_tokens": 7}})
}

fn whole(text: &str) -> Value {
    let message = json!({"role": "assistant", "content": [{"type": "text", "text": text}]});
    json!({"id": "1", "finish_reason": "COMPLETE", "message": message, "usage": usage()})
}

fn stream(texts: &[&str]) -> Vec<Bytes> {
    let mut events = vec![json!({"type": "message-start", "id": "1"})];
    events.extend(texts.iter().map(|text| {
        let delta = json!({"message": {"content": {"text": text}}});
        json!({"type": "content-delta", "index": 0, "delta": delta})
    }));
    events.push(json!({"type": "content-end", "index": 0}));
    let end = json!({"finish_reason": "COMPLETE", "usage": usage()});
    events.push(json!({"type": "message-end", "delta": end}));
    events.iter().map(|event| format!("data: {event}\n\n").into()).collect()
}

fn error(message: &str) -> Value {
    json!({"id": "1", "message": message})
}
