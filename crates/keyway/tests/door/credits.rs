//! The installation's credits: unlimited before the first, enforced from then on.

use http::StatusCode;
use keyway_core::money::Nanos;
use keyway_testkit::Client;
use serde_json::{Value, json};

use crate::{gateway, setup};

const PATH: &str = "/api/v1/credits";

async fn shown(client: &Client) -> (String, String) {
    let data = client.get(PATH).await.json()["data"].clone();
    (data["total_credits"].to_string(), data["total_usage"].to_string())
}

#[tokio::test]
async fn credits_are_enforced_from_the_first_on() {
    let gateway = gateway().await;
    let manager = gateway.manager();
    let (_, key) = manager.create_key(&json!({"name": "a"})).await;
    let client = gateway.client(&key);
    let answer = client.chat("keyway/echo", "hello").await.json();
    let cost = answer["usage"]["cost"].to_string();
    let nanos = Nanos::parse_limit(&cost).expect("USD").get();
    assert_eq!(shown(&manager).await, ("0".into(), cost.clone()));

    // Two more like it, and not one more.
    let amount: Value = serde_json::from_str(&Nanos::new(2 * nanos).to_string()).expect("a number");
    let adding = manager.clone().with_header("idempotency-key", "order-1");
    for _ in 0..2 {
        let added = adding.post(PATH, &json!({"amount": amount})).await;
        assert_eq!(added.status, StatusCode::OK, "{added:?}");
    }
    assert_eq!(shown(&manager).await, (Nanos::new(3 * nanos).to_string(), cost));
    for _ in 0..2 {
        assert_eq!(client.chat("keyway/echo", "hello").await.status, StatusCode::OK);
    }
    let refused = client.chat("keyway/echo", "hello").await;
    assert_eq!(refused.status, StatusCode::PAYMENT_REQUIRED, "{refused:?}");
    assert!(refused.error().starts_with("Insufficient credits."), "{refused:?}");

    // They outlive a start, which sets no budget in their place.
    let gateway = gateway.terminate().await.start().await;
    let client = gateway.client(&key);
    assert_eq!(client.chat("keyway/echo", "hello").await.status, StatusCode::PAYMENT_REQUIRED);
    let added = gateway.manager().post(PATH, &json!({"amount": 1})).await;
    assert_eq!(added.status, StatusCode::OK);
    assert_eq!(client.chat("keyway/echo", "hello").await.status, StatusCode::OK);
    for (body, status) in [
        (json!({}), StatusCode::BAD_REQUEST),
        (json!({"amount": 0}), StatusCode::BAD_REQUEST),
        (json!({"amount": -1}), StatusCode::BAD_REQUEST),
        (json!({"amount": "1"}), StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(gateway.manager().post(PATH, &body).await.status, status, "{body}");
    }
    assert!(!gateway.log().contains("credits were added, and are not enforced"));
    let stopped = gateway.terminate().await.configure("[budget]\nlimit = \"5\"\n");
    assert!(stopped.start().await.log().contains("credits were added, and are not enforced"));
}

#[tokio::test]
async fn who_sees_credits_and_what_goes_before_them_is_configured() {
    let config = "[credits]\ninference_keys = true\n[budget]\nlimit = \"5\"\n";
    let gateway = setup().config(config).start().await;
    let (_, key) = gateway.manager().create_key(&json!({"name": "a"})).await;
    assert_eq!(gateway.client(&key).get(PATH).await.status, StatusCode::OK);
    assert_eq!(
        gateway.client(&key).post(PATH, &json!({"amount": 1})).await.status,
        StatusCode::FORBIDDEN
    );
    let refused = gateway.manager().post(PATH, &json!({"amount": 1})).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{refused:?}");
}
