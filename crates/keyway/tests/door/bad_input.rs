//! Bad input: the right status, in the envelope, naming the field, and nothing changes.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::gateway;

#[tokio::test]
async fn bad_creations_name_their_field_and_make_nothing() {
    let gateway = gateway().await;
    let manager = gateway.manager();
    let long = "x".repeat(257);
    let cases: Vec<(String, &str)> = vec![
        (String::new(), "not valid JSON"),
        ("{".into(), "not valid JSON"),
        ("[]".into(), "JSON object"),
        ("{\"name\":\"a\"} x".into(), "not valid JSON"),
        ("{\"name\":\"a\",\"name\":\"b\"}".into(), "name"),
        ("{\"name\":\"a\",\"x\":{\"y\":1,\"y\":2}}".into(), "y"),
        ("{}".into(), "name"),
        ("{\"name\":null}".into(), "name"),
        ("{\"name\":\"\"}".into(), "name"),
        ("{\"name\":5}".into(), "name"),
        ("{\"name\":\"a\\u0007\"}".into(), "name"),
        (format!("{{\"name\":\"{long}\"}}"), "name"),
        ("{\"name\":\"a\",\"limit\":-1}".into(), "limit"),
        ("{\"name\":\"a\",\"limit\":\"10\"}".into(), "limit"),
        ("{\"name\":\"a\",\"limit\":1000000001}".into(), "limit"),
        ("{\"name\":\"a\",\"limit\":1e999}".into(), "limit"),
        ("{\"name\":\"a\",\"limit\":NaN}".into(), "not valid JSON"),
        ("{\"name\":\"a\",\"limit\":{\"$serde_json::private::Number\":\"1\"}}".into(), "reserved"),
        ("{\"name\":\"a\",\"limit_reset\":\"hourly\"}".into(), "limit_reset"),
        ("{\"name\":\"a\",\"limit_reset\":1}".into(), "limit_reset"),
        ("{\"name\":\"a\",\"include_byok_in_limit\":\"yes\"}".into(), "include_byok_in_limit"),
        ("{\"name\":\"a\",\"expires_at\":\"2020-01-01T00:00:00Z\"}".into(), "expires_at"),
        ("{\"name\":\"a\",\"expires_at\":\"2099-01-01T00:00:00+01:00\"}".into(), "expires_at"),
        ("{\"name\":\"a\",\"expires_at\":\"2099-01-01\"}".into(), "expires_at"),
        ("{\"name\":\"a\",\"expires_at\":4070908800}".into(), "expires_at"),
        ("{\"name\":\"a\",\"workspace_id\":\"default\"}".into(), "workspace_id"),
        (
            "{\"name\":\"a\",\"workspace_id\":\"0df9e665-d932-5740-b2c7-b52af166bc11\"}".into(),
            "workspace_id",
        ),
        ("{\"name\":\"a\",\"creator_user_id\":\"\"}".into(), "creator_user_id"),
        ("{\"name\":\"a\",\"external\":{}}".into(), "external.user"),
        (
            "{\"name\":\"a\",\"external\":{\"user\":\"u\",\"api_key\":\"x\"}}".into(),
            "external.api_key",
        ),
    ];
    for (body, field) in cases {
        let reply = manager.send(Method::POST, "/api/v1/keys", body.clone()).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{body}");
        let message = reply.error();
        assert!(message.contains(field), "{body}: {message}");
    }
    let invalid_utf8 =
        manager.send(Method::POST, "/api/v1/keys", &b"{\"name\":\"\xff\"}"[..]).await;
    assert_eq!(invalid_utf8.status, StatusCode::BAD_REQUEST);
    assert_eq!(manager.get("/api/v1/keys").await.json(), json!({"data": []}));
}

#[tokio::test]
async fn decimals_after_the_ninth_are_cut() {
    let gateway = gateway().await;
    for (sent, kept) in
        [("0.30000000000000004", "0.3"), ("1e-7", "0.0000001"), ("10.0", "10"), ("0", "0")]
    {
        let body = format!("{{\"name\":\"a\",\"limit\":{sent}}}");
        let reply = gateway.manager().send(Method::POST, "/api/v1/keys", body).await;
        assert_eq!(reply.status, StatusCode::CREATED);
        assert_eq!(reply.json()["data"]["limit"].to_string(), kept);
    }
}

