//! Completions on the built-in model, and what they cost.

use http::StatusCode;
use serde_json::{Value, json};

use crate::gateway;

#[tokio::test]
async fn an_echo_is_charged_to_the_nano_dollar() {
    let gateway = gateway().await;
    let (key, string) = gateway.manager().create_key(&json!({"name": "a", "limit": 1})).await;
    // 11 bytes are 3 tokens on either side: 3 × $0.000001 + 3 × $0.000002.
    let reply = gateway.client(&string).chat("keyway/echo", "hello world").await;
    assert_eq!(reply.status, StatusCode::OK);
    let id = reply.headers["x-generation-id"].to_str().expect("an id").to_owned();
    let answer = reply.json();
    assert_eq!(answer["id"], id);
    assert!(id.starts_with("gen-"), "{id}");
    assert_eq!(answer["choices"][0]["message"]["content"], "hello world");
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    assert_eq!(answer["usage"]["prompt_tokens"], 3);
    assert_eq!(answer["usage"]["completion_tokens"], 3);
    assert_eq!(answer["usage"]["cost"].to_string(), "0.000009");

    let hash = key["hash"].as_str().expect("a hash");
    let key = gateway.manager().key(hash).await;
    for field in ["usage", "usage_daily", "usage_weekly", "usage_monthly"] {
        assert_eq!(key[field].to_string(), "0.000009", "{field}");
    }
    assert_eq!(key["limit_remaining"].to_string(), "0.999991");
    assert!(key["last_used_at"].is_string());
    let own = gateway.client(&string).get("/api/v1/key").await.json();
    assert_eq!(own["data"]["usage"].to_string(), "0.000009");
    assert_eq!(own["data"]["is_management_key"], false);
}

#[tokio::test]
async fn a_stream_ends_with_its_cost() {
    let gateway = gateway().await;
    let (_, string) = gateway.manager().create_key(&json!({"name": "a", "limit": 1})).await;
    let stream = gateway.client(&string).chat_stream("keyway/echo", "hello world").await;
    let stream = stream.expect("a head");
    assert_eq!(stream.status, StatusCode::OK);
    assert_eq!(stream.headers["content-type"], "text/event-stream");
    assert!(stream.headers.contains_key("x-generation-id"));
    let mut events = stream.rest().await;
    assert_eq!(events.pop().as_deref(), Some("[DONE]"));
    let chunks: Vec<Value> =
        events.iter().map(|event| serde_json::from_str(event).expect("JSON")).collect();
    let (last, deltas) = chunks.split_last().expect("chunks");
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"]["cost"].to_string(), "0.000009");
    let said: String = deltas
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert_eq!(said, "hello world");
    assert!(deltas.iter().all(|chunk| chunk.get("usage").is_none()), "usage is on its own");
    assert_eq!(deltas.last().expect("a chunk")["choices"][0]["finish_reason"], "stop");
}

