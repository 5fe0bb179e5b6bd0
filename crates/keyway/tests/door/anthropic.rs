//! Anthropic's Messages through the public door: to a provider of another dialect.

use http::StatusCode;
use keyway_testkit::{Gateway, Provider, Script};
use serde_json::{Value, json};

use crate::faces::{self, named_events};

const MESSAGES: &str = "/api/v1/messages";

fn asked(stream: bool) -> Value {
    json!({
        "model": "acme/fast", "max_tokens": 50, "stream": stream, "system": "be brief",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
        "tools": [{"name": "f", "input_schema": {"type": "object"}}],
    })
}

#[tokio::test]
async fn a_message_is_asked_and_answered_in_anthropics_words() {
    let provider = Provider::start().await;
    provider.then(Script::json(200, &faces::called()));
    let gateway = faces::gateway(&provider).await;
    let (hash, key) = faces::key(&gateway).await;
    let client = gateway.anonymous().with_header("x-api-key", &key);
    let reply =
        client.with_header("anthropic-version", "2023-06-01").post(MESSAGES, &asked(false)).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    let message = reply.json();
    assert_eq!(message["id"], reply.headers["x-generation-id"].to_str().expect("an id"));
    assert_eq!((&message["type"], &message["role"]), (&json!("message"), &json!("assistant")));
    assert_eq!(message["stop_reason"], "tool_use");
    let call = json!({
        "type": "tool_use", "id": "call-1", "name": "f", "input": {"a": 1}, "caller": {"type": "direct"},
    });
    assert_eq!(message["content"][1], call);
    // 10 × $0.000001 + 4 × $0.000002
    assert_eq!(message["usage"]["cost"].to_string(), "0.000018");
    assert_eq!(
        (&message["usage"]["input_tokens"], &message["usage"]["output_tokens"]),
        (&json!(10), &json!(4))
    );
    assert_eq!(faces::spent(&gateway, &hash).await, "0.000018");
    let sent = &provider.received()[0].body;
    let expected = json!([
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": [{"type": "text", "text": "hi"}]},
    ]);
    assert_eq!((&sent["messages"], &sent["max_tokens"]), (&expected, &json!(50)));
    assert_eq!(sent["tools"][0]["function"]["name"], "f");
}

