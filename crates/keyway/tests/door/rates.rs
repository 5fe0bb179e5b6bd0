//! Rate limits: who is refused, what the refusal says, and what a refusal costs.

use http::StatusCode;
use keyway_core::clock::Clock as _;
use keyway_server::clock::SystemClock;
use keyway_testkit::{Client, Gateway, Provider, Reply, Script, Streamed, eventually};
use serde_json::{Value, json};

use crate::{gateway, setup};

const MODEL: &str = "keyway/echo";
const CHAT: &str = "/api/v1/chat/completions";
/// Does not end before the test does.
const ENDLESS: &str = "#echo tokens=9 each_ms=60000\nhello";

/// A client with a new key, and the path of the key.
async fn key(gateway: &Gateway, limits: &Value) -> (Client, String) {
    let mut body = json!({"name": "a"});
    let fields = limits.as_object().expect("an object").clone();
    body.as_object_mut().expect("an object").extend(fields);
    let (key, string) = gateway.manager().create_key(&body).await;
    let path = format!("/api/v1/keys/{}", key["hash"].as_str().expect("a hash"));
    (gateway.client(&string), path)
}

async fn patch(gateway: &Gateway, path: &str, change: Value) {
    let reply = gateway.manager().patch(path, &change).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
}

/// Sends one after the other, until one is refused.
async fn answered(client: &Client) -> (usize, Reply) {
    let mut answered = 0;
    loop {
        let reply = client.chat(MODEL, "hello").await;
        if reply.status != StatusCode::OK {
            return (answered, reply);
        }
        assert!(!reply.headers.contains_key("x-ratelimit-limit"), "{reply:?}");
        answered += 1;
    }
}

async fn stream(client: &Client, content: &str) -> Streamed {
    let stream = client.chat_stream(MODEL, content).await.expect("a head");
    assert_eq!(stream.status, StatusCode::OK);
    stream
}

/// The limit that refused, after a look at everything that every such refusal has.
fn refused_by(reply: &Reply) -> String {
    assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS, "{reply:?}");
    assert!(reply.error().starts_with("Rate limit exceeded: "), "{reply:?}");
    let metadata = reply.json()["error"]["metadata"].clone();
    assert_eq!(metadata["error_type"], "rate_limit_exceeded");
    for name in ["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"] {
        let header = reply.headers[name].to_str().expect("text");
        assert_eq!(metadata["headers"][name], header);
        header.parse::<u64>().expect("a number");
    }
    metadata["limit_source"].as_str().expect("a word").to_owned()
}

#[tokio::test]
async fn the_fourth_request_of_three_a_minute_is_told_when_to_come_again() {
    let gateway = gateway().await;
    let (client, path) = key(&gateway, &json!({"requests_per_minute": 3})).await;
    let (count, refused) = answered(&client).await;
    assert_eq!((count, refused_by(&refused).as_str()), (3, "requests_per_minute"));
    let header = |name| refused.headers[name].to_str().expect("text");
    assert_eq!((header("x-ratelimit-limit"), header("x-ratelimit-remaining")), ("3", "0"));
    let seconds: u64 = header("retry-after").parse().expect("seconds");
    assert!((1..=61).contains(&seconds), "{seconds}");
    let reset_ms: i64 = header("x-ratelimit-reset").parse().expect("milliseconds");
    let now = SystemClock.now().as_micros() / 1_000;
    assert!(reset_ms <= now + 61_000 && reset_ms + 61_000 > now, "{reset_ms} at {now}");

    let stream = client.chat_stream(MODEL, "hello").await.expect("a head");
    let refused = stream.into_reply().await.expect("a whole answer");
    assert_eq!(refused_by(&refused), "requests_per_minute");
    let hash = path.rsplit('/').next().expect("a hash");
    assert_eq!(gateway.manager().key(hash).await["usage"].to_string(), "0.000018", "three of them");
}

#[tokio::test]
async fn a_changed_limit_is_in_force_when_the_change_is_answered() {
    let gateway = gateway().await;
    let (client, path) = key(&gateway, &json!({})).await;
    for _ in 0..4 {
        assert_eq!(client.chat(MODEL, "hello").await.status, StatusCode::OK);
    }
    patch(&gateway, &path, json!({"requests_per_minute": 2})).await;
    assert_eq!(answered(&client).await.0, 2, "a limit counts from when there is one");
    for (figure, more) in [(3, 1), (1, 0), (5, 2)] {
        patch(&gateway, &path, json!({"requests_per_minute": figure})).await;
        let (count, refused) = answered(&client).await;
        assert_eq!((count, refused_by(&refused).as_str()), (more, "requests_per_minute"));
    }
    patch(&gateway, &path, json!({"name": "b"})).await;
    assert_eq!(answered(&client).await.0, 0, "what is absent stays as it is");
    patch(&gateway, &path, json!({"requests_per_minute": null})).await;
    assert_eq!(client.chat(MODEL, "hello").await.status, StatusCode::OK);
}

