//! The installation's budget: what all keys together may spend.

use http::StatusCode;
use keyway_core::money::Nanos;
use keyway_testkit::{Client, Gateway, Setup};
use serde_json::{Value, json};

use crate::money::{LONG, MODEL, body, key, metadata};
use crate::setup;

const DRY: &str = "/api/v1/chat/completions?dry_run=true";

/// `hello` costs $0.000006, and holds as much: five of them fit.
fn budget_of_five() -> Setup {
    setup().config("[budget]\nlimit = \"0.000033\"\nreset = \"monthly\"\n")
}

async fn usage(gateway: &Gateway, hash: &str) -> Nanos {
    Nanos::parse_limit(&gateway.manager().key(hash).await["usage"].to_string()).expect("USD")
}

fn figures(said: &Value) -> [String; 3] {
    ["limit", "spent", "held"].map(|name| said[name].to_string())
}

/// Asks with both clients in turn until nobody is served; answers how often somebody was.
async fn spend(clients: [&Client; 2]) -> usize {
    let mut served = 0;
    loop {
        let before = served;
        for client in clients {
            served += usize::from(client.chat(MODEL, "hello").await.status == StatusCode::OK);
        }
        if served == before {
            return served;
        }
    }
}

#[tokio::test]
async fn all_keys_together_spend_no_more_than_the_budget() {
    let gateway = budget_of_five().start().await;
    let (one, first) = key(&gateway, json!(null)).await;
    let (other, second) = key(&gateway, json!(1)).await;
    assert_eq!(spend([&one, &other]).await, 5);
    let spent = usage(&gateway, &first).await.saturating_add(usage(&gateway, &second).await);
    assert_eq!(spent, Nanos::new(30_000));

    let refused = one.chat(MODEL, "hello").await;
    assert_eq!(refused.status, StatusCode::PAYMENT_REQUIRED);
    assert!(refused.error().ends_with("contact the administrator of this gateway"));
    let said = metadata(&refused);
    assert_eq!(
        (&said["limit_source"], &said["limit_reset"]),
        (&json!("installation_budget"), &json!("monthly"))
    );
    assert_eq!(figures(&said), ["0.000033", "0.00003", "0"]);
    assert!(said["resets_at"].as_str().expect("a date").ends_with("-01T00:00:00Z"), "{said}");

    // What is left goes to whoever asks for no more than that.
    assert_eq!(one.chat(MODEL, "a").await.status, StatusCode::OK);
    let refused = other.chat(MODEL, "hello").await;
    let expected = "Installation monthly budget of $0.000033 exceeded. Contact its administrator.";
    assert_eq!((refused.status, refused.error().as_str()), (StatusCode::FORBIDDEN, expected));
}

#[tokio::test]
async fn a_refusal_by_one_budget_leaves_nothing_held_of_the_other() {
    let gateway = budget_of_five().start().await;
    let (poor, hash) = key(&gateway, json!(0.000_001)).await;
    let (rich, _) = key(&gateway, json!(null)).await;
    for _ in 0..3 {
        let refused = poor.chat(MODEL, "hello").await;
        assert_eq!(metadata(&refused)["limit_source"], "key_limit");
        let refused = rich.chat(MODEL, LONG).await;
        assert_eq!(metadata(&refused)["limit_source"], "installation_budget");
        assert_eq!(figures(&metadata(&refused)), ["0.000033", "0", "0"]);
    }
    assert_eq!(usage(&gateway, &hash).await, Nanos::ZERO);
    assert_eq!(spend([&poor, &rich]).await, 5, "all of it is there");
}

#[tokio::test]
async fn a_dry_run_names_both_budgets() {
    let gateway = budget_of_five().start().await;
    let (client, _) = key(&gateway, json!(1)).await;
    let told = client.post(DRY, &body(LONG)).await.json()["data"].clone();
    assert_eq!((&told["admitted"], &told["status"]), (&json!(false), &json!(402)));
    let sources = [0, 1].map(|at| told["budgets"][at]["limit_source"].clone());
    assert_eq!(sources, ["installation_budget", "key_limit"]);
    assert_eq!(told["budgets"][0]["available"].to_string(), "0.000033");
}

#[tokio::test]
async fn a_budget_counts_what_was_spent_before_it_and_is_changed_by_a_start() {
    let gateway = setup().start().await;
    let (_, string) = gateway.manager().create_key(&json!({"name": "a"})).await;
    let client = gateway.client(&string);
    for _ in 0..4 {
        assert_eq!(client.chat(MODEL, "hello").await.status, StatusCode::OK);
    }
    let stopped = gateway.terminate().await;
    let gateway = stopped.configure("[budget]\nlimit = \"0.000033\"\n").start().await;
    let client = gateway.client(&string);
    assert_eq!(spend([&client, &client]).await, 1);
    let stopped = gateway.terminate().await;
    let gateway = stopped.configure("").start().await;
    let client = gateway.client(&string);
    assert_eq!(client.chat(MODEL, LONG).await.status, StatusCode::OK, "unlimited again");
}
