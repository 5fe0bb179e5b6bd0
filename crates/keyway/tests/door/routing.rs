//! Where a request goes: what its `provider` object, its models and their variants say, what is tried
//! when somebody fails, and what that costs.

use std::time::Duration;

use http::StatusCode;
use keyway_testkit::{Client, Gateway, Provider, Reply, Script, eventually};
use serde_json::{Value, json};

use crate::setup;

const CHAT: &str = "/api/v1/chat/completions";

/// Three providers: `cheap` at $1 a million tokens, `dear` at $3, `private` at $9 and with what the
/// others lack; a model that all of them serve, and one that only the dear one does.
struct Field {
    gateway: Gateway,
    client: Client,
    hash: String,
    cheap: Provider,
    dear: Provider,
    private: Provider,
}

const MODELS: &str = r#"
[[models]]
id = "acme/fast"
context_length = 8000
max_completion_tokens = 100

[[models.endpoints]]
provider = "cheap"
upstream_model = "fast-at-cheap"
pricing = { prompt = "0.000001", completion = "0.000001" }
max_completion_tokens = 50
supported_parameters = ["max_tokens"]

[[models.endpoints]]
provider = "dear"
upstream_model = "fast-at-dear"
pricing = { prompt = "0.000003", completion = "0.000003" }

[[models.endpoints]]
provider = "private"
upstream_model = "fast-at-private"
variant = "turbo"
quantization = "fp8"
pricing = { prompt = "0.000009", completion = "0.000009", input_cache_read = "0.000001" }
supported_parameters = ["max_tokens", "tools"]

[[models]]
id = "acme/slow"
context_length = 8000

[[models.endpoints]]
provider = "dear"
upstream_model = "slow-at-dear"
pricing = { prompt = "0.000005", completion = "0.000005" }
"#;

fn provider(slug: &str, base_url: &str, more: &str) -> String {
    format!(
        "[[providers]]\nslug = \"{slug}\"\nname = \"The {slug}\"\ndialect = \"openai\"\n\
         base_url = \"{base_url}\"\n{more}\n\n"
    )
}

fn completion() -> Script {
    Script::json(
        200,
        &json!({
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14},
        }),
    )
}

fn failure(status: u16) -> Script {
    Script::json(status, &json!({"error": {"message": format!("it says {status}")}}))
}

impl Field {
    async fn new() -> Self {
        let (cheap, dear, private) =
            (Provider::start().await, Provider::start().await, Provider::start().await);
        for provider in [&cheap, &dear, &private] {
            provider.always(completion());
        }
        let toml = provider("cheap", &cheap.base_url, "")
            + &provider("dear", &dear.base_url, "data_collection = \"deny\"")
            + &provider("private", &private.base_url, "zdr = true")
            + MODELS;
        let gateway = setup().config(&toml).start().await;
        let (key, string) = gateway.manager().create_key(&json!({"name": "a", "limit": 1})).await;
        let (client, hash) = (gateway.client(&string), key["hash"].as_str().expect("a hash"));
        Self { client, hash: hash.to_owned(), gateway, cheap, dear, private }
    }

    async fn ask(&self, model: &str, fields: Value) -> Reply {
        let mut body = json!({"model": model, "messages": [{"role": "user", "content": "hi"}]});
        let Value::Object(fields) = fields else { panic!("{fields}") };
        body.as_object_mut().expect("an object").extend(fields);
        self.client.post(CHAT, &body).await
    }

    /// The provider that answered, or the error.
    async fn answered_by(&self, model: &str, fields: Value) -> String {
        let reply = self.ask(model, fields).await;
        match reply.status {
            StatusCode::OK => reply.json()["provider"].as_str().expect("a name").to_owned(),
            status => format!("{status}: {}", reply.error()),
        }
    }

    async fn spent(&self) -> String {
        self.gateway.manager().key(&self.hash).await["usage"].to_string()
    }
}

