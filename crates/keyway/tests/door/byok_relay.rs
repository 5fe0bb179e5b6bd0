//! Credentials of the operator's own on their way to a provider: which is presented, and what is charged.

use http::StatusCode;
use keyway_testkit::{Client, Gateway, Provider, Script};
use serde_json::{Value, json};

use crate::byok::keep;
use crate::setup;

const SHARED: &str = "sk-shared-0123456789";
const FIRST: &str = "sk-first-0123456789ab";
const SECOND: &str = "sk-second-0123456789ab";
const LAST: &str = "sk-last-0123456789abcd";

/// A gateway before `provider`, whose answers cost $0.000018 at its list price.
async fn gateway(provider: &Provider, fee: &str) -> Gateway {
    let toml = format!(
        "[byok]\nfee_percent = \"{fee}\"\n\n\
         [[providers]]\nslug = \"acme\"\nname = \"Acme\"\ndialect = \"openai\"\nbase_url = \"{}\"\n\
         api_key = \"env:SHARED\"\n\n\
         [[models]]\nid = \"acme/fast\"\ncontext_length = 8000\nmax_completion_tokens = 100\n\n\
         [[models.endpoints]]\nprovider = \"acme\"\nupstream_model = \"mock\"\n\
         pricing = {{ prompt = \"0.000001\", completion = \"0.000002\" }}\n",
        provider.base_url
    );
    setup().config(&toml).variable("SHARED", SHARED).start().await
}

fn completion() -> Script {
    Script::json(
        200,
        &json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "mock",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14},
        }),
    )
}

fn failure(status: u16, message: &str) -> Script {
    Script::json(status, &json!({"error": {"message": message}}))
}

/// The credentials that the provider was presented, in order.
fn presented(provider: &Provider) -> Vec<String> {
    let of = |headers: &http::HeaderMap| {
        let text = headers["authorization"].to_str().expect("text");
        text.strip_prefix("Bearer ").expect("a bearer").to_owned()
    };
    provider.received().iter().map(|received| of(&received.headers)).collect()
}

async fn chat(client: &Client) -> Value {
    let reply = client.chat("acme/fast", "hello").await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    reply.json()
}

async fn spend(gateway: &Gateway, key: &Value) -> (String, String) {
    let key = gateway.manager().key(key["hash"].as_str().expect("a hash")).await;
    (key["usage"].to_string(), key["byok_usage"].to_string())
}

#[tokio::test]
async fn credentials_are_tried_before_the_shared_one_and_behind_it() {
    let provider = Provider::start().await;
    let gateway = gateway(&provider, "0").await;
    let manager = gateway.manager();
    let (_, key) = manager.create_key(&json!({"name": "a"})).await;
    let fallback = json!({"provider": "acme", "key": LAST, "is_fallback": true});
    keep(&manager, &fallback).await;
    keep(&manager, &json!({"provider": "acme", "key": SECOND})).await;
    let first = json!({"provider": "acme", "key": FIRST, "sort_order": 0});
    let first = keep(&manager, &first).await;
    keep(&manager, &json!({"provider": "groq", "key": "sk-of-somebody-else-000"})).await;
    for status in [500, 401, 500] {
        provider.then(failure(status, "no"));
    }
    provider.always(completion());
    chat(&gateway.client(&key)).await;
    assert_eq!(presented(&provider), [FIRST, SECOND, SHARED, LAST]);

    // What was deleted is presented no more when that is answered.
    let path = format!("/api/v1/byok/{}", first["id"].as_str().expect("an id"));
    assert_eq!(manager.delete(&path).await.status, StatusCode::OK);
    chat(&gateway.client(&key)).await;
    assert_eq!(presented(&provider)[4..], [SECOND]);
    assert!(!gateway.log().contains("0123456789ab"), "no credential is logged");
}

