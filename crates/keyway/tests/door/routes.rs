//! Every route with every kind of key. A route that is added without a row here fails the test.

use std::collections::BTreeSet;

use http::{Method, StatusCode};
use keyway_testkit::{Client, Gateway};
use serde_json::{Value, json};

use crate::gateway;

/// Whose key a route takes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Takes {
    Management,
    Inference,
    Either,
    Anyone,
}

use Takes::{Anyone, Either, Inference, Management};

/// `{hash}` stands for that of a key that is there, `{author}/{slug}` for a model.
const ROUTES: [(&str, &str, Takes); 38] = [
    ("GET", "/healthz", Anyone),
    ("GET", "/readyz", Anyone),
    ("GET", "/api/v1/keys", Management),
    ("POST", "/api/v1/keys", Management),
    ("GET", "/api/v1/keys/{hash}", Management),
    ("PATCH", "/api/v1/keys/{hash}", Management),
    ("DELETE", "/api/v1/keys/{hash}", Management),
    ("POST", "/api/v1/keys/{hash}/rotate", Management),
    ("GET", "/api/v1/management-keys", Management),
    ("POST", "/api/v1/management-keys", Management),
    ("DELETE", "/api/v1/management-keys/{hash}", Management),
    ("GET", "/api/v1/byok", Management),
    ("POST", "/api/v1/byok", Management),
    ("GET", "/api/v1/byok/{id}", Management),
    ("PATCH", "/api/v1/byok/{id}", Management),
    ("DELETE", "/api/v1/byok/{id}", Management),
    ("GET", "/api/v1/key", Either),
    ("GET", "/api/v1/auth/key", Either),
    ("GET", "/api/v1/models", Anyone),
    ("GET", "/api/v1/models/user", Either),
    ("GET", "/api/v1/models/count", Anyone),
    ("GET", "/api/v1/model/{author}/{slug}", Anyone),
    ("GET", "/api/v1/models/{author}/{slug}/endpoints", Anyone),
    ("GET", "/api/v1/parameters/{author}/{slug}", Anyone),
    ("GET", "/api/v1/embeddings/models", Anyone),
    ("GET", "/api/v1/providers", Anyone),
    ("GET", "/api/v1/credits", Management),
    ("POST", "/api/v1/credits", Management),
    ("GET", "/api/v1/activity", Management),
    ("GET", "/api/v1/generation", Either),
    ("GET", "/api/v1/generation/content", Either),
    ("POST", "/api/v1/chat/completions", Inference),
    ("POST", "/api/v1/completions", Inference),
    ("POST", "/api/v1/responses", Inference),
    ("POST", "/api/v1/embeddings", Inference),
    ("POST", "/api/v1/rerank", Inference),
    ("POST", "/api/v1/messages", Inference),
    ("POST", "/api/v1/messages/count_tokens", Inference),
];
/// Serves the description that the table is compared with.
const DESCRIPTION: (&str, &str) = ("GET", "/api/v1/openapi.json");

#[tokio::test]
async fn the_table_covers_every_route() {
    let gateway = gateway().await;
    let description = gateway.anonymous().get(DESCRIPTION.1).await.json();
    let mut described = BTreeSet::new();
    for (path, operations) in description["paths"].as_object().expect("paths") {
        for method in operations.as_object().expect("operations").keys() {
            described.insert((method.to_uppercase(), path.clone()));
        }
    }
    let listed = ROUTES.iter().map(|(method, path, _)| (*method, *path)).chain([DESCRIPTION]);
    let listed: BTreeSet<_> = listed.map(|(m, p)| (m.to_owned(), p.to_owned())).collect();
    assert_eq!(described, listed);
}

/// The kinds of callers that no route with a key accepts, and what they are told.
async fn refused(gateway: &Gateway) -> Vec<(&'static str, Client, String)> {
    let manager = gateway.manager();
    let (disabled, disabled_string) = manager.create_key(&json!({"name": "disabled"})).await;
    let path = format!("/api/v1/keys/{}", disabled["hash"].as_str().expect("a hash"));
    manager.patch(&path, &json!({"disabled": true})).await;
    let (deleted, deleted_string) = manager.create_key(&json!({"name": "deleted"})).await;
    manager.delete(&format!("/api/v1/keys/{}", deleted["hash"].as_str().expect("a hash"))).await;
    let expired_string = expired_key(gateway).await;
    let mut mistyped = disabled_string.clone();
    let digit = if mistyped.ends_with('0') { "1" } else { "0" };
    mistyped.replace_range(72..73, digit);
    let unknown = unknown_key(&mistyped);
    let with = |key: &str| gateway.client(key);
    let form = "This is not an API key of this gateway: its length or characters are wrong";
    let typing = "This API key has a typing error: its check digits do not match. Copy it whole";
    let basic = gateway.anonymous().with_header("authorization", "Basic dXNlcjpwYXNz");
    let scheme = "The Authorization header must read `Bearer <key>`, with a key of this gateway";
    vec![
        ("none", gateway.anonymous(), "Missing Authentication header".to_owned()),
        ("another scheme", basic, scheme.to_owned()),
        ("malformed", with("sk-something-else"), form.to_owned()),
        ("mistyped", with(&mistyped), typing.to_owned()),
        ("unknown", with(&unknown), "User not found.".to_owned()),
        ("disabled", with(&disabled_string), "This API key is disabled".to_owned()),
        ("expired", with(&expired_string), "This API key has expired".to_owned()),
        ("deleted", with(&deleted_string), "User not found.".to_owned()),
    ]
}