#[tokio::test]
async fn a_request_goes_where_it_says() {
    let field = Field::new().await;
    let by = |provider: Value| field.answered_by("acme/fast", json!({"provider": provider}));
    assert_eq!(by(json!({"order": ["private"]})).await, "The private");
    assert_eq!(
        by(json!({"order": ["nobody", "Dear"]})).await,
        "The dear",
        "others are passed over"
    );
    assert_eq!(by(json!({"only": ["dear"]})).await, "The dear");
    assert_eq!(by(json!({"only": ["private/turbo"]})).await, "The private");
    assert_eq!(by(json!({"ignore": ["cheap", "private"]})).await, "The dear");
    assert_eq!(by(json!({"data_collection": "deny", "sort": "price"})).await, "The dear");
    assert_eq!(by(json!({"zdr": true})).await, "The private");
    assert_eq!(by(json!({"quantizations": ["fp8"]})).await, "The private");
    assert_eq!(by(json!({"sort": "price"})).await, "The cheap");
    assert_eq!(by(json!({"max_price": {"prompt": "1", "completion": 1.5}})).await, "The cheap");
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    let wants_tools = json!({"tools": tools, "provider": {"require_parameters": true}});
    assert_eq!(field.answered_by("acme/fast", wants_tools).await, "The private");
    assert_eq!(field.answered_by("acme/fast:floor", json!({})).await, "The cheap");
    let long = json!({"max_tokens": 80, "provider": {"sort": "price"}});
    assert_eq!(field.answered_by("acme/fast", long).await, "The dear", "the cheap one says less");
    assert_eq!(field.dear.received().pop().expect("a request").body["max_tokens"], 80);
}

#[tokio::test]
async fn what_nobody_may_answer_is_not_found_and_says_why() {
    let field = Field::new().await;
    for (model, fields, expected) in [
        (
            "acme/fast",
            json!({"provider": {"only": ["azure"]}}),
            "404 Not Found: No allowed providers are available for the selected model. Providers \
             serving acme/fast: cheap, dear, private, but your request's provider.only preference \
             permits only: azure. No provider is called azure here.",
        ),
        (
            "acme/slow",
            json!({"provider": {"order": ["deer"], "allow_fallbacks": false}}),
            "404 Not Found: No allowed providers are available for the selected model. Providers \
             serving acme/slow: dear, but your request's provider.order preference permits only: \
             deer. No provider is called deer here; did you mean dear?",
        ),
        (
            "acme/slow",
            json!({"provider": {"zdr": true}}),
            "404 Not Found: No endpoints available matching your guardrail restrictions and data \
             policy: provider.zdr asks for what no provider of acme/slow is configured to promise.",
        ),
        (
            "acme/slow",
            json!({"provider": {"max_price": {"prompt": 4}}}),
            "404 Not Found: No endpoints found for acme/slow within your request's provider.max_price.",
        ),
        (
            "acme/slow:free",
            json!({}),
            "404 Not Found: No endpoints found for acme/slow of the variant asked for.",
        ),
        (
            "acme/fasst",
            json!({}),
            "400 Bad Request: acme/fasst is not a valid model ID. Did you mean acme/fast?",
        ),
        ("other/thing", json!({}), "400 Bad Request: other/thing is not a valid model ID"),
        (
            "acme/fast",
            json!({"models": ["x".repeat(257)]}),
            "400 Bad Request: models: must be a model's id of at most 256 bytes",
        ),
        (
            "acme/fast",
            json!({"fallbacks": [{"model": "x".repeat(257)}]}),
            "400 Bad Request: fallbacks: must be a model's id of at most 256 bytes",
        ),
        (
            "acme/fast:best",
            json!({}),
            "400 Bad Request: acme/fast:best is not a valid model ID. Variants of acme/fast are :free, \
             :nitro, :floor, :thinking, :extended and :exacto.",
        ),
        (
            "acme/fast:online",
            json!({}),
            "400 Bad Request: model: acme/fast:online asks for a search of the web, and none is \
             configured here; leave :online out",
        ),
        (
            "acme/fast",
            json!({"provider": {"zdrr": true}}),
            "400 Bad Request: provider.zdrr: is not a field of it; allowed: allow_fallbacks, \
             data_collection, enforce_distillable_text, ignore, max_price, only, order, \
             preferred_max_latency, preferred_min_throughput, quantizations, require_parameters, \
             sort, zdr",
        ),
    ] {
        assert_eq!(field.answered_by(model, fields).await, expected);
    }
    let sent = [&field.cheap, &field.dear, &field.private].map(|it| it.received().len());
    assert_eq!((sent, field.spent().await.as_str()), ([0, 0, 0], "0"));
}

