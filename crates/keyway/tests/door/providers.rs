//! A configured provider: what it is sent, what comes of what it says, and what is charged.

use std::time::Duration;

use http::StatusCode;
use keyway_testkit::{Gateway, Provider, Script, Streamed};
use serde_json::{Value, json};

use crate::setup;

const SECRET: &str = "sk-provider-secret-0123456789";

/// A gateway before `providers`, tried in their order; $0.000001 and $0.000002 a token.
async fn gateway(providers: &[&Provider]) -> Gateway {
    let mut toml = String::new();
    for (number, provider) in providers.iter().enumerate() {
        let table = format!(
            "[[providers]]\nslug = \"p{number}\"\nname = \"Provider {number}\"\ndialect = \"openai\"\n\
             base_url = \"{}\"\napi_key = \"env:PROVIDER_KEY\"\n\n",
            provider.base_url
        );
        toml.push_str(&table);
    }
    toml +=
        "[[models]]\nid = \"acme/fast\"\ncontext_length = 8000\nmax_completion_tokens = 100\n\n";
    for number in 0..providers.len() {
        let table = format!(
            "[[models.endpoints]]\nprovider = \"p{number}\"\nupstream_model = \"mock-model\"\n\
             pricing = {{ prompt = \"0.000001\", completion = \"0.000002\" }}\n\n"
        );
        toml.push_str(&table);
    }
    setup().config(&toml).variable("PROVIDER_KEY", SECRET).start().await
}

fn completion(content: &str) -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "mock-model",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14},
        "x_unknown": {"kept": [1.50, true]},
    })
}

fn delta(content: &str) -> String {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "mock-model",
        "choices": [{"index": 0, "delta": {"content": content}, "finish_reason": null}], "usage": null,
    })
    .to_string()
}

fn finish() -> String {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "mock-model",
        "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
    })
    .to_string()
}

fn usage() -> String {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "mock-model",
        "choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14},
    })
    .to_string()
}

async fn key(gateway: &Gateway) -> (String, String) {
    let (key, string) = gateway.manager().create_key(&json!({"name": "a", "limit": 1})).await;
    (key["hash"].as_str().expect("a hash").to_owned(), string)
}

async fn spent(gateway: &Gateway, hash: &str) -> String {
    gateway.manager().key(hash).await["usage"].to_string()
}

async fn parsed(stream: Option<Streamed>) -> Vec<Value> {
    let stream = stream.expect("a head");
    assert_eq!(stream.status, StatusCode::OK);
    let events = stream.rest().await;
    let json = events.iter().filter(|event| *event != "[DONE]");
    json.map(|event| serde_json::from_str(event).expect("JSON")).collect()
}

