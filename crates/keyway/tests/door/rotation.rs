//! Rotation: a new secret for the same key.

use http::StatusCode;
use serde_json::json;

use crate::gateway;

#[tokio::test]
async fn a_rotated_key_keeps_its_account_and_its_old_secret_for_the_grace_period() {
    let gateway = gateway().await;
    let manager = gateway.manager();
    let (key, old) = manager.create_key(&json!({"name": "one", "limit": 1})).await;
    assert_eq!(gateway.client(&old).chat("keyway/echo", "hello").await.status, StatusCode::OK);
    let old_path = format!("/api/v1/keys/{}", key["hash"].as_str().expect("a hash"));
    let used = manager.get(&old_path).await.json()["data"]["usage"].clone();
    assert_ne!(used, json!(0));

    let body = json!({"grace_period_seconds": 3600});
    let rotated = manager.post(&format!("{old_path}/rotate"), &body).await;
    assert_eq!(rotated.status, StatusCode::CREATED);
    let rotated = rotated.json();
    let new = rotated["key"].as_str().expect("a key string");
    let new_path = format!("/api/v1/keys/{}", rotated["data"]["hash"].as_str().expect("a hash"));
    assert_ne!(old_path, new_path);
    assert_eq!(rotated["data"]["usage"], used);

    for string in [old.as_str(), new] {
        assert_eq!(
            gateway.client(string).chat("keyway/echo", "hello").await.status,
            StatusCode::OK
        );
    }
    assert_eq!(manager.get(&old_path).await.json(), manager.get(&new_path).await.json());
    let list = manager.get("/api/v1/keys").await.json();
    assert_eq!(list["data"].as_array().map(Vec::len), Some(1), "it is shown once");
    assert_eq!(list["data"][0]["hash"], rotated["data"]["hash"], "under its newest hash");

    let at_once = manager.post(&format!("{old_path}/rotate"), &json!({})).await;
    assert_eq!(at_once.status, StatusCode::CREATED, "by any live hash");
    for string in [old.as_str(), new] {
        let refused = gateway.client(string).chat("keyway/echo", "hello").await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "no grace");
    }
    assert_eq!(manager.get(&old_path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn deleting_a_rotated_key_ends_all_its_secrets() {
    let gateway = gateway().await;
    let manager = gateway.manager();
    let (key, old) = manager.create_key(&json!({"name": "one"})).await;
    let old_path = format!("/api/v1/keys/{}", key["hash"].as_str().expect("a hash"));
    let body = json!({"grace_period_seconds": 2_592_000});
    let rotated = manager.post(&format!("{old_path}/rotate"), &body).await.json();
    let new = rotated["key"].as_str().expect("a key string");
    assert_eq!(manager.delete(&old_path).await.status, StatusCode::OK);
    for string in [old.as_str(), new] {
        let gone = gateway.client(string).get("/api/v1/key").await;
        assert_eq!(gone.error(), "User not found.");
    }
}

#[tokio::test]
async fn a_grace_period_has_bounds() {
    let gateway = gateway().await;
    let (key, _) = gateway.manager().create_key(&json!({"name": "one"})).await;
    let path = format!("/api/v1/keys/{}/rotate", key["hash"].as_str().expect("a hash"));
    for bad in [json!(-1), json!(2_592_001), json!(1.5), json!("60")] {
        let reply = gateway.manager().post(&path, &json!({"grace_period_seconds": bad})).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{bad}");
        assert!(reply.error().starts_with("grace_period_seconds"), "{}", reply.error());
    }
    let without_body = gateway.manager().send(http::Method::POST, &path, "").await;
    assert_eq!(without_body.status, StatusCode::CREATED);
    let unknown = format!("/api/v1/keys/{}/rotate", "0".repeat(64));
    let reply = gateway.manager().post(&unknown, &json!({})).await;
    assert_eq!(reply.error(), "Resource not found");
}