async fn expired_key(gateway: &Gateway) -> String {
    use keyway_core::clock::Clock;
    let soon = keyway_server::clock::SystemClock.now().plus_seconds(2).to_string();
    let body = json!({"name": "expired", "expires_at": soon});
    let (_, string) = gateway.manager().create_key(&body).await;
    let owner = gateway.client(&string);
    keyway_testkit::eventually("the key expires", async || {
        let status = owner.get("/api/v1/key").await.status;
        (status == StatusCode::UNAUTHORIZED).then_some(())
    })
    .await;
    string
}

/// A well-formed key that nobody has.
fn unknown_key(like: &str) -> String {
    use keyway_core::secret::{KEY_ENTROPY_BYTES, KeyPrefix, KeySecret};
    let prefix = KeyPrefix::new(&like[..9]).expect("a prefix");
    KeySecret::mint(&prefix, &[0x5a; KEY_ENTROPY_BYTES]).expose().to_owned()
}

async fn call(client: &Client, method: &str, path: &str) -> (StatusCode, Option<String>) {
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    let reply = client.send(method, path, "{}").await;
    let failed = reply.status.is_client_error() || reply.status.is_server_error();
    (reply.status, failed.then(|| reply.error()))
}

#[tokio::test]
async fn every_route_tells_callers_apart() {
    let gateway = gateway().await;
    let manager = gateway.manager();
    let (key, string) = manager.create_key(&json!({"name": "inference"})).await;
    let hash = key["hash"].as_str().expect("a hash");
    let before = manager.get("/api/v1/keys?include_disabled=1&include_expired=1").await.json();
    let refused = refused(&gateway).await;
    for (method, route, takes) in ROUTES {
        for slash in ["", "/"] {
            let path = placed(route, hash) + slash;
            for (kind, client, told) in &refused {
                let (status, message) = call(client, method, &path).await;
                if takes == Anyone {
                    assert_eq!(status, StatusCode::OK, "{method} {path} with a key that is {kind}");
                } else {
                    assert_eq!(status, StatusCode::UNAUTHORIZED, "{method} {path}: {kind}");
                    assert_eq!(message.as_ref(), Some(told), "{method} {path}: {kind}");
                }
            }
            wrong_kind(&gateway, &string, method, &path, takes).await;
        }
    }
    let after = manager.get("/api/v1/keys?include_disabled=1&include_expired=1").await.json();
    let untouched = |list: &Value| list["data"].as_array().expect("a list").last().cloned();
    assert_eq!(untouched(&after), untouched(&before), "nothing was changed");
}

fn placed(route: &str, hash: &str) -> String {
    route.replace("{hash}", hash).replace("{author}/{slug}", "keyway/echo")
}

async fn wrong_kind(gateway: &Gateway, inference: &str, method: &str, path: &str, takes: Takes) {
    let (client, told) = match takes {
        Management => {
            (gateway.client(inference), "Only management keys can perform this operation")
        }
        Inference => (gateway.manager(), "Management keys cannot be used for inference"),
        Either | Anyone => return,
    };
    let (status, message) = call(&client, method, path).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{method} {path}");
    assert_eq!(message.as_deref(), Some(told), "{method} {path}");
}

#[tokio::test]
async fn every_route_answers_with_and_without_a_slash() {
    let gateway = gateway().await;
    let manager = gateway.manager();
    for (method, route, takes) in ROUTES {
        if method != "GET" || takes == Inference {
            continue;
        }
        let (key, _) = manager.create_key(&json!({"name": "one"})).await;
        let path = placed(route, key["hash"].as_str().expect("a hash"));
        let plain = manager.get(&path).await;
        let slashed = manager.get(&format!("{path}/")).await;
        assert_eq!((plain.status, &plain.body), (slashed.status, &slashed.body), "{path}");
    }
}