#[tokio::test]
async fn a_plain_answer_is_passed_on_and_charged() {
    let provider = Provider::start().await;
    provider.always(Script::json(200, &completion("Hello!")));
    let gateway = gateway(&[&provider]).await;
    let (hash, string) = key(&gateway).await;
    let body = json!({
        "model": "acme/fast", "messages": [{"role": "user", "content": "hi"}],
        "max_tokens": 5000, "temperature": 0.30, "provider": {"order": ["p0"]}, "x_client": {"a": 1.0},
    });
    let reply = gateway.client(&string).post("/api/v1/chat/completions", &body).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    let answer = reply.json();
    assert_eq!(answer["model"], "acme/fast");
    assert_eq!(answer["provider"], "Provider 0");
    assert_eq!(answer["x_unknown"].to_string(), r#"{"kept":[1.5,true]}"#);
    assert_eq!(answer["usage"]["cost"].to_string(), "0.000018");
    assert_eq!(spent(&gateway, &hash).await, "0.000018");

    let received = provider.received().remove(0);
    assert_eq!(received.path, "/v1/chat/completions");
    assert_eq!(received.headers["authorization"], format!("Bearer {SECRET}"));
    assert_eq!(received.body["model"], "mock-model");
    assert_eq!(received.body["max_tokens"], 100, "no more than was reserved");
    assert_eq!(received.body["x_client"], json!({"a": 1.0}));
    assert_eq!(received.body.get("provider"), None, "it is for the gateway");
    assert!(!format!("{received:?}").contains(&string), "the client's key stays here");
}

#[tokio::test]
async fn a_stream_is_passed_on_with_usage_in_its_own_last_chunk() {
    let provider = Provider::start().await;
    let (hello, finish, usage) = (delta("Hello"), finish(), usage());
    provider.always(Script::events(&[&hello, &delta("!"), &finish, &usage, "[DONE]"]));
    let gateway = gateway(&[&provider]).await;
    let (hash, string) = key(&gateway).await;
    let chunks = parsed(gateway.client(&string).chat_stream("acme/fast", "hi").await).await;
    assert_eq!(chunks.len(), 4, "{chunks:?}");
    assert!(chunks[..3].iter().all(|chunk| chunk.get("usage").is_none()));
    assert_eq!(chunks[3]["choices"], json!([]));
    assert_eq!(chunks[3]["usage"]["cost"].to_string(), "0.000018");
    assert_eq!(spent(&gateway, &hash).await, "0.000018");
    let received = provider.received().remove(0);
    assert_eq!(received.body["stream_options"]["include_usage"], true);
}

#[tokio::test]
async fn the_next_endpoint_answers_for_one_that_fails() {
    let (broken, sound) = (Provider::start().await, Provider::start().await);
    broken.always(Script::json(500, &json!({"error": {"message": "out of order"}})));
    sound.always(Script::json(200, &completion("Hello!")));
    let gateway = gateway(&[&broken, &sound]).await;
    let (hash, string) = key(&gateway).await;
    let body = json!({
        "model": "acme/fast", "messages": [{"role": "user", "content": "hi"}],
        "provider": {"order": ["p0", "p1"]},
    });
    let reply = gateway.client(&string).post("/api/v1/chat/completions", &body).await;
    assert_eq!(reply.json()["provider"], "Provider 1");
    assert_eq!(spent(&gateway, &hash).await, "0.000018", "charged once");

    sound.always(Script::json(429, &json!({"error": {"message": "slow down"}})));
    let reply = gateway.client(&string).post("/api/v1/chat/completions", &body).await;
    assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS);
    let metadata = reply.json()["error"]["metadata"].clone();
    assert_eq!(
        (&metadata["raw"], &metadata["provider_name"]),
        (&json!("slow down"), &json!("Provider 1"))
    );
    assert_eq!(metadata["previous_errors"][0]["message"], "out of order");
    assert_eq!(spent(&gateway, &hash).await, "0.000018", "what failed everywhere is free");
}

#[tokio::test]
async fn a_provider_that_refuses_the_operators_key_does_not_leak_it() {
    let provider = Provider::start().await;
    let echoed = json!({"error": {"message": format!("Incorrect API key provided: {SECRET}")}});
    provider.always(Script::json(401, &echoed));
    let gateway = gateway(&[&provider]).await;
    let (_, string) = key(&gateway).await;
    let reply = gateway.client(&string).chat("acme/fast", "hi").await;
    assert_eq!(reply.status, StatusCode::BAD_GATEWAY, "it is not the client's credential");
    assert!(!String::from_utf8_lossy(&reply.body).contains(SECRET));
    assert!(!gateway.log().contains(SECRET));
}

#[tokio::test]
async fn a_providers_key_is_masked_wherever_it_is_repeated() {
    let provider = Provider::start().await;
    let secret = "my+secret/of the.provider";
    let error = format!(
        r#"{{"error": {{"message": "bad key {secret}, my%2Bsecret%2Fof%20the.provider"}}}}"#
    );
    let toml = format!(
        "[[providers]]\nslug = \"p\"\ndialect = \"openai\"\nbase_url = \"{}\"\napi_key = \"env:K\"\n\
         [[models]]\nid = \"acme/fast\"\ncontext_length = 100\n[[models.endpoints]]\nprovider = \"p\"\n\
         upstream_model = \"m\"\npricing = {{ prompt = \"0\", completion = \"0\" }}\n",
        provider.base_url
    );
    let gateway = setup().config(&toml).variable("K", &secret.replace(' ', "_")).start().await;
    let secret = secret.replace(' ', "_");
    let error = error.replace("of the", "of_the").replace("of%20the", "of_the");
    let (_, string) = key(&gateway).await;
    let client = gateway.client(&string);
    let mut said = String::new();
    for status in [200, 401] {
        let body = serde_json::from_str(&error).expect("JSON");
        provider.then(Script::json(status, &body));
        said += &String::from_utf8_lossy(&client.chat("acme/fast", "hi").await.body);
    }
    provider.then(Script::events(&[&delta("Hel"), &error]));
    let stream = client.chat_stream("acme/fast", "hi").await.expect("a head");
    said += &stream.rest().await.join("\n");
    assert_eq!(said.matches("bad key [masked]").count(), 3, "{said}");
    for form in [secret.as_str(), "my%2Bsecret"] {
        assert!(!said.contains(form), "{said}");
        assert!(!gateway.log().contains(form));
    }
}

