//! Money that explains itself: what is held, and what a request may say of its own money.

use std::time::Duration;

use futures_util::future::join_all;
use http::StatusCode;
use keyway_core::money::Nanos;
use keyway_testkit::{Client, Gateway, Provider, Reply, Script, eventually};
use serde_json::{Value, json};

use crate::{gateway, setup};

pub(crate) const MODEL: &str = "keyway/echo";
pub(crate) const CHAT: &str = "/api/v1/chat/completions";
/// 8 tokens of prompt at $0.000001, 500 of completion at $0.000002: $0.001008 and no less.
pub(crate) const LONG: &str = "#echo tokens=500\nhello, world";

fn nanos(usd: &Value) -> Nanos {
    Nanos::parse_limit(&usd.to_string()).expect("USD")
}

pub(crate) fn body(content: &str) -> Value {
    json!({"model": MODEL, "messages": [{"role": "user", "content": content}]})
}

pub(crate) fn metadata(reply: &Reply) -> Value {
    reply.json()["error"]["metadata"].clone()
}

pub(crate) fn in_force(reply: &Reply) -> Option<&str> {
    reply.headers.get("x-keyway-max-tokens").map(|value| value.to_str().expect("ASCII"))
}

/// A client of a new key, and the key's hash.
pub(crate) async fn key(gateway: &Gateway, limit: Value) -> (Client, String) {
    let body = json!({"name": "a", "limit": limit, "limit_reset": "daily"});
    let (key, string) = gateway.manager().create_key(&body).await;
    (gateway.client(&string), key["hash"].as_str().expect("a hash").to_owned())
}

async fn held(gateway: &Gateway, hash: &str) -> String {
    gateway.manager().key(hash).await["held"].to_string()
}

#[tokio::test]
async fn what_is_in_flight_is_held_apart_from_usage() {
    let gateway = gateway().await;
    let (client, hash) = key(&gateway, json!(1)).await;
    assert_eq!(held(&gateway, &hash).await, "0");
    // The answer takes until the test has seen enough: a stream that is read to its end then.
    let content = "#echo tokens=500 each_ms=60000\nhello, world";
    let stream = client.chat_stream(MODEL, content).await.expect("a head");
    assert_eq!(stream.status, StatusCode::OK);
    let shown = gateway.manager().key(&hash).await;
    // The directive's line is part of the prompt: 11 tokens.
    assert_eq!(
        (shown["held"].to_string(), shown["usage"].to_string()),
        ("0.001011".into(), "0".into())
    );
    let listed = gateway.manager().get("/api/v1/keys").await.json();
    assert_eq!(listed["data"][0]["held"].to_string(), "0.001011");
    drop(stream);
}

#[tokio::test]
async fn a_hold_ends_with_its_request() {
    let gateway = gateway().await;
    let (client, hash) = key(&gateway, json!(null)).await;
    assert_eq!(client.chat(MODEL, LONG).await.status, StatusCode::OK);
    let shown = gateway.manager().key(&hash).await;
    assert_eq!(
        (shown["held"].to_string(), shown["usage"].to_string()),
        ("0".into(), "0.001008".into())
    );
}

#[tokio::test]
async fn a_refusal_explains_itself() {
    let gateway = gateway().await;
    let (client, _) = key(&gateway, json!(0.000_01)).await;
    for (status, spent, affordable) in [(402, "0", 1), (403, "0.00001", 0)] {
        let refused = client.chat(MODEL, LONG).await;
        assert_eq!(refused.status, status);
        let said = metadata(&refused);
        let words = ["limit_source", "limit_reset"].map(|name| said[name].clone());
        assert_eq!(words, ["key_limit", "daily"]);
        assert!(said["resets_at"].as_str().expect("a date").contains("T00:00:00"), "{said}");
        let names = ["limit", "spent", "held", "requested"];
        let figures = names.map(|name| said[name].to_string());
        assert_eq!(figures, ["0.00001", spent, "0", "0.001008"]);
        assert_eq!(said["affordable_tokens"], affordable);
        // Spends all of it, where there is something.
        client.clone().with_header("x-keyway-on-limit", "clamp").chat(MODEL, LONG).await;
    }
}