#[tokio::test]
async fn a_fee_is_charged_and_the_list_price_is_counted_apart() {
    let provider = Provider::start().await;
    let gateway = gateway(&provider, "5").await;
    let manager = gateway.manager();
    let (object, key) = manager.create_key(&json!({"name": "a", "limit": 1})).await;
    keep(&manager, &json!({"provider": "acme", "key": FIRST})).await;
    provider.always(completion());
    let usage = chat(&gateway.client(&key)).await["usage"].clone();
    assert_eq!((usage["cost"].to_string(), &usage["is_byok"]), ("0.0000009".into(), &json!(true)));
    assert_eq!(usage["cost_details"]["upstream_inference_cost"].to_string(), "0.000018");
    assert_eq!(spend(&gateway, &object).await, ("0.0000009".into(), "0.000018".into()));

    let delta = r#"{"choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": null}]}"#;
    let finish = r#"{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}"#;
    let counts = r#"{"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 4}}"#;
    provider.then(Script::events(&[delta, finish, counts, "[DONE]"]));
    let stream = gateway.client(&key).chat_stream("acme/fast", "hello").await;
    let events = stream.expect("a head").rest().await;
    let last = &events[events.len() - 2];
    let last: Value = serde_json::from_str(last).expect("a chunk");
    assert_eq!(last["usage"]["is_byok"], json!(true));
    assert_eq!(spend(&gateway, &object).await, ("0.0000018".into(), "0.000036".into()));

    // An answer by the shared credential is charged as ever.
    provider.then(failure(401, "no")).then(completion());
    let usage = chat(&gateway.client(&key)).await["usage"].clone();
    assert_eq!((usage["cost"].to_string(), &usage["is_byok"]), ("0.000018".into(), &json!(false)));
    assert_eq!(usage["cost_details"]["upstream_inference_cost"], Value::Null);
    assert_eq!(spend(&gateway, &object).await, ("0.0000198".into(), "0.000036".into()));
}

#[tokio::test]
async fn a_limit_counts_what_other_credentials_pay_only_if_it_says_so() {
    let provider = Provider::start().await;
    let gateway = gateway(&provider, "0").await;
    let manager = gateway.manager();
    keep(&manager, &json!({"provider": "acme", "key": FIRST, "is_required": true})).await;
    provider.always(completion());
    let (free, key) = manager.create_key(&json!({"name": "free", "limit": 0})).await;
    chat(&gateway.client(&key)).await;
    assert_eq!(spend(&gateway, &free).await, ("0".into(), "0.000018".into()));

    let counting = json!({"name": "counting", "limit": 0.0004, "include_byok_in_limit": true});
    let (counted, key) = manager.create_key(&counting).await;
    let client = gateway.client(&key);
    let asked = json!({
        "model": "acme/fast", "max_tokens": 50, "messages": [{"role": "user", "content": "hello"}],
    });
    let mut answered = 0;
    let refused = loop {
        let reply = client.post("/api/v1/chat/completions", &asked).await;
        if reply.status != StatusCode::OK {
            break reply;
        }
        answered += 1;
        assert!(answered < 14, "more than the limit affords");
    };
    assert_eq!(refused.status, StatusCode::PAYMENT_REQUIRED, "{refused:?}");
    assert!(answered > 0, "something fits");
    let nanos = 18_000 * answered;
    let (spent, byok) = spend(&gateway, &counted).await;
    assert_eq!((spent.as_str(), byok), ("0", keyway_core::money::Nanos::new(nanos).to_string()));
}

