//! The life of a key, as the contract has it.

use http::StatusCode;
use serde_json::{Value, json};

use crate::gateway;

const FIELDS: [&str; 22] = [
    "hash",
    "name",
    "label",
    "disabled",
    "limit",
    "limit_remaining",
    "limit_reset",
    "include_byok_in_limit",
    "usage",
    "usage_daily",
    "usage_weekly",
    "usage_monthly",
    "byok_usage",
    "byok_usage_daily",
    "byok_usage_weekly",
    "byok_usage_monthly",
    "created_at",
    "updated_at",
    "expires_at",
    "creator_user_id",
    "workspace_id",
    "external_user",
];

#[tokio::test]
async fn a_new_key_has_every_field_and_its_string_once() {
    let gateway = gateway().await;
    let manager = gateway.manager();
    let body = json!({
        "name": "Customer Instance Key", "limit": 1000, "limit_reset": "monthly",
        "include_byok_in_limit": true, "expires_at": "2099-12-31T23:59:59.000Z",
        "creator_user_id": "user_1", "external": {"user": "theirs"}, "label": "ignored", "new": 1,
    });
    let (key, string) = manager.create_key(&body).await;
    for field in FIELDS {
        assert!(key.get(field).is_some(), "{field} is missing in {key}");
    }
    assert_eq!(key["last_used_at"], Value::Null);
    assert_eq!((string.len(), &string[..9]), (73, "sk-or-v1-"));
    assert_eq!(key["label"], format!("{}...{}", &string[..12], &string[70..]));
    assert_eq!(key["limit"].to_string(), "1000");
    assert_eq!(key["limit_remaining"].to_string(), "1000");
    assert_eq!(key["expires_at"], "2099-12-31T23:59:59Z");
    assert_eq!((&key["updated_at"], &key["usage"]), (&Value::Null, &json!(0)));
    assert_eq!(
        (&key["external_user"], &key["creator_user_id"]),
        (&json!("theirs"), &json!("user_1"))
    );

    let hash = key["hash"].as_str().expect("a hash");
    let shown = manager.get(&format!("/api/v1/keys/{hash}")).await;
    assert_eq!(shown.json(), json!({"data": key}), "the string is in no other answer");
    let list = manager.get("/api/v1/keys/").await.json();
    assert_eq!(list, json!({"data": [key]}));
}