#[tokio::test]
async fn a_store_that_cannot_be_asked_is_no_lack_of_money() {
    let gateway = gateway().await;
    let (client, _) = key(&gateway, json!(1)).await;
    let (warm, _) = key(&gateway, json!(1)).await;
    assert_eq!(warm.chat(MODEL, "hello").await.status, StatusCode::OK);
    // Authenticated once, and not yet reserved for.
    assert_eq!(client.get("/api/v1/key").await.status, StatusCode::OK);
    let store = rusqlite::Connection::open(gateway.data_dir().join("keyway.db")).expect("a store");
    store.execute_batch("BEGIN IMMEDIATE").expect("nobody else writes now");
    for client in [&client, &warm] {
        let clamping = client.clone().with_header("x-keyway-on-limit", "clamp");
        for client in [client, &clamping] {
            let reply = client.chat(MODEL, "hello").await;
            assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{}", reply.error());
            assert!(reply.headers.contains_key("retry-after"));
        }
    }
    store.execute_batch("ROLLBACK").expect("over");
    eventually("it serves again", async || {
        let reply = client.chat(MODEL, "hello").await;
        (reply.status == StatusCode::OK).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_request_is_made_as_short_as_its_budget() {
    let gateway = gateway().await;
    let (client, hash) = key(&gateway, json!(0.000_1)).await;
    let clamping = client.clone().with_header("x-keyway-on-limit", "clamp");
    let refusing = client.clone().with_header("x-keyway-on-limit", "refuse");
    assert_eq!(refusing.chat(MODEL, LONG).await.status, StatusCode::PAYMENT_REQUIRED);

    // 8 of prompt leave 92: 46 tokens.
    let plain = clamping.chat(MODEL, LONG).await;
    assert_eq!((plain.status, in_force(&plain)), (StatusCode::OK, Some("46")));
    let answer = plain.json();
    assert_eq!(answer["choices"][0]["finish_reason"], "length");
    assert_eq!(answer["usage"]["completion_tokens"], 46);
    assert_eq!(gateway.manager().key(&hash).await["limit_remaining"].to_string(), "0");
    assert_eq!(clamping.chat(MODEL, LONG).await.status, StatusCode::FORBIDDEN);

    let (client, _) = key(&gateway, json!(0.000_1)).await;
    let clamping = client.with_header("x-keyway-on-limit", "clamp");
    let stream = clamping.chat_stream(MODEL, LONG).await.expect("a head");
    assert_eq!(stream.headers["x-keyway-max-tokens"], "46");
    let events = stream.rest().await;
    let usage: Value = serde_json::from_str(&events[events.len() - 2]).expect("JSON");
    assert_eq!(usage["usage"]["cost"].to_string(), "0.0001");
}

#[tokio::test]
async fn what_cannot_pay_one_token_is_refused_as_ever() {
    let gateway = gateway().await;
    let (client, _) = key(&gateway, json!(0.000_009)).await;
    let clamping = client.with_header("x-keyway-on-limit", "clamp");
    let refused = clamping.chat(MODEL, LONG).await;
    assert_eq!(refused.status, StatusCode::PAYMENT_REQUIRED);
    assert!(refused.error().contains("up to 500 tokens, but can only afford 0."), "{refused:?}");
    assert_eq!(metadata(&refused)["affordable_tokens"], 0);
}

#[tokio::test]
async fn what_can_be_paid_is_not_made_shorter() {
    let gateway = gateway().await;
    let (client, _) = key(&gateway, json!(1)).await;
    let clamping = client.clone().with_header("x-keyway-on-limit", "clamp");
    let mut asked = body(LONG);
    asked["max_tokens"] = json!(700);
    let reply = clamping.post(CHAT, &asked).await;
    assert_eq!((reply.status, in_force(&reply)), (StatusCode::OK, Some("700")));
    assert_eq!(in_force(&client.chat(MODEL, "hello").await), None, "nobody asked");
    for (header, value) in [
        ("x-keyway-on-limit", "shrink"),
        ("x-keyway-on-limit", ""),
        ("x-keyway-max-cost", "-1"),
        ("x-keyway-max-cost", "a cent"),
        ("x-keyway-max-cost", "1e400"),
    ] {
        let reply = client.clone().with_header(header, value).chat(MODEL, "hello").await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{header}: {value}");
        let field = metadata(&reply)["field"].as_str().expect("a field").to_ascii_lowercase();
        assert_eq!(field, header);
    }
}

/// A gateway before a provider that says that every answer took `completion_tokens`.
async fn metered(provider: &Provider, completion_tokens: u64) -> Gateway {
    let usage = json!({"prompt_tokens": 2, "completion_tokens": completion_tokens});
    let message = json!({"role": "assistant", "content": "hi"});
    let choice = json!({"index": 0, "finish_reason": "stop", "message": message});
    provider.always(Script::json(200, &json!({"choices": [choice], "usage": usage})));
    let toml = format!(
        "[[providers]]\nslug = \"p\"\nname = \"P\"\ndialect = \"openai\"\nbase_url = \"{}\"\n\
         api_key = \"env:PROVIDER_KEY\"\n\n[[models]]\nid = \"acme/fast\"\ncontext_length = 8000\n\
         max_completion_tokens = 1000\n\n[[models.endpoints]]\nprovider = \"p\"\n\
         upstream_model = \"m\"\npricing = {{ prompt = \"0.000001\", completion = \"0.000002\" }}\n",
        provider.base_url
    );
    setup().config(&toml).variable("PROVIDER_KEY", "a-key").start().await
}

#[tokio::test]
async fn a_provider_is_told_how_short() {
    let provider = Provider::start().await;
    let gateway = metered(&provider, 1).await;
    let (client, _) = key(&gateway, json!(0.001)).await;
    let clamping = client.with_header("x-keyway-on-limit", "clamp");
    let mut asked = body("hi");
    asked["model"] = json!("acme/fast");
    asked["n"] = json!(2);
    for bound in [None, Some("max_completion_tokens")] {
        if let Some(bound) = bound {
            asked[bound] = json!(900);
        }
        let reply = clamping.post(CHAT, &asked).await;
        assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
        let told = provider.received().pop().expect("a request").body;
        let told = told[bound.unwrap_or("max_tokens")].as_u64().expect("a bound");
        assert_eq!(in_force(&reply), Some(told.to_string().as_str()));
        // Two answers of that many tokens, and the prompt, fit into the budget; one more does not.
        assert!((168..=218).contains(&told), "{told}");
    }
}

#[tokio::test]
async fn a_request_holds_itself_to_its_ceiling() {
    let gateway = gateway().await;
    let (client, hash) = key(&gateway, json!(null)).await;
    let modest = client.clone().with_header("x-keyway-max-cost", "0.0001");
    let refused = modest.chat(MODEL, LONG).await;
    assert_eq!(refused.status, StatusCode::PAYMENT_REQUIRED);
    let said = metadata(&refused);
    assert_eq!(said["limit_source"], "request");
    let figures = ["limit", "spent", "held", "requested", "affordable_tokens"]
        .map(|name| said[name].to_string());
    assert_eq!(figures, ["0.0001", "0", "0", "0.001008", "46"]);
    assert!(refused.error().contains("can only afford 46."), "{}", refused.error());

    let clamped = modest.clone().with_header("x-keyway-on-limit", "clamp").chat(MODEL, LONG).await;
    assert_eq!((clamped.status, in_force(&clamped)), (StatusCode::OK, Some("46")));
    assert_eq!(clamped.json()["usage"]["cost"].to_string(), "0.0001");
    let exact = client.clone().with_header("x-keyway-max-cost", "0.001008");
    assert_eq!(exact.chat(MODEL, LONG).await.status, StatusCode::OK, "as much is not above it");
    let nothing =
        client.with_header("x-keyway-max-cost", "0").with_header("x-keyway-on-limit", "clamp");
    assert_eq!(nothing.chat(MODEL, LONG).await.status, StatusCode::PAYMENT_REQUIRED);
    assert_eq!(gateway.manager().key(&hash).await["usage"].to_string(), "0.001108");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_that_are_made_shorter_spend_no_more_than_there_is() {
    let gateway = gateway().await;
    let limit = Nanos::new(3_000_000);
    let (client, hash) = key(&gateway, json!(0.003)).await;
    let clamping = client.with_header("x-keyway-on-limit", "clamp");
    let answers = join_all((0..64).map(|number| {
        let clamping = &clamping;
        async move {
            // Of different sizes, so that what is left is never what was looked at.
            let content = format!("#echo first_ms=5 tokens={}\nhello, world", 40 + number * 5);
            clamping.chat(MODEL, &content).await
        }
    }));
    let answers = tokio::time::timeout(Duration::from_mins(1), answers).await.expect("in time");
    let mut sum = Nanos::ZERO;
    let mut shorter = 0;
    for reply in &answers {
        match reply.status.as_u16() {
            200 => {
                let answer = reply.json();
                let most: u64 = in_force(reply).expect("a number").parse().expect("a number");
                assert!(answer["usage"]["completion_tokens"].as_u64() <= Some(most), "{answer}");
                shorter += u32::from(answer["choices"][0]["finish_reason"] == "length");
                sum = sum.saturating_add(nanos(&answer["usage"]["cost"]));
            }
            402 | 403 => {}
            other => panic!("{other}: {reply:?}"),
        }
    }
    assert!(sum <= limit, "{sum} of {limit}");
    // What is left affords no prompt and token any more: 10 tokens and one.
    assert!(limit.saturating_sub(sum) < Nanos::new(13_000), "{sum} of {limit}");
    let shown = gateway.manager().key(&hash).await;
    assert_eq!(
        (shown["usage"].to_string(), shown["held"].to_string()),
        (sum.to_string(), "0".into())
    );
    println!("64 at once: {shorter} were made shorter, ${sum} of ${limit} are spent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_that_cost_less_than_they_hold_go_on_one_after_the_other() {
    let provider = Provider::start().await;
    // Each wants more than the whole budget, holds what it can get, and uses 30 tokens of it.
    let gateway = metered(&provider, 30).await;
    let limit = Nanos::new(1_000_000);
    let (client, hash) = key(&gateway, json!(0.001)).await;
    let clamping = client.with_header("x-keyway-on-limit", "clamp");
    let answers = join_all((0..64).map(|_| clamping.chat("acme/fast", "hi"))).await;
    for reply in &answers {
        match reply.status.as_u16() {
            200 => {}
            402 | 403 => {
                assert_eq!(metadata(reply)["limit_source"], "key_limit");
                let requested = nanos(&metadata(reply)["requested"]);
                assert!(requested > limit, "it is told what it asked for: {requested}");
            }
            other => panic!("{other}: {reply:?}"),
        }
    }
    let answered = answers.iter().filter(|reply| reply.status == StatusCode::OK).count();
    let shown = gateway.manager().key(&hash).await;
    assert!(nanos(&shown["usage"]) <= limit, "{shown}");
    assert_eq!(shown["held"].to_string(), "0");
    // 62 micro-dollars each, until what is left affords no prompt and token any more.
    assert!(answered >= 10, "{answered}");
    println!("64 at once: {answered} answered, ${} of ${limit} are spent", shown["usage"]);
}