#[tokio::test]
async fn the_next_model_answers_and_is_named_and_charged() {
    let field = Field::new().await;
    for provider in [&field.cheap, &field.private] {
        provider.always(failure(500));
    }
    field.dear.then(failure(400));
    let reply = field.ask("acme/fast", json!({"models": ["acme/slow"]})).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    let answer = reply.json();
    assert_eq!((&answer["model"], &answer["provider"]), (&json!("acme/slow"), &json!("The dear")));
    assert_eq!(answer["usage"]["cost"].to_string(), "0.00007");
    assert_eq!(field.spent().await, "0.00007");
    let sent = field.dear.received();
    assert_eq!(
        sent.iter().map(|it| &it.body["model"]).collect::<Vec<_>>(),
        ["fast-at-dear", "slow-at-dear"]
    );
    assert!(sent[1].body.get("models").is_none(), "it is for the gateway");
    // What was asked for first may be left out where there is a list.
    let body = json!({"models": ["acme/slow"], "messages": [{"role": "user", "content": "hi"}]});
    let reply = field.client.post(CHAT, &body).await;
    assert_eq!(reply.json()["model"], "acme/slow");
}

#[tokio::test]
async fn what_failed_everywhere_is_free_and_names_every_attempt() {
    let field = Field::new().await;
    field.cheap.always(failure(500));
    field.private.always(failure(503));
    field.dear.always(failure(429));
    let order = json!({"provider": {"order": ["cheap", "private", "dear"]}});
    let reply = field.ask("acme/fast", order).await;
    assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS);
    let metadata = reply.json()["error"]["metadata"].clone();
    assert_eq!(
        (&metadata["raw"], &metadata["provider_name"]),
        (&json!("it says 429"), &json!("The dear"))
    );
    let previous = metadata["previous_errors"].as_array().expect("a list").clone();
    let attempts: Vec<_> = previous
        .iter()
        .map(|it| (&it["provider"], &it["model"], &it["code"], &it["status"]))
        .collect();
    let (fast, cheap, private) = (json!("acme/fast"), json!("The cheap"), json!("The private"));
    let codes = [502, 500, 503].map(|code| json!(code));
    assert_eq!(
        attempts,
        [(&cheap, &fast, &codes[0], &codes[1]), (&private, &fast, &codes[2], &codes[2])]
    );
    assert_eq!(field.spent().await, "0");
    let held = field.gateway.manager().key(&field.hash).await["held"].to_string();
    assert_eq!(held, "0");

    let alone = json!({"provider": {"order": ["cheap"], "allow_fallbacks": false}});
    let reply = field.ask("acme/fast", alone).await;
    assert_eq!(reply.status, StatusCode::BAD_GATEWAY);
    assert!(reply.json()["error"]["metadata"].get("previous_errors").is_none());
}

#[tokio::test]
async fn nobody_else_is_asked_for_a_client_that_left() {
    let field = Field::new().await;
    let failed = json!({"error": {"message": "it fails", "code": 500}});
    let pieces = vec![(Duration::from_secs(1), format!("data: {failed}\n\n"))];
    field.cheap.always(Script::Stream { pieces, breaks: false });
    let order = json!({"stream": true, "provider": {"order": ["cheap", "dear", "private"]}});
    let sent = eventually("it is sent", async || field.cheap.received().pop());
    tokio::select! {
        reply = field.ask("acme/fast", order) => panic!("answered: {reply:?}"),
        _ = sent => {}
    }
    eventually("it has ended", async || {
        let held = field.gateway.manager().key(&field.hash).await["held"].to_string();
        (held == "0").then_some(())
    })
    .await;
    let sent = [&field.cheap, &field.dear, &field.private].map(|it| it.received().len());
    assert_eq!((sent, field.spent().await.as_str()), ([1, 0, 0], "0"));
}

#[tokio::test]
async fn a_tier_of_service_is_its_endpoints() {
    let field = Field::new().await;
    let reply = field.ask("acme/slow", json!({"service_tier": "priority"})).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    let sent = field.dear.received().pop().expect("a request");
    assert!(sent.body.get("service_tier").is_none(), "it is priced for the usual one");
}

#[tokio::test]
async fn a_credential_that_is_refused_is_the_operators_to_mend() {
    let field = Field::new().await;
    for status in [401, 402, 403] {
        field.dear.then(failure(status)).then(failure(status));
        let reply = field.ask("acme/slow", json!({})).await;
        assert_eq!(reply.status, StatusCode::BAD_GATEWAY, "{status}");
        assert_eq!(reply.headers["x-should-retry"], "false");
        let order = json!({"provider": {"order": ["dear", "cheap"]}});
        assert_eq!(field.answered_by("acme/fast", order).await, "The cheap", "{status}");
    }
    assert!(field.gateway.log().contains("a provider refuses our credential"));
}