#[tokio::test]
async fn max_tokens_cuts_and_directives_direct() {
    let gateway = gateway().await;
    let (key, string) = gateway.manager().create_key(&json!({"name": "a", "limit": 1})).await;
    let client = gateway.client(&string);
    let body = json!({
        "model": "keyway/echo", "max_tokens": 1,
        "messages": [{"role": "user", "content": "hello world"}],
    });
    let cut = client.post("/api/v1/chat/completions", &body).await.json();
    assert_eq!(cut["choices"][0]["message"]["content"], "hell");
    assert_eq!(cut["choices"][0]["finish_reason"], "length");

    let long = client.chat("keyway/echo", "#echo tokens=500\nhi").await.json();
    assert_eq!(long["usage"]["completion_tokens"], 500);
    let failed = client.chat("keyway/echo", "#echo fail=503\nhi").await;
    assert_eq!(failed.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(failed.error(), "Provider returned error");
    let broken = client.chat("keyway/echo", "#echo tokens=50 cut_after=10\nhi").await;
    assert_eq!(broken.status, StatusCode::BAD_GATEWAY);

    let whole = client.chat("keyway/echo", "#echo tokens=5 cut_after=10\nhi").await;
    assert_eq!(whole.status, StatusCode::OK, "it ends before it would break off");
    let before =
        gateway.manager().key(key["hash"].as_str().expect("a hash")).await["usage"].clone();

    let stream = client.chat_stream("keyway/echo", "#echo tokens=50 cut_after=10\nhi").await;
    let events = stream.expect("a head").rest().await;
    let last: Value = serde_json::from_str(events.last().expect("an event")).expect("JSON");
    assert_eq!(last["error"]["code"], 502, "{last}");
    assert_eq!(last["choices"][0]["finish_reason"], "error");
    let said = events.len() - 1;
    assert_eq!(said, 10, "ten tokens and the error");
    let after = gateway.manager().key(key["hash"].as_str().expect("a hash")).await["usage"].clone();
    assert_eq!(before, after, "what a provider's own failure ends is free");
}

#[tokio::test]
async fn an_unlimited_key_is_charged_too() {
    let gateway = gateway().await;
    let (key, string) = gateway.manager().create_key(&json!({"name": "a"})).await;
    gateway.client(&string).chat("keyway/echo", "hello world").await;
    let key = gateway.manager().key(key["hash"].as_str().expect("a hash")).await;
    assert_eq!(
        (key["usage"].to_string().as_str(), &key["limit_remaining"]),
        ("0.000009", &Value::Null)
    );
}

#[tokio::test]
async fn a_client_that_leaves_gets_no_discount() {
    let gateway = gateway().await;
    let (key, string) = gateway.manager().create_key(&json!({"name": "a", "limit": 1})).await;
    let content = "#echo each_ms=5 tokens=40\nhi";
    let mut stream =
        gateway.client(&string).chat_stream("keyway/echo", content).await.expect("a head");
    stream.next().await.expect("an event");
    drop(stream);
    let hash = key["hash"].as_str().expect("a hash").to_owned();
    let manager = gateway.manager();
    let usage = keyway_testkit::eventually("it is charged", async || {
        let usage = manager.key(&hash).await["usage"].to_string();
        (usage != "0").then_some(usage)
    })
    .await;
    // 28 bytes of prompt are 7 tokens; 40 tokens of completion.
    assert_eq!(usage, "0.000087");
}

#[tokio::test]
async fn models_are_listed_without_a_key() {
    let gateway = gateway().await;
    let list = gateway.anonymous().get("/api/v1/models").await.json();
    assert_eq!(list["total_count"], 1);
    let echo = &list["data"][0];
    assert_eq!(echo["id"], "keyway/echo");
    assert_eq!(echo["pricing"], json!({"prompt": "0.000001", "completion": "0.000002"}));
    let past = gateway.anonymous().get("/api/v1/models?offset=1").await.json();
    assert_eq!(past["data"], json!([]));
}

#[tokio::test]
async fn a_stream_whose_model_is_slow_begins_all_the_same() {
    let gateway = gateway().await;
    let (key, string) = gateway.manager().create_key(&json!({"name": "a", "limit": 1})).await;
    let content = "#echo first_ms=3500\nhello world";
    let stream = gateway.client(&string).chat_stream("keyway/echo", content).await;
    let mut stream = stream.expect("a head");
    assert_eq!(stream.status, StatusCode::OK);
    assert_eq!(stream.comment().await, ": OPENROUTER PROCESSING", "before the model says anything");
    let events = stream.rest().await;
    assert_eq!(events.last().map(String::as_str), Some("[DONE]"));
    let told: Value = serde_json::from_str(&events[events.len() - 2]).expect("JSON");
    let hash = key["hash"].as_str().expect("a hash");
    assert_eq!(gateway.manager().key(hash).await["usage"], told["usage"]["cost"]);
}
