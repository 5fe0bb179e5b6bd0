//! Questions that cost nothing: what would become of a request.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::gateway;
use crate::money::{CHAT, LONG, MODEL, body, in_force, key, metadata};

const DRY: &str = "/api/v1/chat/completions?dry_run=true";

#[tokio::test]
async fn a_dry_run_tells_and_does_nothing() {
    let gateway = gateway().await;
    let (client, hash) = key(&gateway, json!(0.000_1)).await;
    let refused = client.post(DRY, &body(LONG)).await;
    assert_eq!(refused.status, StatusCode::OK);
    let told = refused.json()["data"].clone();
    assert_eq!((&told["admitted"], &told["status"]), (&json!(false), &json!(402)));
    assert_eq!(told["reserves"].to_string(), "0.001008");
    assert!(told["message"].as_str().expect("a message").contains("can only afford 46."), "{told}");
    let budget = &told["budgets"][0];
    assert_eq!(
        (&budget["limit_source"], &budget["limit_reset"]),
        (&json!("key_limit"), &json!("daily"))
    );
    assert!(budget["resets_at"].is_string());
    let figures = ["limit", "spent", "held", "available"].map(|name| budget[name].to_string());
    assert_eq!(figures, ["0.0001", "0", "0", "0.0001"]);

    let clamping = client.clone().with_header("x-keyway-on-limit", "clamp");
    let told = clamping.post(DRY, &body(LONG)).await.json()["data"].clone();
    assert_eq!((&told["admitted"], &told["max_tokens"]), (&json!(true), &json!(46)));
    assert_eq!(told["reserves"].to_string(), "0.0001");
    assert!(told.get("status").is_none() && told.get("message").is_none(), "{told}");

    let modest = client.clone().with_header("x-keyway-max-cost", "0.00001");
    let told = modest.post(DRY, &body(LONG)).await.json()["data"].clone();
    assert_eq!(
        (&told["admitted"], &told["budgets"][1]["limit_source"]),
        (&json!(false), &json!("request"))
    );
    assert_eq!(told["budgets"][1]["available"].to_string(), "0.00001");

    let shown = gateway.manager().key(&hash).await;
    assert_eq!((shown["usage"].to_string(), shown["held"].to_string()), ("0".into(), "0".into()));
    // What was told comes true, and is told again with what it cost.
    assert_eq!(in_force(&clamping.chat(MODEL, LONG).await), Some("46"));
    let told = clamping.post(DRY, &body(LONG)).await.json()["data"].clone();
    assert_eq!((&told["admitted"], &told["status"]), (&json!(false), &json!(403)));
    assert_eq!(told["budgets"][0]["spent"].to_string(), "0.0001");

    let (unlimited, _) = key(&gateway, json!(null)).await;
    let told = unlimited.post(DRY, &body(LONG)).await.json()["data"].clone();
    assert_eq!((&told["admitted"], &told["budgets"][0]["available"]), (&json!(true), &Value::Null));
}

#[tokio::test]
async fn a_dry_run_sees_what_is_in_flight() {
    let gateway = gateway().await;
    let (client, _) = key(&gateway, json!(0.001_1)).await;
    let content = "#echo tokens=500 each_ms=60000\nhello, world";
    let stream = client.chat_stream(MODEL, content).await.expect("a head");
    assert_eq!(stream.status, StatusCode::OK);
    let told = client.post(DRY, &body(LONG)).await.json()["data"].clone();
    assert_eq!((&told["admitted"], &told["status"]), (&json!(false), &json!(402)));
    let figures = ["spent", "held", "available"].map(|name| told["budgets"][0][name].to_string());
    assert_eq!(figures, ["0", "0.001011", "0.000089"]);
    drop(stream);
}

#[tokio::test]
async fn a_dry_run_is_asked_for_clearly_or_not_at_all() {
    let gateway = gateway().await;
    let (client, hash) = key(&gateway, json!(1)).await;
    for query in ["dry_run=maybe", "dry_run=", "dry_run"] {
        let reply = client.post(&format!("{CHAT}?{query}"), &body("hello")).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(metadata(&reply)["field"], "dry_run");
    }
    assert_eq!(client.send(Method::POST, DRY, "{}").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        gateway.anonymous().post(DRY, &body("hello")).await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(gateway.manager().key(&hash).await["usage"].to_string(), "0");
    let sent = client.post(&format!("{CHAT}?dry_run=false"), &body("hello")).await;
    assert!(sent.json()["choices"].is_array());
}

#[tokio::test]
async fn a_dry_run_looks_at_rate_limits_and_counts_against_none() {
    let gateway = gateway().await;
    let limits = json!({"name": "a", "limit": 1, "requests_per_minute": 1});
    let (_, string) = gateway.manager().create_key(&limits).await;
    let client = gateway.client(&string);
    for _ in 0..3 {
        let told = client.post(DRY, &body("hello")).await.json()["data"].clone();
        assert_eq!(told["admitted"], json!(true), "{told}");
    }
    assert_eq!(client.chat(MODEL, "hello").await.status, StatusCode::OK);
    let told = client.post(DRY, &body("hello")).await.json()["data"].clone();
    assert_eq!((&told["admitted"], &told["status"]), (&json!(false), &json!(429)), "{told}");
    let message = told["message"].as_str().expect("a message");
    assert!(message.contains("this key may make 1 requests per minute"), "{message}");
    assert_eq!(client.chat(MODEL, "hello").await.status, StatusCode::TOO_MANY_REQUESTS);
}