#[tokio::test]
async fn who_may_use_a_credential_is_its_own_to_say() {
    let provider = Provider::start().await;
    let gateway = gateway(&provider, "0").await;
    let manager = gateway.manager();
    let (mine, key) = manager.create_key(&json!({"name": "mine"})).await;
    let (_, other) = manager.create_key(&json!({"name": "other"})).await;
    let body = json!({
        "provider": "acme", "key": FIRST, "allowed_api_key_hashes": [mine["hash"]],
        "allowed_models": ["acme/fast"], "is_required": true,
    });
    let credential = keep(&manager, &body).await;
    let path = format!("/api/v1/byok/{}", credential["id"].as_str().expect("an id"));
    provider.always(completion());
    chat(&gateway.client(&key)).await;
    chat(&gateway.client(&other)).await;
    assert_eq!(presented(&provider), [FIRST, SHARED]);

    // It stays the same key's when that has another secret.
    let rotate = format!("/api/v1/keys/{}/rotate", mine["hash"].as_str().expect("a hash"));
    let rotated = manager.post(&rotate, &json!({})).await.json();
    let key = rotated["key"].as_str().expect("a key").to_owned();
    chat(&gateway.client(&key)).await;
    assert_eq!(presented(&provider)[2..], [FIRST]);

    manager.patch(&path, &json!({"allowed_models": ["acme/slow"]})).await;
    chat(&gateway.client(&key)).await;
    assert_eq!(presented(&provider)[3..], [SHARED], "required where it may be used");
    manager.patch(&path, &json!({"is_byok_only": true})).await;
    let refused = gateway.client(&key).chat("acme/fast", "hello").await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND, "{refused:?}");
    manager.patch(&path, &json!({"disabled": true})).await;
    chat(&gateway.client(&key)).await;
    assert_eq!(presented(&provider)[4..], [SHARED]);
}

#[tokio::test]
async fn a_refused_credential_is_named_by_its_provider_and_never_repeated() {
    let provider = Provider::start().await;
    let gateway = gateway(&provider, "0").await;
    let manager = gateway.manager();
    let (object, key) = manager.create_key(&json!({"name": "a", "limit": 1})).await;
    let required = json!({"provider": "acme", "key": FIRST, "is_required": true});
    keep(&manager, &required).await;
    provider.then(failure(401, &format!("Incorrect API key provided: {FIRST}")));
    let refused = gateway.client(&key).chat("acme/fast", "hello").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{refused:?}");
    assert!(refused.error().contains("Acme"), "{refused:?}");
    assert_eq!(refused.json()["error"]["metadata"]["is_byok"], json!(true));
    assert_eq!(refused.headers["x-should-retry"], "false");
    assert!(!String::from_utf8_lossy(&refused.body).contains(FIRST), "{refused:?}");
    assert_eq!(spend(&gateway, &object).await, ("0".into(), "0".into()));

    // A failure that is none of the credential's is the provider's.
    provider.then(failure(500, "overloaded"));
    let failed = gateway.client(&key).chat("acme/fast", "hello").await;
    assert_eq!(failed.status, StatusCode::BAD_GATEWAY, "{failed:?}");
    assert!(!gateway.log().contains(FIRST));
}

#[tokio::test]
async fn a_credential_comes_with_the_request_and_stays_nowhere() {
    const BROUGHT: &str = "sk-ant-brought-0123456789";
    let provider = Provider::start().await;
    let gateway = gateway(&provider, "0").await;
    let (object, key) = gateway.manager().create_key(&json!({"name": "a", "limit": 1})).await;
    let keys = json!({"acme": BROUGHT, "nobody": "sk-unused-0123456789"}).to_string();
    let client = gateway.client(&key).with_header("x-provider-api-keys", &keys);
    provider.then(completion());
    let usage = chat(&client).await["usage"].clone();
    assert_eq!((usage["cost"].to_string(), &usage["is_byok"]), ("0".into(), &json!(true)));
    provider.then(failure(401, &format!("bad key {BROUGHT}"))).then(failure(401, "and ours"));
    let refused = client.chat("acme/fast", "hello").await;
    assert_eq!(refused.status, StatusCode::BAD_GATEWAY, "ours is the operator's: {refused:?}");
    assert!(!String::from_utf8_lossy(&refused.body).contains(BROUGHT), "{refused:?}");
    assert_eq!(presented(&provider), [BROUGHT, BROUGHT, SHARED]);
    assert_eq!(spend(&gateway, &object).await, ("0".into(), "0.000018".into()));

    let wrong = gateway.client(&key).with_header("x-provider-api-keys", BROUGHT);
    let refused = wrong.chat("acme/fast", "hello").await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.error().starts_with("X-Provider-API-Keys"), "{refused:?}");
    assert!(!refused.error().contains(BROUGHT), "{refused:?}");
    let stopped = gateway.terminate().await;
    assert!(!stopped.log().contains(BROUGHT));
}
