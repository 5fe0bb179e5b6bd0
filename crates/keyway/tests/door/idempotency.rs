//! `Idempotency-Key`: a creation that may be repeated.

use futures_util::future::join_all;
use http::StatusCode;
use serde_json::{Value, json};

use crate::gateway;

const PATH: &str = "/api/v1/keys";

#[tokio::test]
async fn a_replay_answers_as_the_first_did() {
    let gateway = gateway().await;
    let repeating = gateway.manager().with_header("idempotency-key", "order-17");
    let body = json!({"name": "customer 17", "limit": 10});
    let first = repeating.post(PATH, &body).await;
    assert_eq!(first.status, StatusCode::CREATED);
    assert!(!first.headers.contains_key("idempotent-replayed"));

    let hash = first.json()["data"]["hash"].as_str().expect("a hash").to_owned();
    gateway.manager().patch(&format!("{PATH}/{hash}"), &json!({"name": "renamed"})).await;
    // The prefix of then is part of the answer, whatever it is now.
    let config = "[keys]\nprefix = \"kw-\"\n";
    let gateway = gateway.terminate().await.configure(config).start().await;
    let repeating = gateway.manager().with_header("idempotency-key", "order-17");
    let again = repeating.post(PATH, &body).await;
    assert_eq!((again.status, &again.body), (first.status, &first.body), "the string included");
    assert_eq!(again.headers["idempotent-replayed"], "true");
    let string = again.json()["key"].as_str().expect("a key string").to_owned();
    assert_eq!(gateway.client(&string).get("/api/v1/key").await.status, StatusCode::OK);
    let list = gateway.manager().get(PATH).await.json();
    assert_eq!(list["data"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn duplicates_in_flight_make_one_key() {
    let gateway = gateway().await;
    let repeating = gateway.manager().with_header("idempotency-key", "at once");
    let body = json!({"name": "one"});
    let answers = join_all((0..50).map(|_| repeating.post(PATH, &body))).await;
    for answer in &answers {
        assert_eq!((answer.status, &answer.body), (StatusCode::CREATED, &answers[0].body));
    }
    let list = gateway.manager().get(PATH).await.json();
    assert_eq!(list["data"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn another_body_and_a_deleted_key_are_told() {
    let gateway = gateway().await;
    let repeating = gateway.manager().with_header("idempotency-key", "order-18");
    let first = repeating.post(PATH, &json!({"name": "one"})).await.json();
    let other = repeating.post(PATH, &json!({"name": "two"})).await;
    assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY);
    other.error();

    let hash = first["data"]["hash"].as_str().expect("a hash");
    gateway.manager().delete(&format!("{PATH}/{hash}")).await;
    let deleted = repeating.post(PATH, &json!({"name": "one"})).await;
    assert_eq!(deleted.status, StatusCode::CONFLICT);
    deleted.error();
}

#[tokio::test]
async fn an_idempotency_key_has_a_form_and_an_owner() {
    let gateway = gateway().await;
    let body = json!({"name": "one"});
    for bad in ["", &"x".repeat(256)] {
        let reply = gateway.manager().with_header("idempotency-key", bad).post(PATH, &body).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST);
        assert!(reply.error().starts_with("Idempotency-Key"), "{}", reply.error());
    }
    let made = gateway.manager().post("/api/v1/management-keys", &json!({"name": "other"})).await;
    let made: Value = made.json();
    let other = gateway.client(made["key"].as_str().expect("a key string"));
    let first = gateway.manager().with_header("idempotency-key", "k").post(PATH, &body).await;
    let second = other.with_header("idempotency-key", "k").post(PATH, &body).await;
    assert_ne!(first.json()["key"], second.json()["key"], "each caller has their own");
}
