//! What an answer costs: each kind of token at its own price, tiers, a provider's own figure, and prices
//! that nobody knows.

use http::StatusCode;
use keyway_testkit::{Gateway, Provider, Script};
use serde_json::{Value, json};

use crate::setup;

/// A gateway before `provider`, with more said of the provider and of the price of its one model.
async fn gateway(provider: &Provider, of_provider: &str, pricing: &str) -> Gateway {
    let toml = format!(
        "[[providers]]\nslug = \"p\"\nname = \"P\"\ndialect = \"openai\"\nbase_url = \"{}\"\n\
         {of_provider}\n\n[[models]]\nid = \"acme/fast\"\ncontext_length = 1_000_000\n\
         max_completion_tokens = 1000\n\n[[models.endpoints]]\nprovider = \"p\"\n\
         upstream_model = \"m\"\n{pricing}\n",
        provider.base_url
    );
    setup().config(&toml).start().await
}

fn answer(usage: &Value) -> Script {
    let message = json!({"role": "assistant", "content": "hi"});
    let choice = json!({"index": 0, "finish_reason": "stop", "message": message});
    Script::json(200, &json!({"choices": [choice], "usage": usage}))
}

fn body(content: &str) -> Value {
    json!({
        "model": "acme/fast", "max_tokens": 1000,
        "messages": [{"role": "user", "content": content}],
    })
}

async fn key(gateway: &Gateway, limit: Value) -> (String, String) {
    let (key, string) = gateway.manager().create_key(&json!({"name": "a", "limit": limit})).await;
    (key["hash"].as_str().expect("a hash").to_owned(), string)
}

const KINDS: &str = "pricing = { prompt = \"0.00001\", completion = \"0.00002\", \
    input_cache_read = \"0.000001\", input_cache_write = \"0.0000125\", \
    internal_reasoning = \"0.00003\", request = \"0.001\", overrides = [\
    { min_prompt_tokens = 5000, prompt = \"0.0001\", completion = \"0.0002\" }] }";

#[tokio::test]
async fn each_kind_of_token_is_charged_at_its_own_price() {
    let provider = Provider::start().await;
    let usage = json!({
        "prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150,
        "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10},
        "completion_tokens_details": {"reasoning_tokens": 20},
    });
    provider.always(answer(&usage));
    let gateway = gateway(&provider, "", KINDS).await;
    let (hash, string) = key(&gateway, json!(10)).await;
    let reply = gateway.client(&string).post("/api/v1/chat/completions", &body("hi")).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    let usage = &reply.json()["usage"];
    // 30 plain, 60 cached, 10 written; 30 said, 20 thought; and the request itself.
    assert_eq!(usage["cost"].to_string(), "0.002685");
    assert_eq!(gateway.manager().key(&hash).await["usage"].to_string(), "0.002685");
    let details = &usage["prompt_tokens_details"];
    assert_eq!(
        (&details["cached_tokens"], &details["cache_write_tokens"]),
        (&json!(60), &json!(10))
    );
    assert_eq!(usage["completion_tokens_details"], json!({"reasoning_tokens": 20}));
}

#[tokio::test]
async fn a_prompt_that_may_reach_a_tier_is_bounded_by_its_price() {
    let provider = Provider::start().await;
    provider.always(answer(&json!({"prompt_tokens": 5001, "completion_tokens": 1000})));
    let gateway = gateway(&provider, "", KINDS).await;
    let (_, string) = key(&gateway, json!(0.6)).await;
    let client = gateway.client(&string);
    // At the base price it would fit: 5,100 tokens for $0.051, and 1,000 for $0.02.
    let long = body(&"a".repeat(5_010));
    let refused = client.post("/api/v1/chat/completions", &long).await;
    assert_eq!(refused.status, StatusCode::PAYMENT_REQUIRED, "{refused:?}");
    assert!(provider.received().is_empty());

    let (hash, string) = key(&gateway, json!(1)).await;
    let reply = gateway.client(&string).post("/api/v1/chat/completions", &long).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    // Every token at the tier's price: 0.5001, 0.2, and the request.
    assert_eq!(reply.json()["usage"]["cost"].to_string(), "0.7011");
    assert_eq!(gateway.manager().key(&hash).await["usage"].to_string(), "0.7011");
}

#[tokio::test]
async fn a_providers_own_cost_is_charged_where_it_is_trusted() {
    let usage = json!({"prompt_tokens": 100, "completion_tokens": 50, "cost": 0.000_123_456_78});
    for (of_provider, cost) in [("", "0.003"), ("trust_provider_cost = true", "0.000123457")] {
        let provider = Provider::start().await;
        provider.always(answer(&usage));
        let gateway = gateway(&provider, of_provider, KINDS).await;
        let (_, string) = key(&gateway, json!(1)).await;
        let reply = gateway.client(&string).post("/api/v1/chat/completions", &body("hi")).await;
        assert_eq!(reply.json()["usage"]["cost"].to_string(), cost, "{reply:?}");
    }
}