#[tokio::test]
async fn a_stream_that_breaks_off_ends_with_an_error_and_is_free() {
    let provider = Provider::start().await;
    // The pause lets the first piece out before the connection breaks.
    let pieces = vec![
        (Duration::ZERO, format!("data: {}\n\n", delta("Hel"))),
        (Duration::from_millis(50), ": still here\n\n".to_owned()),
    ];
    provider.always(Script::Stream { pieces, breaks: true });
    let gateway = gateway(&[&provider]).await;
    let (hash, string) = key(&gateway).await;
    let chunks = parsed(gateway.client(&string).chat_stream("acme/fast", "hi").await).await;
    let last = chunks.last().expect("a chunk");
    assert_eq!(last["error"]["code"], 502, "{last}");
    assert!(last["error"]["metadata"]["error_type"].is_string());
    assert_eq!(spent(&gateway, &hash).await, "0");
}

#[tokio::test]
async fn a_failure_after_the_head_is_told_as_an_event_and_is_free() {
    let provider = Provider::start().await;
    // Longer than a client is left in silence: by then its head is sent.
    let late = Duration::from_millis(3_500);
    let error = r#"{"error": {"message": "overloaded", "code": 503}}"#;
    let pieces = vec![(late, format!("data: {error}\n\n"))];
    provider.always(Script::Stream { pieces, breaks: false });
    let gateway = gateway(&[&provider]).await;
    let (hash, string) = key(&gateway).await;
    let events = parsed(gateway.client(&string).chat_stream("acme/fast", "hi").await).await;
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["error"]["code"], 503, "{events:?}");
    assert_eq!(events[0]["choices"][0]["finish_reason"], "error");
    assert_eq!(spent(&gateway, &hash).await, "0");
}

#[tokio::test]
async fn an_answer_without_usage_is_estimated_and_charged() {
    let provider = Provider::start().await;
    let (hello, finish) = (delta("Hello, world"), finish());
    provider.always(Script::events(&[&hello, &finish, "[DONE]"]));
    let gateway = gateway(&[&provider]).await;
    let (hash, string) = key(&gateway).await;
    let chunks = parsed(gateway.client(&string).chat_stream("acme/fast", "hi").await).await;
    let cost = chunks.last().expect("a chunk")["usage"]["cost"].to_string();
    assert_ne!(cost, "0");
    assert_eq!(spent(&gateway, &hash).await, cost);
}

#[tokio::test]
async fn what_a_provider_bills_beyond_the_bound_is_not_the_keys() {
    let provider = Provider::start().await;
    let mut answer = completion("Hello!");
    answer["usage"] = json!({"prompt_tokens": 10, "completion_tokens": 5000, "total_tokens": 5010});
    provider.always(Script::json(200, &answer));
    let gateway = gateway(&[&provider]).await;
    let (hash, string) = key(&gateway).await;
    let reply = gateway.client(&string).chat("acme/fast", "hi").await.json();
    let charged: f64 = spent(&gateway, &hash).await.parse().expect("a number");
    assert_eq!(reply["usage"]["cost"].to_string(), spent(&gateway, &hash).await);
    assert!(charged < 0.0012, "a hundred completion tokens are the most: {charged}");
}

#[tokio::test]
async fn an_unreachable_provider_is_a_bad_gateway() {
    let provider = Provider::start().await;
    let gateway = gateway(&[&provider]).await;
    let (hash, string) = key(&gateway).await;
    drop(provider);
    let reply = gateway.client(&string).chat("acme/fast", "hi").await;
    assert_eq!(reply.status, StatusCode::BAD_GATEWAY);
    reply.error();
    assert_eq!(spent(&gateway, &hash).await, "0");
}