#[tokio::test]
async fn a_stream_tells_its_usage_once_it_is_charged() {
    let provider = Provider::start().await;
    provider.then(faces::stream());
    let gateway = faces::gateway(&provider).await;
    let (hash, key) = faces::key(&gateway).await;
    let events = named_events(&gateway.client(&key), MESSAGES, &asked(true)).await;
    let kinds: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
    let expected = [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ];
    assert_eq!(kinds, expected);
    let told = &events[5].1;
    assert_eq!(
        (&told["delta"]["stop_reason"], &told["usage"]["output_tokens"]),
        (&json!("end_turn"), &json!(4))
    );
    assert_eq!(told["usage"]["cost"].to_string(), faces::spent(&gateway, &hash).await);
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_an_error_event_and_free() {
    let provider = Provider::start().await;
    provider.then(Script::events(&[&faces::delta("hel")]));
    let gateway = faces::gateway(&provider).await;
    let (hash, key) = faces::key(&gateway).await;
    let events = named_events(&gateway.client(&key), MESSAGES, &asked(true)).await;
    let (name, last) = events.last().expect("events");
    assert_eq!((name.as_str(), &last["error"]["type"]), ("error", &json!("api_error")));
    assert_eq!(faces::spent(&gateway, &hash).await, "0");
}

#[tokio::test]
async fn errors_come_in_anthropics_envelope() {
    let provider = Provider::start().await;
    provider.always(Script::json(529, &json!({"error": {"message": "busy"}})));
    let gateway = faces::gateway(&provider).await;
    let (_, key) = faces::key(&gateway).await;
    let (_, poor) = gateway.manager().create_key(&json!({"name": "poor", "limit": 0.00001})).await;
    let unknown = json!({"model": "no/model", "max_tokens": 1, "messages": [{"role": "user", "content": "hi"}]});
    let tell = |client: keyway_testkit::Client, body: Value| async move {
        let reply = client.post(MESSAGES, &body).await;
        let body = reply.json();
        assert_eq!(body["type"], "error", "{body}");
        assert!(body.get("request_id").is_some(), "{body}");
        (reply.status.as_u16(), body["error"]["type"].as_str().expect("a type").to_owned())
    };
    for (client, body, status, kind) in [
        (gateway.anonymous(), asked(false), 401, "authentication_error"),
        (gateway.manager(), asked(false), 403, "permission_error"),
        (gateway.client(&key), unknown, 400, "invalid_request_error"),
        (gateway.client(&key), json!({"model": "acme/fast"}), 400, "invalid_request_error"),
        (gateway.client(&poor), asked(false), 402, "billing_error"),
        (gateway.client(&key), asked(false), 503, "overloaded_error"),
    ] {
        assert_eq!(tell(client, body).await, (status, kind.to_owned()));
    }
}

#[tokio::test]
async fn counting_costs_nothing_and_sends_nothing() {
    let provider = Provider::start().await;
    let gateway = faces::gateway(&provider).await;
    let (_, string) = gateway.manager().create_key(&json!({"name": "spent", "limit": 0})).await;
    let mut body = asked(false);
    body["max_tokens"].take();
    let path = "/api/v1/messages/count_tokens?beta=true";
    let reply = gateway.client(&string).post(path, &body).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    let few = reply.json()["input_tokens"].as_u64().expect("a number");
    body["messages"][0]["content"] = "a longer text than that".repeat(100).into();
    let many = gateway.client(&string).post(path, &body).await.json();
    let many = many["input_tokens"].as_u64().expect("a number");
    assert!(few > 0 && many > few + 500, "{few}, {many}");
    assert!(provider.received().is_empty());
}

#[tokio::test]
async fn a_provider_that_counts_is_asked_and_an_estimate_stands_in_for_it() {
    let provider = Provider::start().await;
    let gateway = faces::gateway_of(&provider, "anthropic").await;
    let (hash, key) = faces::key(&gateway).await;
    let client = gateway.client(&key).with_header("anthropic-beta", "new-1");
    let path = "/api/v1/messages/count_tokens";
    provider.then(Script::json(200, &json!({"input_tokens": 4711})));
    let counted = client.post(path, &asked(false)).await.json();
    assert_eq!(counted, json!({"input_tokens": 4711}));
    let received = provider.received().remove(0);
    assert_eq!(received.path, "/v1/messages/count_tokens");
    assert_eq!(received.headers["anthropic-beta"], "new-1");
    assert_eq!(
        (&received.body["model"], &received.body["system"]),
        (&json!("mock-model"), &json!("be brief"))
    );
    for field in ["max_tokens", "stream"] {
        assert_eq!(received.body.get(field), None, "{field}");
    }
    for broken in [
        Script::json(529, &json!({"error": {"message": "busy"}})),
        Script::json(200, &json!({"input_tokens": "many"})),
        Script::json(200, &json!([])),
    ] {
        provider.then(broken);
        let estimated = client.post(path, &asked(false)).await;
        assert_eq!(estimated.status, StatusCode::OK, "{estimated:?}");
        let tokens = estimated.json()["input_tokens"].as_u64().expect("a number");
        assert!((1..1000).contains(&tokens), "{tokens}");
    }
    let mut elsewhere = asked(false);
    elsewhere["provider"] = json!({"only": ["nobody"]});
    let refused = client.post(path, &elsewhere).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND, "{refused:?}");
    assert_eq!(provider.received().len(), 4);
    assert_eq!(faces::spent(&gateway, &hash).await, "0");
}

#[tokio::test]
async fn a_bare_name_is_the_model_that_has_it() {
    let gateway: Gateway = crate::gateway().await;
    let (_, key) = faces::key(&gateway).await;
    let body =
        json!({"model": "echo", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]});
    let message = gateway.client(&key).post(MESSAGES, &body).await.json();
    assert_eq!(
        (&message["model"], &message["content"][0]["text"]),
        (&json!("keyway/echo"), &json!("hi"))
    );
}