#[tokio::test]
async fn as_many_run_at_once_as_the_key_says() {
    let gateway = gateway().await;
    let (client, path) = key(&gateway, &json!({"max_concurrent_requests": 2})).await;
    let _running = (stream(&client, ENDLESS).await, stream(&client, ENDLESS).await);
    let refused = client.chat(MODEL, "hello").await;
    assert_eq!(refused_by(&refused), "max_concurrent_requests");
    assert_eq!(refused.headers["retry-after"], "1");
    patch(&gateway, &path, json!({"max_concurrent_requests": 3})).await;
    for _ in 0..3 {
        assert_eq!(client.chat(MODEL, "hello").await.status, StatusCode::OK);
    }
    patch(&gateway, &path, json!({"max_concurrent_requests": 1})).await;
    assert_eq!(refused_by(&client.chat(MODEL, "hello").await), "max_concurrent_requests");
}

#[tokio::test]
async fn who_waits_for_the_end_may_ask_again_at_once() {
    let gateway = gateway().await;
    let limits = json!({"max_concurrent_requests": 1, "limit": 0.000_5});
    let (client, path) = key(&gateway, &limits).await;
    for _ in 0..20 {
        stream(&client, "hello").await.rest().await;
        assert_eq!(client.chat(MODEL, "hello").await.status, StatusCode::OK);
        let refused = client.chat(MODEL, "#echo tokens=4000\nhello").await;
        assert_eq!(refused.status, StatusCode::PAYMENT_REQUIRED, "{}", refused.error());
        let failed = client.chat(MODEL, "#echo fail=503\nhello").await;
        assert_eq!(failed.status, StatusCode::SERVICE_UNAVAILABLE, "{}", failed.error());
        patch(&gateway, &path, json!({"limit": 1})).await;
        patch(&gateway, &path, json!({"limit": 0.000_5})).await;
    }
}

#[tokio::test]
async fn a_client_that_leaves_gives_its_place_back_when_its_request_is_over() {
    let gateway = gateway().await;
    let (client, _) = key(&gateway, &json!({"max_concurrent_requests": 1})).await;
    let mut left = stream(&client, "#echo tokens=40 each_ms=20\nhello").await;
    left.next().await.expect("an event");
    drop(left);
    eventually("the place is free", async || {
        let reply = client.chat(MODEL, "hello").await;
        (reply.status == StatusCode::OK).then_some(())
    })
    .await;
}

/// A gateway before a provider that says that every answer took 5 and 1,995 tokens.
async fn metered(provider: &Provider) -> Gateway {
    let usage = json!({"prompt_tokens": 5, "completion_tokens": 1_995});
    let message = json!({"role": "assistant", "content": "hi"});
    let choice = json!({"index": 0, "finish_reason": "stop", "message": message});
    provider.always(Script::json(200, &json!({"choices": [choice], "usage": usage})));
    let toml = format!(
        "[[providers]]\nslug = \"p\"\nname = \"P\"\ndialect = \"openai\"\nbase_url = \"{}\"\n\n\
         [[models]]\nid = \"acme/fast\"\ncontext_length = 100000\n\n[[models.endpoints]]\n\
         provider = \"p\"\nupstream_model = \"m\"\n\
         pricing = {{ prompt = \"0.000001\", completion = \"0.000002\" }}\n",
        provider.base_url
    );
    setup().config(&toml).start().await
}

#[tokio::test]
async fn tokens_count_as_bound_while_they_run_and_as_used_when_they_end() {
    let provider = Provider::start().await;
    let gateway = metered(&provider).await;
    let (client, path) = key(&gateway, &json!({"tokens_per_minute": 20_000})).await;
    let ask = async |max_tokens: u64| {
        let messages = json!([{"role": "user", "content": "hi"}]);
        let body = json!({"model": "acme/fast", "max_tokens": max_tokens, "messages": messages});
        client.post(CHAT, &body).await
    };
    // Each may use 9,000 and the prompt, and uses 2,000: as bound three of them would not fit.
    for _ in 0..5 {
        assert_eq!(ask(9_000).await.status, StatusCode::OK);
    }
    // Half of what fits into a minute is used: of the rest this one may need more,
    let refused = ask(12_000).await;
    assert_eq!(refused_by(&refused), "tokens_per_minute");
    let seconds: u64 = refused.headers["retry-after"].to_str().expect("text").parse().expect("s");
    assert!((1..=61).contains(&seconds), "{seconds}");
    assert_eq!(refused.headers["x-ratelimit-remaining"], "10000");
    // and this one never will fit: it is not worth trying again.
    let refused = ask(20_000).await;
    assert_eq!(refused_by(&refused), "tokens_per_minute");
    assert_eq!(refused.headers.get("retry-after"), None);
    assert_eq!(refused.headers["x-should-retry"], "false");
    assert!(refused.error().contains("Ask for fewer max_tokens"), "{refused:?}");
    assert_eq!(provider.received().len(), 5, "nothing was sent of what was refused");
    let shown = gateway.manager().get(&path).await.json()["data"].clone();
    assert_eq!(
        (shown["held"].to_string(), shown["usage"].to_string()),
        ("0".into(), "0.019975".into())
    );
}

