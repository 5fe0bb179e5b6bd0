//! What a request was, when it is asked for by its id.

use http::StatusCode;
use keyway_testkit::{Provider, Script, eventually};
use serde_json::{Value, json};

use crate::{gateway, setup};

/// The contract's table (Appendix): what has to be there, be it null.
const FIELDS: [&str; 43] = [
    "api_type",
    "app_id",
    "cache_discount",
    "cancelled",
    "created_at",
    "data_region",
    "external_user",
    "finish_reason",
    "generation_time",
    "http_referer",
    "id",
    "is_byok",
    "latency",
    "model",
    "moderation_latency",
    "native_finish_reason",
    "native_tokens_cached",
    "native_tokens_completion",
    "native_tokens_completion_images",
    "native_tokens_prompt",
    "native_tokens_reasoning",
    "num_fetches",
    "num_input_audio_prompt",
    "num_media_completion",
    "num_media_prompt",
    "num_search_results",
    "origin",
    "preset_id",
    "provider_name",
    "provider_responses",
    "router",
    "service_tier",
    "streamed",
    "tokens_completion",
    "tokens_prompt",
    "total_cost",
    "upstream_id",
    "upstream_inference_cost",
    "usage",
    "user_agent",
    "web_search_engine",
    "workspace_id",
    "ending",
];

#[tokio::test]
async fn a_request_is_told_to_who_made_it_at_once() {
    let gateway = gateway().await;
    let manager = gateway.manager();
    let (_, key) = manager.create_key(&json!({"name": "a"})).await;
    let (_, other) = manager.create_key(&json!({"name": "b"})).await;
    let answer = gateway.client(&key).chat("keyway/echo", "hello").await;
    let id = answer.headers["x-generation-id"].to_str().expect("text").to_owned();
    let path = format!("/api/v1/generation?id={id}");
    let shown = gateway.client(&key).get(&path).await;
    assert_eq!(shown.status, StatusCode::OK, "{shown:?}");
    let data = shown.json()["data"].clone();
    for field in FIELDS {
        assert!(data.get(field).is_some(), "{field} is missing in {data}");
    }
    assert_eq!((&data["id"], &data["model"]), (&json!(id), &json!("keyway/echo")));
    let usage = answer.json()["usage"].clone();
    assert_eq!(data["usage"].to_string(), usage["cost"].to_string());
    assert_eq!(data["tokens_completion"], usage["completion_tokens"]);
    assert_eq!((&data["is_byok"], &data["upstream_inference_cost"]), (&json!(false), &Value::Null));
    assert_eq!((&data["streamed"], &data["cancelled"]), (&json!(false), &json!(false)));
    assert_eq!(manager.get(&path).await.json(), shown.json());
    let unknown = "/api/v1/generation?id=gen-0198a1b2c3d47e5f8a9b0c1d2e3f4a5b";
    for reply in [
        gateway.client(&other).get(&path).await,
        gateway.client(&key).get(unknown).await,
        gateway.client(&key).get("/api/v1/generation?id=nobody").await,
    ] {
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{reply:?}");
    }
    let none = gateway.client(&key).get("/api/v1/generation").await;
    assert_eq!(none.status, StatusCode::BAD_REQUEST);
}

/// Two providers of one model, the dear one behind the cheap one.
fn config(cheap: &Provider, dear: &Provider) -> String {
    let provider = |slug: &str, provider: &Provider| {
        format!(
            "[[providers]]\nslug = \"{slug}\"\nname = \"The {slug}\"\ndialect = \"openai\"\n\
             base_url = \"{}\"\napi_key = \"env:SHARED\"\n\n",
            provider.base_url
        )
    };
    let endpoint = |slug: &str, prompt: &str| {
        format!(
            "[[models.endpoints]]\nprovider = \"{slug}\"\nupstream_model = \"mock\"\npricing = {{ \
             prompt = \"{prompt}\", completion = \"0.000002\", input_cache_read = \"0.0000001\" }}\n\n"
        )
    };
    [
        provider("cheap", cheap),
        provider("dear", dear),
        "[[models]]\nid = \"acme/fast\"\ncontext_length = 8000\nmax_completion_tokens = 100\n\n"
            .to_owned(),
        endpoint("cheap", "0.000001"),
        endpoint("dear", "0.000002"),
    ]
    .concat()
}

/// What the dear provider answers, plain and as a stream: with a cached token of ten.
fn answers() -> [Script; 2] {
    let usage = json!({
        "prompt_tokens": 10, "completion_tokens": 4,
        "prompt_tokens_details": {"cached_tokens": 1},
    });
    let whole = json!({
        "id": "chatcmpl-7", "service_tier": "default", "usage": usage,
        "choices": [{"index": 0, "finish_reason": "max_tokens", "message": {"content": "hi"}}],
    });
    let head = json!({"id": "chatcmpl-7", "service_tier": "default", "choices": [{"delta": {"content": "hi"}}]});
    let last = json!({"choices": [{"delta": {}, "finish_reason": "max_tokens"}], "usage": usage});
    let events = [head.to_string(), last.to_string(), "[DONE]".to_owned()];
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    [Script::json(200, &whole), Script::events(&events)]
}

