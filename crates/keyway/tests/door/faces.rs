//! What the tests of client dialects share: a provider that speaks OpenAI's, and a gateway before it.

use http::{Method, StatusCode};
use keyway_testkit::{Client, Gateway, Provider, Script};
use serde_json::{Value, json};

use crate::setup;

/// One model, `acme/fast`, at $0.000001 and $0.000002 a token.
pub(crate) async fn gateway(provider: &Provider) -> Gateway {
    gateway_of(provider, "openai").await
}

/// The same before a provider of another dialect.
pub(crate) async fn gateway_of(provider: &Provider, dialect: &str) -> Gateway {
    let toml = format!(
        "[[providers]]\nslug = \"acme\"\ndialect = \"{dialect}\"\nbase_url = \"{}\"\n\n\
         [[models]]\nid = \"acme/fast\"\ncontext_length = 8000\nmax_completion_tokens = 100\n\n\
         [[models.endpoints]]\nprovider = \"acme\"\nupstream_model = \"mock-model\"\n\
         pricing = {{ prompt = \"0.000001\", completion = \"0.000002\" }}\n",
        provider.base_url
    );
    setup().config(&toml).start().await
}

/// A key's hash and string.
pub(crate) async fn key(gateway: &Gateway) -> (String, String) {
    let (key, string) = gateway.manager().create_key(&json!({"name": "a", "limit": 1})).await;
    (key["hash"].as_str().expect("a hash").to_owned(), string)
}

pub(crate) async fn spent(gateway: &Gateway, hash: &str) -> String {
    gateway.manager().key(hash).await["usage"].to_string()
}

fn usage() -> Value {
    json!({"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14})
}

/// A completion that says something and calls a tool.
pub(crate) fn called() -> Value {
    let call = json!({
        "id": "call-1", "type": "function", "function": {"name": "f", "arguments": "{\"a\": 1}"},
    });
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "mock-model",
        "choices": [{
            "index": 0, "finish_reason": "tool_calls",
            "message": {"role": "assistant", "content": "let me look", "tool_calls": [call]},
        }],
        "usage": usage(),
    })
}

/// A completion that says `content`.
pub(crate) fn spoken(content: &str) -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "mock-model",
        "choices": [{
            "index": 0, "finish_reason": "stop",
            "message": {"role": "assistant", "content": content, "reasoning": "hm"},
        }],
        "usage": usage(),
    })
}

pub(crate) fn delta(content: &str) -> String {
    chunk(
        &json!([{"index": 0, "delta": {"content": content}, "finish_reason": null}]),
        &Value::Null,
    )
}

fn chunk(choices: &Value, usage: &Value) -> String {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "mock-model",
        "choices": choices, "usage": usage,
    })
    .to_string()
}

/// A stream that says "hello" in two pieces.
pub(crate) fn stream() -> Script {
    let finish = chunk(&json!([{"index": 0, "delta": {}, "finish_reason": "stop"}]), &Value::Null);
    let counted = chunk(&json!([]), &usage());
    Script::events(&[&delta("hel"), &delta("lo"), &finish, &counted, "[DONE]"])
}

/// The events of a stream under their names; an event that is not JSON is a string.
pub(crate) async fn named_events(
    client: &Client,
    path: &str,
    body: &Value,
) -> Vec<(String, Value)> {
    let streamed = client.open(Method::POST, path, body.to_string()).await.expect("a head");
    assert_eq!(streamed.status, StatusCode::OK);
    assert_eq!(streamed.headers["content-type"], "text/event-stream");
    assert!(streamed.headers.contains_key("x-generation-id"));
    let whole = streamed.into_reply().await.expect("the whole stream");
    let text = String::from_utf8(whole.body.to_vec()).expect("text");
    let events = text.split_terminator("\n\n").map(|event| {
        let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
        let data = field("data: ").expect("data");
        let data = serde_json::from_str(data).unwrap_or_else(|_| data.into());
        (field("event: ").unwrap_or_default().to_owned(), data)
    });
    events.collect()
}