#[tokio::test]
async fn the_configuration_limits_keys_that_have_no_limits_of_their_own() {
    let toml = "[limits]\nrequests_per_minute = 2\nmax_concurrent_requests = 1\n";
    let gateway = setup().config(toml).start().await;
    let (client, path) = key(&gateway, &json!({"requests_per_minute": null})).await;
    assert_eq!(answered(&client).await.0, 2);
    patch(&gateway, &path, json!({"requests_per_minute": 3})).await;
    assert_eq!(answered(&client).await.0, 1, "its own is what counts");
    patch(&gateway, &path, json!({"requests_per_minute": null})).await;
    assert_eq!(answered(&client).await.0, 0);
    patch(&gateway, &path, json!({"requests_per_minute": 9})).await;
    let _running = stream(&client, ENDLESS).await;
    assert_eq!(refused_by(&client.chat(MODEL, "hello").await), "max_concurrent_requests");
}

#[tokio::test]
async fn limits_are_shown_and_nonsense_is_refused() {
    let gateway = gateway().await;
    let manager = gateway.manager();
    let fields =
        ["requests_per_minute", "tokens_per_minute", "max_concurrent_requests", "on_limit"];
    let shown = |object: &Value| fields.map(|field| object[field].clone());
    let (plain, _) = manager.create_key(&json!({"name": "plain"})).await;
    assert_eq!(shown(&plain), [Value::Null, Value::Null, Value::Null, json!("refuse")]);
    let mut body = json!({"name": "limited", "on_limit": "clamp"});
    for (figure, field) in (7..).zip(&fields[..3]) {
        body[*field] = json!(figure);
    }
    let (limited, _) = manager.create_key(&body).await;
    assert_eq!(shown(&limited), [json!(7), json!(8), json!(9), json!("clamp")]);
    let path = format!("/api/v1/keys/{}", limited["hash"].as_str().expect("a hash"));
    for (field, value) in [
        ("requests_per_minute", json!(0)),
        ("requests_per_minute", json!(-1)),
        ("tokens_per_minute", json!(1.5)),
        ("tokens_per_minute", json!("60")),
        ("max_concurrent_requests", json!(1_000_000_001)),
        ("max_concurrent_requests", json!(true)),
        ("on_limit", json!("shrink")),
        ("on_limit", json!(1)),
    ] {
        let wrong = json!({"name": "a", field: value});
        for reply in
            [manager.post("/api/v1/keys", &wrong).await, manager.patch(&path, &wrong).await]
        {
            assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{wrong}");
            assert!(reply.error().starts_with(&format!("{field}: must be ")), "{}", reply.error());
            assert_eq!(reply.json()["error"]["metadata"]["field"], field);
        }
    }
    let changed = manager.patch(&path, &json!({"tokens_per_minute": null, "on_limit": null})).await;
    let changed = shown(&changed.json()["data"]);
    assert_eq!(
        changed,
        [json!(7), Value::Null, json!(9), json!("clamp")],
        "null of a word is absent"
    );
}

#[tokio::test]
async fn a_key_says_what_becomes_of_its_requests_at_the_limit() {
    let gateway = gateway().await;
    let (client, path) = key(&gateway, &json!({"limit": 0.000_1, "on_limit": "clamp"})).await;
    let long = "#echo tokens=500\nhello, world";
    let refusing = client.clone().with_header("x-keyway-on-limit", "refuse");
    assert_eq!(refusing.chat(MODEL, long).await.status, StatusCode::PAYMENT_REQUIRED);
    let messages = json!([{"role": "user", "content": long}]);
    let body = json!({"model": MODEL, "messages": messages});
    let dry = client.post(&format!("{CHAT}?dry_run=true"), &body).await;
    assert_eq!(dry.json()["data"]["max_tokens"], 46);
    patch(&gateway, &path, json!({"on_limit": "refuse"})).await;
    assert_eq!(client.chat(MODEL, long).await.status, StatusCode::PAYMENT_REQUIRED);
    patch(&gateway, &path, json!({"on_limit": "clamp"})).await;
    let shorter = client.chat(MODEL, long).await;
    assert_eq!(shorter.status, StatusCode::OK, "{shorter:?}");
    assert_eq!(shorter.headers["x-keyway-max-tokens"], "46");
}
