//! Limits that hold: exactly, under concurrency, without refusing what would fit.

use futures_util::future::join_all;
use http::StatusCode;
use keyway_core::money::Nanos;
use keyway_testkit::{Client, Gateway};
use serde_json::{Value, json};

use crate::gateway;

const REQUESTS: usize = 500;
const CONCURRENCY: usize = 64;

/// What a client was told: the cost, or the status of a refusal.
type Told = Result<Nanos, StatusCode>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_requests_at_once_spend_a_cent_and_not_more() {
    let gateway = gateway().await;
    let body = json!({"name": "a cent", "limit": 0.01});
    let (key, string) = gateway.manager().create_key(&body).await;
    // 37 tokens of prompt and 40 of completion: $0.000117; 85 of these fit into a cent.
    let content = format!("#echo tokens=40 each_ms=1\n{}", "x".repeat(148 - 26));
    let told = flood(&gateway.client(&string), &content).await;

    let cost = Nanos::new(117_000);
    let answered: Vec<Nanos> = told.iter().filter_map(|told| told.ok()).collect();
    assert!(answered.iter().all(|told| *told == cost), "{answered:?}");
    let refused = told.iter().filter_map(|told| told.err());
    for status in refused {
        let expected = [StatusCode::PAYMENT_REQUIRED, StatusCode::FORBIDDEN];
        assert!(expected.contains(&status), "{status}");
    }
    assert_eq!(answered.len(), 85, "as many as fit, and no more");
    let sum = Nanos::new(answered.iter().map(|told| told.get()).sum());
    let limit = Nanos::new(10_000_000);
    assert!(sum <= limit && limit.saturating_sub(sum) < cost);
    let usage = usage(&gateway, &key).await;
    assert_eq!(usage, sum.to_string(), "digit for digit");
    println!("500 requests at {CONCURRENCY}: {} answered, usage {usage}", answered.len());
}

async fn flood(client: &Client, content: &str) -> Vec<Told> {
    let workers = (0..CONCURRENCY).map(|worker| async move {
        let mut told = Vec::new();
        for number in (worker..REQUESTS).step_by(CONCURRENCY) {
            told.push(if number % 2 == 0 {
                plain(client, content).await
            } else {
                streamed(client, content).await
            });
        }
        told
    });
    join_all(workers).await.into_iter().flatten().collect()
}

async fn plain(client: &Client, content: &str) -> Told {
    let reply = client.chat("keyway/echo", content).await;
    if reply.status == StatusCode::OK { Ok(cost(&reply.json())) } else { Err(reply.status) }
}

async fn streamed(client: &Client, content: &str) -> Told {
    let stream = client.chat_stream("keyway/echo", content).await.expect("a head");
    if stream.status != StatusCode::OK {
        return Err(stream.status);
    }
    let events = stream.rest().await;
    let usage = &events[events.len() - 2];
    Ok(cost(&serde_json::from_str(usage).expect("JSON")))
}

fn cost(answer: &Value) -> Nanos {
    Nanos::parse_limit(&answer["usage"]["cost"].to_string()).expect("an amount")
}

async fn usage(gateway: &Gateway, key: &Value) -> String {
    gateway.manager().key(key["hash"].as_str().expect("a hash")).await["usage"].to_string()
}

#[tokio::test]
async fn refusals_say_what_is_left() {
    let gateway = gateway().await;
    let manager = gateway.manager();
    let (key, string) = manager.create_key(&json!({"name": "a", "limit": 0.000_01})).await;
    let client = gateway.client(&string);
    // 8 tokens of prompt, 500 of completion are wanted; 10 − 8 micro-dollars afford one token.
    let too_much = client.chat("keyway/echo", "#echo tokens=500\nhello, world").await;
    assert_eq!(too_much.status, StatusCode::PAYMENT_REQUIRED);
    let said = too_much.error();
    let affordable = "You requested up to 500 tokens, but can only afford 1.";
    assert!(
        said.starts_with("This request requires more credits, or fewer max_tokens. "),
        "{said}"
    );
    assert!(said.contains(affordable), "{said}");
    let metadata = too_much.json()["error"]["metadata"].clone();
    assert_eq!(
        (metadata["limit"].to_string().as_str(), metadata["spent"].to_string().as_str()),
        ("0.00001", "0")
    );

    let path = format!("/api/v1/keys/{}", key["hash"].as_str().expect("a hash"));
    for (reset, name) in [
        (json!(null), "total"),
        (json!("daily"), "daily"),
        (json!("weekly"), "weekly"),
        (json!("monthly"), "monthly"),
    ] {
        manager.patch(&path, &json!({"limit": 0, "limit_reset": reset})).await;
        let nothing_left = client.chat("keyway/echo", "hello").await;
        assert_eq!(nothing_left.status, StatusCode::FORBIDDEN);
        let said = nothing_left.error();
        assert!(said.starts_with(&format!("Key limit exceeded ({name} limit).")), "{said}");
        assert!(!said.contains("openrouter.ai"), "{said}");
    }
}

#[tokio::test]
async fn what_others_hold_is_waited_for() {
    let gateway = gateway().await;
    // Each asks for $0.000119 at most and costs that; two fit into the limit, one after the other.
    let (_, string) = gateway.manager().create_key(&json!({"name": "a", "limit": 0.000_24})).await;
    let client = gateway.client(&string);
    let content = format!("#echo tokens=50 each_ms=2\n{}", "x".repeat(76 - 26));
    let answers = join_all((0..3).map(|_| client.chat("keyway/echo", &content))).await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(
        statuses,
        [200, 200, 402],
        "two are answered, the third learns that too little is left"
    );
}

#[tokio::test]
async fn a_changed_limit_is_in_force_when_the_change_is_answered() {
    let gateway = gateway().await;
    let manager = gateway.manager();
    let (key, string) = manager.create_key(&json!({"name": "a", "limit": 0.000_009})).await;
    let client = gateway.client(&string);
    let path = format!("/api/v1/keys/{}", key["hash"].as_str().expect("a hash"));
    assert_eq!(client.chat("keyway/echo", "hello world").await.status, StatusCode::OK);
    assert_eq!(client.chat("keyway/echo", "hello world").await.status, StatusCode::FORBIDDEN);
    manager.patch(&path, &json!({"limit": 0.000_018})).await;
    assert_eq!(client.chat("keyway/echo", "hello world").await.status, StatusCode::OK);
    let lowered = manager.patch(&path, &json!({"limit": 0.000_001})).await.json();
    assert_eq!(lowered["data"]["limit_remaining"].to_string(), "0", "never below zero");
    assert_eq!(client.chat("keyway/echo", "hello world").await.status, StatusCode::FORBIDDEN);
    manager.patch(&path, &json!({"limit": null})).await;
    assert_eq!(client.chat("keyway/echo", "hello world").await.status, StatusCode::OK);
    assert_eq!(usage(&gateway, &key).await, "0.000027");
}