#[tokio::test]
async fn between_two_that_speak_it_nothing_is_translated() {
    let provider = Provider::start().await;
    let said = json!({
        "id": "msg-1", "type": "message", "role": "assistant", "model": "mock-model", "new": {"kept": 1},
        "content": [{"type": "text", "text": "hello", "new": 2}, {"type": "new_block", "x": 3}],
        "stop_reason": "stop_sequence", "stop_sequence": "END",
        "usage": {"input_tokens": 10, "output_tokens": 4, "new_count": 5},
    });
    provider.then(Script::json(200, &said));
    let gateway = faces::gateway_of(&provider, "anthropic").await;
    let (hash, key) = faces::key(&gateway).await;
    let mut body = asked(false);
    body["context_management"] = json!({"edits": []});
    body["speed"] = "fast".into();
    body["provider"] = json!({"order": ["acme"]});
    let client = gateway.client(&key).with_header("anthropic-beta", "new-1,context-1m-2025-08-07");
    let message = client.post(MESSAGES, &body).await.json();
    assert_eq!(message["content"], said["content"]);
    assert_eq!((&message["new"], &message["stop_sequence"]), (&said["new"], &json!("END")));
    assert_eq!((&message["model"], &message["provider"]), (&json!("acme/fast"), &json!("acme")));
    assert!(message["id"].as_str().is_some_and(|id| id.starts_with("gen-")), "{message}");
    assert_eq!(
        (&message["usage"]["new_count"], &message["usage"]["output_tokens"]),
        (&json!(5), &json!(4))
    );
    assert_eq!(message["usage"]["cost"].to_string(), faces::spent(&gateway, &hash).await);
    let received = provider.received().remove(0);
    assert_eq!(received.headers["anthropic-beta"], "new-1");
    for field in ["messages", "system", "tools", "context_management"] {
        assert_eq!(received.body[field], body[field], "{field}");
    }
    for field in ["speed", "provider"] {
        assert_eq!(received.body.get(field), None, "{field}");
    }
}

#[tokio::test]
async fn events_that_nobody_knows_are_passed_on_and_the_usage_waits() {
    let provider = Provider::start().await;
    let usage = json!({"input_tokens": 10, "output_tokens": 1});
    let start = json!({"id": "msg-1", "type": "message", "model": "mock-model", "usage": usage});
    let events = [
        json!({"type": "message_start", "message": start}),
        json!({"type": "ping"}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "new_block", "x": 1}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "hello"}}),
        json!({"type": "content_block_stop", "index": 1}),
        json!({
            "type": "message_delta", "new": 2, "delta": {"stop_reason": "end_turn", "stop_sequence": null},
            "usage": {"output_tokens": 4, "new_count": 5},
        }),
        json!({"type": "message_stop"}),
    ];
    let data: Vec<String> = events.iter().map(Value::to_string).collect();
    provider.then(Script::events(&data.iter().map(String::as_str).collect::<Vec<_>>()));
    let gateway = faces::gateway_of(&provider, "anthropic").await;
    let (hash, key) = faces::key(&gateway).await;
    let told = named_events(&gateway.client(&key), MESSAGES, &asked(true)).await;
    let kinds: Vec<&str> = told.iter().map(|(name, _)| name.as_str()).collect();
    let sent: Vec<&str> = events.iter().filter_map(|event| event["type"].as_str()).collect();
    assert_eq!(kinds, sent);
    assert_eq!(told[2].1, events[2]);
    assert_eq!(told[0].1["message"]["usage"]["input_tokens"], 0, "not before the charge");
    let last = &told[7].1;
    assert_eq!((&last["new"], &last["usage"]["new_count"]), (&json!(2), &json!(5)));
    assert_eq!(
        (&last["usage"]["input_tokens"], &last["usage"]["output_tokens"]),
        (&json!(10), &json!(4))
    );
    assert_eq!(last["usage"]["cost"].to_string(), "0.000018");
    assert_eq!(faces::spent(&gateway, &hash).await, "0.000018");
}