#[tokio::test]
async fn a_providers_own_cost_is_charged_where_nobody_else_knows_one() {
    let provider = Provider::start().await;
    let usage = json!({"prompt_tokens": 100, "completion_tokens": 50, "cost": 0.000_123_456_78});
    provider.then(answer(&usage));
    let delta = json!({"index": 0, "delta": {"content": "hi"}, "finish_reason": "stop"});
    let said = json!({"choices": [delta]}).to_string();
    let counted = json!({"choices": [], "usage": usage}).to_string();
    provider.then(Script::events(&[&said, &counted, "[DONE]"]));
    let gateway = gateway(&provider, "trust_provider_cost = true", "").await;
    let (hash, unlimited) = key(&gateway, Value::Null).await;
    let client = gateway.client(&unlimited);
    let reply = client.post("/api/v1/chat/completions", &body("hi")).await;
    assert_eq!(reply.json()["usage"]["cost"].to_string(), "0.000123457", "{reply:?}");
    let id = reply.headers["x-generation-id"].to_str().expect("text");
    let shown = gateway.manager().get(&format!("/api/v1/generation?id={id}")).await.json();
    assert_eq!(shown["data"]["overrun"], json!(0), "{shown}");
    let events = client.chat_stream("acme/fast", "hi").await.expect("a head").rest().await;
    assert!(events[events.len() - 2].contains("\"cost\":0.000123457"), "{events:?}");
    let key = gateway.manager().key(&hash).await;
    assert_eq!((key["usage"].to_string().as_str(), &key["held"]), ("0.000246914", &json!(0)));
    // Who has a limit may not use what has no price, whatever it says of itself.
    let (_, limited) = self::key(&gateway, json!(1)).await;
    let refused = gateway.client(&limited).post("/api/v1/chat/completions", &body("hi")).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND, "{refused:?}");
}

#[tokio::test]
async fn what_a_provider_does_at_its_own_price_is_for_keys_without_a_limit() {
    let provider = Provider::start().await;
    provider.always(answer(&json!({"prompt_tokens": 100, "completion_tokens": 50})));
    let gateway = gateway(&provider, "", KINDS).await;
    let (_, limited) = key(&gateway, json!(1)).await;
    let (_, unlimited) = key(&gateway, Value::Null).await;
    for (field, value, named) in [
        ("tools", json!([{"type": "openrouter:web_search"}]), "tools[0]: "),
        ("web_search_options", json!({}), "web_search_options: "),
        ("search_parameters", json!({"mode": "on"}), "search_parameters: "),
    ] {
        let mut asked = body("hi");
        asked[field] = value;
        let refused = gateway.client(&limited).post("/api/v1/chat/completions", &asked).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{refused:?}");
        let told = refused.json()["error"]["message"].as_str().expect("a message").to_owned();
        assert!(told.starts_with(named), "{told}");
        let ceiling = gateway.client(&unlimited).with_header("x-keyway-max-cost", "5");
        let refused = ceiling.post("/api/v1/chat/completions", &asked).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{refused:?}");
    }
    assert!(provider.received().is_empty());
    let mut asked = body("hi");
    asked["web_search_options"] = json!({});
    let reply = gateway.client(&unlimited).post("/api/v1/chat/completions", &asked).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
}

#[tokio::test]
async fn an_unknown_price_is_not_zero() {
    let provider = Provider::start().await;
    provider.always(answer(&json!({"prompt_tokens": 100, "completion_tokens": 50})));
    let gateway = gateway(&provider, "", "").await;
    let (_, limited) = key(&gateway, json!(1)).await;
    let refused = gateway.client(&limited).post("/api/v1/chat/completions", &body("hi")).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND, "{refused:?}");
    let message = refused.json()["error"]["message"].as_str().expect("a message").to_owned();
    assert!(message.contains("with a known price"), "{message}");
    assert!(provider.received().is_empty());

    let (hash, unlimited) = key(&gateway, Value::Null).await;
    let reply = gateway.client(&unlimited).post("/api/v1/chat/completions", &body("hi")).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    assert_eq!(gateway.manager().key(&hash).await["usage"], json!(0));
}

#[tokio::test]
async fn a_variable_switches_a_provider_of_the_catalogue_on() {
    let provider = Provider::start().await;
    provider.always(answer(&json!({"prompt_tokens": 100, "completion_tokens": 50})));
    let host = provider.base_url.trim_end_matches("/v1");
    let gateway = setup().variable("OLLAMA_HOST", host).start().await;
    let (_, string) = key(&gateway, json!(1)).await;
    let client = gateway.client(&string);
    let asked =
        json!({"model": "ollama/llama3.1", "messages": [{"role": "user", "content": "hi"}]});
    let reply = client.post("/api/v1/chat/completions", &asked).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    assert_eq!(reply.json()["usage"]["cost"], json!(0));
    assert_eq!(provider.received()[0].body["model"], "llama3.1");
    let models = client.get("/api/v1/models").await.json();
    let ids = models["data"].as_array().expect("models").iter().map(|it| it["id"].as_str());
    assert!(ids.into_iter().flatten().all(|id| id.starts_with("ollama/") || id == "keyway/echo"));
}

#[tokio::test]
async fn what_has_no_bound_is_for_keys_without_a_limit() {
    let provider = Provider::start().await;
    provider.always(answer(&json!({"prompt_tokens": 100, "completion_tokens": 50})));
    let gateway = gateway(&provider, "", KINDS).await;
    let (_, limited) = key(&gateway, json!(100)).await;
    let (_, unlimited) = key(&gateway, Value::Null).await;
    let mut searching = body("hi");
    searching["web_search_options"] = json!({});
    let refused = gateway.client(&limited).post("/api/v1/chat/completions", &searching).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{refused:?}");
    assert!(refused.error().contains("web_search_options"), "{}", refused.error());
    assert!(provider.received().is_empty());
    let reply = gateway.client(&unlimited).post("/api/v1/chat/completions", &searching).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
}