#[tokio::test]
async fn who_asked_and_what_course_it_took_is_told() {
    let (cheap, dear) = (Provider::start().await, Provider::start().await);
    cheap.always(Script::json(429, &json!({"error": {"message": "later"}})));
    let gateway = setup().config(&config(&cheap, &dear)).variable("SHARED", "sk-x").start().await;
    let (_, key) = gateway.manager().create_key(&json!({"name": "a"})).await;
    let client = gateway
        .client(&key)
        .with_header("http-referer", "https://app.example/page?token=canary")
        .with_header("user-agent", "client/1 sk-or-v1-canary");
    let image = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}});
    for (streamed, answer) in [false, true].into_iter().zip(answers()) {
        dear.then(answer);
        let body = json!({
            "model": "acme/fast", "stream": streamed, "user": "their user", "session_id": "their session",
            "provider": {"order": ["cheap", "dear"]},
            "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}, image]}],
        });
        let reply = client.post("/api/v1/chat/completions", &body).await;
        assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
        let id = reply.headers["x-generation-id"].to_str().expect("text").to_owned();
        let data = client.get(&format!("/api/v1/generation?id={id}")).await.json()["data"].clone();
        for (field, expected) in [
            ("streamed", json!(streamed)),
            ("api_type", json!("completions")),
            ("http_referer", json!("https://app.example/page")),
            ("origin", json!("https://app.example/page")),
            ("user_agent", json!("client/1 [masked]")),
            ("external_user", json!("their user")),
            ("session_id", json!("their session")),
            ("upstream_id", json!("chatcmpl-7")),
            ("finish_reason", json!("length")),
            ("native_finish_reason", json!("max_tokens")),
            ("service_tier", json!("default")),
            ("native_tokens_cached", json!(1)),
            ("num_media_prompt", json!(1)),
            ("num_input_audio_prompt", json!(0)),
            ("num_media_completion", json!(0)),
            ("provider_name", json!("The dear")),
        ] {
            assert_eq!(data[field], expected, "{field} in {data}");
        }
        // A token at $0.000002 was read for $0.0000001.
        assert_eq!(data["cache_discount"].to_string(), "0.0000019", "{data}");
        assert!(data["latency"].as_u64() <= data["generation_time"].as_u64(), "{data}");
        assert!(data["latency"].is_u64(), "{data}");
        assert!(data["catalogue_version"].is_string(), "{data}");
        let tried = data["provider_responses"].as_array().expect("attempts").clone();
        let told: Vec<_> = tried.iter().map(|it| (&it["provider_name"], &it["status"])).collect();
        let expected = [("The cheap", 429), ("The dear", 200)].map(|(a, b)| (json!(a), json!(b)));
        assert_eq!(told, expected.each_ref().map(|(a, b)| (a, b)), "{data}");
        assert_eq!((&tried[1]["id"], &tried[1]["is_byok"]), (&json!("chatcmpl-7"), &json!(false)));
        assert_eq!(tried[1]["model_permaslug"], "acme/fast");
    }
}

#[tokio::test]
async fn a_request_that_nobody_answered_names_each_attempt() {
    let (cheap, dear) = (Provider::start().await, Provider::start().await);
    cheap.always(Script::json(401, &json!({"error": {"message": "no such key"}})));
    dear.always(Script::json(500, &json!({"error": {"message": "down, canary"}})));
    let gateway = setup().config(&config(&cheap, &dear)).variable("SHARED", "sk-x").start().await;
    let recorded = json!({"name": "a", "limit": 1, "log_content": true});
    let (shown, key) = gateway.manager().create_key(&recorded).await;
    let client = gateway.client(&key);
    let order = json!({"order": ["cheap", "dear"]});
    for streamed in [false, true] {
        let body = json!({
            "model": "acme/fast", "stream": streamed, "provider": order,
            "messages": [{"role": "user", "content": "hi"}],
        });
        let reply = client.post("/api/v1/chat/completions", &body).await;
        assert_eq!(reply.status, StatusCode::BAD_GATEWAY, "{reply:?}");
        let id = reply.headers["x-generation-id"].to_str().expect("text").to_owned();
        let data = client.get(&format!("/api/v1/generation?id={id}")).await.json()["data"].clone();
        assert_eq!((&data["usage"], &data["ending"]), (&json!(0), &json!("provider_failed")));
        assert_eq!(data["provider_name"], "The dear");
        let tried = data["provider_responses"].as_array().expect("attempts").clone();
        let told: Vec<_> = tried.iter().map(|it| (&it["provider_name"], &it["status"])).collect();
        let expected = [("The cheap", 401), ("The dear", 500)].map(|(a, b)| (json!(a), json!(b)));
        assert_eq!(told, expected.each_ref().map(|(a, b)| (a, b)), "{data}");
        let path = format!("/api/v1/generation/content?id={id}");
        let content = eventually("it is kept", async || {
            let reply = client.get(&path).await;
            (reply.status == StatusCode::OK).then(|| reply.json()["data"].clone())
        })
        .await;
        let error = &content["error"];
        assert_eq!((&error["status"], &error["provider_name"]), (&json!(502), &json!("The dear")));
        assert!(error["raw"].as_str().is_some_and(|it| it.contains("down")), "{content}");
        assert_eq!(error["previous_errors"][0]["provider_name"], "The cheap", "{content}");
        assert_eq!(content["output"]["completion"], Value::Null);
    }
    let hash = shown["hash"].as_str().expect("a hash");
    let after = gateway.manager().key(hash).await;
    assert_eq!((&after["usage"], &after["held"]), (&json!(0), &json!(0)), "{after}");
}