#[tokio::test]
async fn who_failed_of_late_is_tried_last() {
    let field = Field::new().await;
    let headers = vec![("retry-after", "60".to_owned())];
    let body = json!({"error": {"message": "slow down"}}).to_string();
    field.cheap.then(Script::Answer { status: 429, headers, body });
    // The cheap one and the dear one, of which the cheap one is taken nine times of ten.
    let both = || json!({"provider": {"only": ["cheap", "dear"]}});
    while field.cheap.received().is_empty() {
        assert_eq!(field.answered_by("acme/fast", both()).await, "The dear");
    }
    for _ in 0..10 {
        assert_eq!(field.answered_by("acme/fast", both()).await, "The dear");
    }
    assert_eq!(field.cheap.received().len(), 1, "it is left alone");
    field.dear.then(failure(500));
    assert_eq!(field.answered_by("acme/fast", both()).await, "The cheap", "but not for good");
}

#[tokio::test]
async fn a_conversation_stays_where_it_was_answered() {
    let field = Field::new().await;
    let once = json!({"provider": {"order": ["private"]}, "session_id": "mine"});
    assert_eq!(field.answered_by("acme/fast", once).await, "The private");
    for _ in 0..12 {
        // Left to its price, it would be taken once in ninety times.
        let session = json!({"session_id": "mine"});
        assert_eq!(field.answered_by("acme/fast", session).await, "The private");
    }
    let ordered = json!({"session_id": "mine", "provider": {"order": ["dear"]}});
    assert_eq!(field.answered_by("acme/fast", ordered).await, "The dear");
    let long = json!({"session_id": "x".repeat(257)});
    assert!(field.answered_by("acme/fast", long).await.contains("session_id: must be a text"));

    // Without a name it stays where its prompt was read from the cache, and costs less there.
    let mut cached = json!({
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14},
    });
    cached["usage"]["prompt_tokens_details"] = json!({"cached_tokens": 8});
    field.private.then(Script::json(200, &cached));
    let once = json!({"provider": {"order": ["private"]}});
    assert_eq!(field.answered_by("acme/fast", once).await, "The private");
    for _ in 0..12 {
        assert_eq!(field.answered_by("acme/fast", json!({})).await, "The private");
    }
    let other = json!({"messages": [{"role": "user", "content": "something else"}]});
    let mut others = Vec::new();
    for _ in 0..12 {
        others.push(field.answered_by("acme/fast", other.clone()).await);
    }
    assert!(others.iter().any(|by| by != "The private"), "another conversation");
}

#[tokio::test]
async fn a_client_that_asks_is_told_how_its_request_was_routed() {
    let field = Field::new().await;
    let asking = field.client.clone().with_header("x-openrouter-metadata", "enabled");
    let mut body = json!({
        "model": "acme/fast", "messages": [{"role": "user", "content": "hi"}],
        "provider": {"order": ["cheap", "dear"], "allow_fallbacks": false},
    });
    field.cheap.then(failure(500));
    let answer = asking.post(CHAT, &body).await.json();
    let expected = json!({
        "requested": "acme/fast", "strategy": "direct", "region": null,
        "summary": "available=2, selected=The dear", "attempt": 2, "is_byok": false,
        "endpoints": {"total": 2, "available": [
            {"provider": "The cheap", "model": "acme/fast", "selected": false},
            {"provider": "The dear", "model": "acme/fast", "selected": true},
        ]},
        "attempts": [
            {"provider": "The cheap", "model": "acme/fast", "status": 500},
            {"provider": "The dear", "model": "acme/fast", "status": 200},
        ],
    });
    assert_eq!(answer["openrouter_metadata"], expected);
    let quiet = field.client.post(CHAT, &body).await.json();
    assert!(quiet.get("openrouter_metadata").is_none(), "nobody asked");

    let choice = json!([{"index": 0, "delta": {"content": "hi"}, "finish_reason": "stop"}]);
    let chunk = json!({"choices": choice, "usage": {"prompt_tokens": 1, "completion_tokens": 1}});
    field.dear.always(Script::events(&[&chunk.to_string(), "[DONE]"]));
    body["stream"] = json!(true);
    body["provider"] = json!({"only": ["dear"]});
    let opened = asking.open(http::Method::POST, CHAT, body.to_string()).await.expect("a head");
    let events = opened.rest().await;
    let last: Value = serde_json::from_str(&events[events.len() - 2]).expect("JSON");
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["openrouter_metadata"]["summary"], "available=1, selected=The dear");
    assert_eq!(events.iter().filter(|event| event.contains("openrouter_metadata")).count(), 1);
}
