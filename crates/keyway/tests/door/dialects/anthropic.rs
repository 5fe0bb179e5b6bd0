//! What only Anthropic says.

use bytes::Bytes;
use http::StatusCode;
use keyway_testkit::{Provider, Script};
use serde_json::{Value, json};

use super::{SECRET, Speaker, chunks, gateway, key, pieces, spent};

pub(super) const SPEAKER: Speaker = Speaker {
    dialect: "anthropic",
    paths: ["/v1/messages"; 2],
    credential: ("x-api-key", "SECRET"),
    whole,
    stream,
    error,
    malformed: b"event: content_block_delta\ndata: {\"type\"\n\n",
    kind: "text/event-stream",
};

fn whole(text: &str) -> Value {
    json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m",
        "content": [{"type": "text", "text": text}], "stop_reason": "end_turn",
        "usage": {"input_tokens": 7, "cache_read_input_tokens": 3, "output_tokens": 4},
    })
}

fn stream(texts: &[&str]) -> Vec<Bytes> {
    let usage = json!({"input_tokens": 7, "cache_read_input_tokens": 3, "output_tokens": 1});
    let mut events = vec![
        json!({"type": "message_start", "message": {"usage": usage}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
    ];
    events.extend(texts.iter().map(|text| {
        let delta = json!({"type": "text_delta", "text": text});
        json!({"type": "content_block_delta", "index": 0, "delta": delta})
    }));
    let end = json!({"stop_reason": "end_turn"});
    events.extend([
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": end, "usage": {"output_tokens": 4}}),
        json!({"type": "message_stop"}),
    ]);
    events.iter().map(event).collect()
}

fn event(event: &Value) -> Bytes {
    let kind = event["type"].as_str().expect("a type");
    format!("event: {kind}\ndata: {event}\n\n").into()
}

fn error(message: &str) -> Value {
    json!({"type": "error", "error": {"type": "api_error", "message": message}})
}

#[tokio::test]
async fn an_overload_in_the_middle_is_told_as_one() {
    let provider = Provider::start().await;
    let begun = stream(&["Hel"]).into_iter().take(3);
    let mut failed = error(&format!("no {SECRET} now"));
    failed["error"]["type"] = "overloaded_error".into();
    provider.always(pieces(&SPEAKER, begun.chain([event(&failed)]).collect()));
    let gateway = gateway(&SPEAKER, &provider).await;
    let (hash, string) = key(&gateway).await;
    let chunks = chunks(&gateway, &string).await;
    let last = chunks.last().expect("a chunk");
    assert_eq!(last["error"]["code"], 503, "{last}");
    assert_eq!(last["error"]["message"], "no [masked] now");
    assert_eq!(spent(&gateway, &hash).await, "0");
}

#[tokio::test]
async fn it_is_told_the_bound_that_is_reserved_and_its_version() {
    let provider = Provider::start().await;
    provider.always(Script::json(200, &whole("Hello!")));
    let gateway = gateway(&SPEAKER, &provider).await;
    let (_, string) = key(&gateway).await;
    gateway.client(&string).chat("acme/fast", "hi").await;
    let received = provider.received().remove(0);
    assert_eq!(received.headers["anthropic-version"], "2023-06-01");
    assert_eq!(received.body["max_tokens"], 100);
    assert_eq!(received.body["model"], "their/model:1");
}

#[tokio::test]
async fn what_it_cannot_take_is_the_clients_mistake() {
    let provider = Provider::start().await;
    let gateway = gateway(&SPEAKER, &provider).await;
    let (hash, string) = key(&gateway).await;
    let call = json!({"id": "1", "function": {"name": "f", "arguments": "[1"}});
    let body = json!({"model": "acme/fast", "messages": [
        {"role": "user", "content": "hi"}, {"role": "assistant", "tool_calls": [call]},
    ]});
    let reply = gateway.client(&string).post("/api/v1/chat/completions", &body).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{reply:?}");
    let told = reply.error();
    assert!(told.starts_with("messages[1].tool_calls[0].function.arguments: "), "{told}");
    assert!(provider.received().is_empty());
    assert_eq!(spent(&gateway, &hash).await, "0");
}