#[tokio::test]
async fn a_patch_tells_absent_from_null() {
    let gateway = gateway().await;
    let manager = gateway.manager();
    let (key, string) =
        manager.create_key(&json!({"name": "one", "limit": 75, "limit_reset": "daily"})).await;
    let path = format!("/api/v1/keys/{}", key["hash"].as_str().expect("a hash"));

    let unchanged = manager.patch(&path, &json!({})).await.json();
    assert_eq!(
        (&unchanged["data"]["limit"], &unchanged["data"]["limit_reset"]),
        (&json!(75), &json!("daily"))
    );
    assert!(unchanged["data"]["updated_at"].is_string());

    let nulls = json!({"name": null, "disabled": null, "include_byok_in_limit": null});
    let same = manager.patch(&path, &nulls).await.json();
    assert_eq!((&same["data"]["name"], &same["data"]["disabled"]), (&json!("one"), &json!(false)));

    let cleared = manager.patch(&path, &json!({"limit": null, "limit_reset": null})).await.json();
    let fields =
        ["limit", "limit_remaining", "limit_reset"].map(|field| cleared["data"][field].clone());
    assert_eq!(fields, [Value::Null, Value::Null, Value::Null]);

    let owner = gateway.client(&string);
    assert_eq!(owner.get("/api/v1/key").await.status, StatusCode::OK);
    manager.patch(&path, &json!({"disabled": true})).await;
    assert_eq!(owner.get("/api/v1/key").await.error(), "This API key is disabled");
    manager.patch(&path, &json!({"disabled": false})).await;
    assert_eq!(owner.get("/api/v1/key").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_deleted_key_is_gone_at_once() {
    let gateway = gateway().await;
    let manager = gateway.manager();
    let (key, string) = manager.create_key(&json!({"name": "short-lived"})).await;
    let path = format!("/api/v1/keys/{}", key["hash"].as_str().expect("a hash"));
    let owner = gateway.client(&string);
    assert_eq!(owner.chat("keyway/echo", "hello").await.status, StatusCode::OK);
    let deleted = manager.delete(&path).await;
    assert_eq!((deleted.status, deleted.json()["deleted"].clone()), (StatusCode::OK, json!(true)));
    assert_eq!(owner.chat("keyway/echo", "hello").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(manager.delete(&path).await.error(), "Resource not found");
    assert_eq!(manager.get(&path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(manager.get("/api/v1/keys?include_disabled=true").await.json(), json!({"data": []}));
}

#[tokio::test]
async fn lists_come_in_pages_newest_first() {
    let gateway = gateway().await;
    let manager = gateway.manager();
    for number in 0..105 {
        manager.create_key(&json!({"name": format!("key {number:03}")})).await;
    }
    let names = async |query: &str| -> Vec<String> {
        let reply = manager.get(&format!("/api/v1/keys{query}")).await;
        assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
        let list = reply.json();
        let keys = list["data"].as_array().expect("a list").clone();
        keys.iter().map(|key| key["name"].as_str().expect("a name").to_owned()).collect()
    };
    let first = names("").await;
    assert_eq!((first.len(), first[0].as_str(), first[99].as_str()), (100, "key 104", "key 005"));
    assert_eq!(names("?offset=100").await, ["key 004", "key 003", "key 002", "key 001", "key 000"]);
    assert_eq!(names("?offset=105").await, [""; 0]);
    assert_eq!(names("?offset=").await.len(), 100);
    assert_eq!(names("?limit=1000").await.len(), 105);
    assert_eq!(names("?q=KEY%2000&sort=name&limit=2").await, ["key 000", "key 001"]);
    assert_eq!(names("?q=%25").await, [""; 0]);

    let page = manager.get("/api/v1/keys?limit=2").await.json();
    let last = page["data"][1]["hash"].as_str().expect("a hash");
    manager.delete(&format!("/api/v1/keys/{last}")).await;
    assert_eq!(names(&format!("?limit=2&after={last}")).await, ["key 102", "key 101"]);
}

#[tokio::test]
async fn disabled_and_expired_keys_are_listed_when_asked_for() {
    let gateway = gateway().await;
    let manager = gateway.manager();
    let (disabled, _) = manager.create_key(&json!({"name": "disabled"})).await;
    let hash = disabled["hash"].as_str().expect("a hash");
    manager.patch(&format!("/api/v1/keys/{hash}"), &json!({"disabled": true})).await;
    let soon = manager.create_key(&json!({"name": "expires", "expires_at": in_a_moment()})).await;
    let owner = gateway.client(&soon.1);
    keyway_testkit::eventually("the key expires", async || {
        let reply = owner.get("/api/v1/key").await;
        (reply.status == StatusCode::UNAUTHORIZED).then(|| reply.error())
    })
    .await;
    let count = async |query: &str| {
        let list = manager.get(&format!("/api/v1/keys?{query}")).await.json();
        list["data"].as_array().expect("a list").len()
    };
    assert_eq!(count("").await, 0);
    assert_eq!(count("include_disabled=true").await, 1);
    assert_eq!(count("include_expired=1").await, 1);
    assert_eq!(count("include_expired=TRUE&include_disabled=1").await, 2);
    let path = format!("/api/v1/keys/{}", soon.0["hash"].as_str().expect("a hash"));
    assert_eq!(manager.get(&path).await.status, StatusCode::OK, "expired keys are shown");
}

fn in_a_moment() -> String {
    use keyway_core::clock::Clock;
    keyway_server::clock::SystemClock.now().plus_seconds(2).to_string()
}

#[tokio::test]
async fn management_keys_are_made_listed_and_revoked() {
    let gateway = gateway().await;
    let manager = gateway.manager();
    let list = manager.get("/api/v1/management-keys").await.json();
    let first = list["data"][0]["hash"].as_str().expect("the one of the start").to_owned();
    let refused = manager.delete(&format!("/api/v1/management-keys/{first}")).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "nobody could manage any more");

    let made = manager.post("/api/v1/management-keys", &json!({"name": "second"})).await.json();
    let second = gateway.client(made["key"].as_str().expect("a key string"));
    let revoked = second.delete(&format!("/api/v1/management-keys/{first}")).await;
    assert_eq!(revoked.status, StatusCode::OK);
    assert_eq!(manager.get("/api/v1/keys").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        second.get("/api/v1/keys").await.json(),
        json!({"data": []}),
        "they are not listed here"
    );
    let hash = made["data"]["hash"].as_str().expect("a hash");
    let as_inference = second.get(&format!("/api/v1/keys/{hash}")).await;
    assert_eq!(as_inference.status, StatusCode::NOT_FOUND);
}