#[tokio::test]
async fn bad_changes_change_nothing() {
    let gateway = gateway().await;
    let manager = gateway.manager();
    let (key, _) = manager.create_key(&json!({"name": "kept", "limit": 5})).await;
    let path = format!("/api/v1/keys/{}", key["hash"].as_str().expect("a hash"));
    let cases = [
        (json!({"name": "new", "limit": -1}), "limit"),
        (json!({"limit": 1, "limit_reset": "yearly"}), "limit_reset"),
        (json!({"limit": 1, "disabled": "yes"}), "disabled"),
        (json!({"limit": 1, "name": ""}), "name"),
    ];
    for (body, field) in cases {
        let reply = manager.patch(&path, &body).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{body}");
        assert!(reply.error().starts_with(field), "{body}: {}", reply.error());
    }
    assert_eq!(manager.get(&path).await.json()["data"], key);

    let unknown = format!("/api/v1/keys/{}", "0".repeat(64));
    for path in [unknown.as_str(), "/api/v1/keys/short", "/api/v1/keys/%FF"] {
        for method in [Method::GET, Method::PATCH, Method::DELETE] {
            let reply = manager.send(method.clone(), path, "{}").await;
            assert_eq!(
                (reply.status, reply.error().as_str()),
                (StatusCode::NOT_FOUND, "Resource not found")
            );
        }
    }
}

#[tokio::test]
async fn bad_queries_name_their_parameter() {
    let gateway = gateway().await;
    let cases = [
        ("offset=-1", "offset"),
        ("offset=1.5", "offset"),
        ("offset=ten", "offset"),
        ("offset=99999999999999999999", "offset"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("include_disabled=maybe", "include_disabled"),
        ("include_expired=2", "include_expired"),
        ("workspace_id=default", "workspace_id"),
        ("sort=size", "sort"),
        ("after=abc", "after"),
        (&format!("after={}", "0".repeat(64)), "after"),
        (&format!("offset=1&after={}", "0".repeat(64)), "after"),
    ];
    for (query, parameter) in cases {
        let reply = gateway.manager().get(&format!("/api/v1/keys?{query}")).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{query}");
        assert!(reply.error().starts_with(parameter), "{query}: {}", reply.error());
    }
}

#[tokio::test]
async fn wrong_routes_methods_and_sizes_are_answered_in_the_envelope() {
    let gateway = gateway().await;
    let manager = gateway.manager();
    let unknown = manager.get("/api/v1/unknown").await;
    assert!(unknown.error().starts_with("There is no such route for GET"), "{unknown:?}");
    assert_eq!(manager.get("/").await.status, StatusCode::NOT_FOUND);
    let wrong = manager.send(Method::PUT, "/api/v1/keys", "{}").await;
    assert_eq!(wrong.status, StatusCode::METHOD_NOT_ALLOWED);
    wrong.error();
    assert!(wrong.headers.contains_key("allow"), "{wrong:?}");

    let large = json!({"name": "x".repeat(1024 * 1024)}).to_string();
    let reply = manager.send(Method::POST, "/api/v1/keys", large).await;
    assert_eq!(reply.status, StatusCode::PAYLOAD_TOO_LARGE);
    reply.error();
    let deep = "[".repeat(100_000);
    let reply = manager.send(Method::POST, "/api/v1/keys", deep).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn bad_completions_name_their_field_and_cost_nothing() {
    let gateway = gateway().await;
    let (key, string) = gateway.manager().create_key(&json!({"name": "a", "limit": 1})).await;
    let client = gateway.client(&string);
    let user = json!([{"role": "user", "content": "hi"}]);
    let cases: Vec<(Value, &str)> = vec![
        (json!({"messages": user}), "model"),
        (json!({"model": 5, "messages": user}), "model"),
        (
            json!({"model": "nobody/nothing", "messages": user}),
            "nobody/nothing is not a valid model ID",
        ),
        (json!({"model": "keyway/echo"}), "messages"),
        (json!({"model": "keyway/echo", "messages": []}), "messages"),
        (
            json!({"model": "keyway/echo", "messages": [{"role": "owner", "content": "x"}]}),
            "messages[0].role",
        ),
        (
            json!({"model": "keyway/echo", "messages": [{"role": "user", "content": 5}]}),
            "messages[0].content",
        ),
        (json!({"model": "keyway/echo", "messages": user, "max_tokens": 0}), "max_tokens"),
        (json!({"model": "keyway/echo", "messages": user, "max_tokens": "9"}), "max_tokens"),
        (json!({"model": "keyway/echo", "messages": user, "stream": "yes"}), "stream"),
    ];
    for (body, said) in cases {
        let reply = client.post("/api/v1/chat/completions", &body).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{body}");
        assert!(reply.error().contains(said), "{body}: {}", reply.error());
    }
    let malformed = client.chat("keyway/echo", "#echo tokens=lots\nhi").await;
    assert_eq!(malformed.status, StatusCode::BAD_REQUEST);
    let hash = key["hash"].as_str().expect("a hash");
    assert_eq!(gateway.manager().key(hash).await["usage"], json!(0));
}
