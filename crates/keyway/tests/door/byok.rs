//! The life of a credential, as the contract has it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use http::StatusCode;
use keyway_testkit::{Client, Reply};
use serde_json::{Value, json};

use crate::{gateway, setup};

const FIELDS: [&str; 16] = [
    "id",
    "provider",
    "label",
    "name",
    "disabled",
    "is_fallback",
    "is_required",
    "is_byok_only",
    "sort_order",
    "allowed_models",
    "allowed_api_key_hashes",
    "allowed_user_ids",
    "declared_zdr",
    "declared_region",
    "workspace_id",
    "created_at",
];
const SECRET: &str = "sk-proj-0123456789AbCd";

/// Keeps a credential, and answers its object.
pub(crate) async fn keep(manager: &Client, body: &Value) -> Value {
    let reply = manager.post("/api/v1/byok", body).await;
    assert_eq!(reply.status, StatusCode::CREATED, "{reply:?}");
    reply.json()["data"].clone()
}

fn path(credential: &Value) -> String {
    format!("/api/v1/byok/{}", credential["id"].as_str().expect("an id"))
}

fn refusal(reply: &Reply) -> (StatusCode, Value) {
    (reply.status, reply.json()["error"]["metadata"]["field"].clone())
}

/// What a gateway says that does not start on `data_dir`.
fn refused_start(data_dir: &Path, variables: &[(&str, &str)]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_keyway"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(data_dir)
        .current_dir(data_dir)
        .envs(variables.iter().copied())
        .output()
        .expect("it runs");
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn rotate(data_dir: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_keyway"))
        .args(["credentials", "rotate-kek", "--data-dir"])
        .arg(data_dir)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

#[tokio::test]
async fn a_credential_is_kept_shown_changed_and_wiped() {
    let gateway = gateway().await;
    let manager = gateway.manager();
    let (key, _) = manager.create_key(&json!({"name": "used"})).await;
    let body = json!({
        "provider": "openai", "key": SECRET, "name": "Production OpenAI Key", "is_fallback": true,
        "allowed_models": ["openai/gpt-5"], "allowed_api_key_hashes": [key["hash"]], "new": 1,
    });
    let credential = keep(&manager, &body).await;
    for field in FIELDS {
        assert!(credential.get(field).is_some(), "{field} is missing in {credential}");
    }
    assert!(credential.get("key").is_none(), "it is never shown");
    assert_eq!(
        (&credential["label"], &credential["sort_order"]),
        (&json!("sk-...AbCd"), &json!(0))
    );
    assert_eq!(credential["allowed_api_key_hashes"], json!([key["hash"]]));
    assert_eq!(credential["workspace_id"], key["workspace_id"]);
    let shown = manager.get(&path(&credential)).await;
    assert_eq!((shown.status, shown.json()), (StatusCode::OK, json!({"data": credential})));

    let change = json!({
        "key": "sk-proj-another-9876543210-WxYz", "name": null, "disabled": true,
        "allowed_models": [], "allowed_api_key_hashes": null, "provider": "ignored",
    });
    let changed = manager.patch(&path(&credential), &change).await.json()["data"].clone();
    assert_eq!(changed["label"], "sk-...WxYz");
    assert_eq!((&changed["name"], &changed["disabled"]), (&Value::Null, &json!(true)));
    assert_eq!((&changed["provider"], &changed["is_fallback"]), (&json!("openai"), &json!(true)));
    assert_eq!(changed["allowed_models"], json!([]));
    assert_eq!(changed["allowed_api_key_hashes"], Value::Null);

    let deleted = manager.delete(&path(&credential)).await;
    assert_eq!(deleted.json()["deleted"], json!(true));
    for reply in [
        manager.get(&path(&credential)).await,
        manager.delete(&path(&credential)).await,
        manager.patch(&path(&credential), &json!({})).await,
        manager.get("/api/v1/byok/nobody").await,
    ] {
        assert_eq!(
            (reply.status, reply.error()),
            (StatusCode::NOT_FOUND, "Resource not found".to_owned())
        );
    }
}

#[tokio::test]
async fn credentials_are_listed_by_page_and_provider() {
    let gateway = gateway().await;
    let manager = gateway.manager();
    for (provider, name) in [("openai", "b"), ("anthropic", "a"), ("openai", "c")] {
        keep(&manager, &json!({"provider": provider, "key": SECRET, "name": name})).await;
    }
    let listed = async |query: &str| {
        let list = manager.get(&format!("/api/v1/byok{query}")).await.json();
        let names = list["data"].as_array().expect("a list").iter();
        let names: Vec<_> =
            names.map(|it| it["name"].as_str().expect("a name").to_owned()).collect();
        (names.join(""), list["total_count"].as_u64().expect("a count"))
    };
    for (query, names, count) in [
        ("", "abc", 3),
        ("?provider=openai", "bc", 2),
        ("?provider=groq", "", 0),
        ("?limit=1&offset=1", "b", 3),
        ("?offset=50&limit=50", "", 3),
        ("?workspace_id=00000000-0000-4000-8000-000000000000", "", 0),
    ] {
        assert_eq!(listed(query).await, (names.to_owned(), count), "{query}");
    }
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("offset=-1", "offset"),
        ("workspace_id=x", "workspace_id"),
        ("provider=Open%20AI", "provider"),
    ] {
        let reply = manager.get(&format!("/api/v1/byok?{query}")).await;
        assert_eq!(refusal(&reply), (StatusCode::BAD_REQUEST, json!(field)), "{query}");
    }
}

#[tokio::test]
async fn a_wrong_field_is_named_and_changes_nothing() {
    let gateway = gateway().await;
    let manager = gateway.manager();
    let kept = keep(&manager, &json!({"provider": "openai", "key": SECRET})).await;
    let unknown = "0a".repeat(32);
    for (field, value) in [
        ("provider", json!(null)),
        ("provider", json!("Open AI")),
        ("provider", json!("opnai")),
        ("key", json!(null)),
        ("key", json!("")),
        ("key", json!(7)),
        ("key", json!("two words")),
        ("key", json!("sk-line\nX-Other: header")),
        ("key", json!("{\"type\": \"service_account\"")),
        ("key", json!("x".repeat(16 * 1024 + 1))),
        ("name", json!("x".repeat(256))),
        ("name", json!(7)),
        ("disabled", json!("yes")),
        ("sort_order", json!(-1)),
        ("allowed_models", json!("all")),
        ("allowed_models", json!([""])),
        ("allowed_models", json!(vec!["a/b"; 101])),
        ("allowed_user_ids", json!([7])),
        ("allowed_api_key_hashes", json!([])),
        ("allowed_api_key_hashes", json!(["AB"])),
        ("allowed_api_key_hashes", json!([unknown])),
        ("workspace_id", json!("00000000-0000-4000-8000-000000000000")),
    ] {
        let mut body = json!({"provider": "openai", "key": SECRET});
        body[field] = value.clone();
        let reply = manager.post("/api/v1/byok", &body).await;
        assert_eq!(refusal(&reply), (StatusCode::BAD_REQUEST, json!(field)), "{field}: {value}");
        let optional =
            matches!((field, &value), ("provider" | "workspace_id", _) | ("key", Value::Null));
        if !optional {
            let reply = manager.patch(&path(&kept), &json!({field: value})).await;
            assert_eq!(refusal(&reply), (StatusCode::BAD_REQUEST, json!(field)), "{field}");
        }
    }
    let list = manager.get("/api/v1/byok").await.json();
    assert_eq!(list, json!({"data": [kept], "total_count": 1}));
}

#[tokio::test]
async fn a_provider_that_nobody_knows_is_refused_with_the_nearest() {
    let own = "[[providers]]\nslug = \"acme\"\ndialect = \"openai\"\nbase_url = \"http://127.0.0.1:9/v1\"\n";
    let gateway = setup().config(own).start().await;
    let manager = gateway.manager();
    for (said, expected) in [
        ("opnai", "provider: no provider is called opnai here; did you mean openai?"),
        ("acne", "provider: no provider is called acne here; did you mean acme?"),
        ("unheard-of", "configure it first, or name one of acme, alibaba, amazon-bedrock, "),
    ] {
        let reply = manager.post("/api/v1/byok", &json!({"provider": said, "key": SECRET})).await;
        assert_eq!(refusal(&reply), (StatusCode::BAD_REQUEST, json!("provider")));
        assert!(reply.error().contains(expected), "{reply:?}");
    }
    for known in ["acme", "openai"] {
        keep(&manager, &json!({"provider": known, "key": SECRET})).await;
    }
}

#[tokio::test]
async fn a_service_account_is_kept_and_tells_nothing_of_itself() {
    let vertex = "[[providers]]\nslug = \"google-vertex\"\ndialect = \"openai\"\nbase_url = \"http://127.0.0.1:9/v1\"\n";
    let gateway = setup().config(vertex).start().await;
    let document = json!({"type": "service_account", "private_key": "-----BEGIN\nx"}).to_string();
    let body = json!({"provider": "google-vertex", "key": document});
    let credential = keep(&gateway.manager(), &body).await;
    assert_eq!(credential["label"], "{...}");
}

#[tokio::test]
async fn the_key_encryption_key_lies_beside_the_store_and_is_the_only_one() {
    let home = tempfile::tempdir().expect("a directory");
    let gateway = setup().start_in(home.path()).await;
    keep(&gateway.manager(), &json!({"provider": "openai", "key": SECRET})).await;
    gateway.terminate().await;
    let path = home.path().join("kek.key");
    let mode = std::fs::metadata(&path).expect("it was made").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let right = std::fs::read(&path).expect("readable");

    std::fs::write(&path, "ab".repeat(32)).expect("writable");
    let refused = refused_start(home.path(), &[]);
    assert!(refused.contains("sealed under another key-encryption key"), "{refused}");
    std::fs::remove_file(&path).expect("removable");
    let refused = refused_start(home.path(), &[]);
    assert!(refused.contains("kek.key is missing"), "{refused}");
    assert!(!path.exists(), "no other is made in its place");
    let both = [("KEYWAY_KEK", "x"), ("KEYWAY_KEK_FILE", "y")];
    let refused = refused_start(home.path(), &both);
    assert!(refused.contains("not both"), "{refused}");

    std::fs::write(&path, &right).expect("writable");
    // As one that was killed before it told the store leaves it.
    std::fs::write(home.path().join("kek.key.next"), "cd".repeat(32)).expect("writable");
    for _ in 0..2 {
        let rotated = rotate(home.path());
        assert!(rotated.contains("1 of 1 credentials"), "{rotated}");
    }
    let new = std::fs::read(&path).expect("readable");
    assert_ne!(new, right);
    assert!(!home.path().join("kek.key.next").exists());
    std::fs::write(&path, &right).expect("writable");
    let refused = refused_start(home.path(), &[]);
    assert!(refused.contains("sealed under another key-encryption key"), "{refused}");
    let text = String::from_utf8(new).expect("digits");
    let again = setup().variable("KEYWAY_KEK", text.trim()).start_in(home.path()).await;
    let list = again.manager().get("/api/v1/byok").await.json();
    assert_eq!(list["total_count"], json!(1));
}
