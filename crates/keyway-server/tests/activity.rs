//! What was used, as `/activity` and `/generation` tell it, over days that are over.

use std::sync::Arc;

use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use keyway_core::budget::Windows;
use keyway_core::clock::{Clock, ManualClock};
use keyway_core::id::{AccountId, WorkspaceId};
use keyway_core::key::{KeyName, NewKey, SecretRecord};
use keyway_core::ledger::Metered;
use keyway_core::secret::{InstallationSecret, KEY_ENTROPY_BYTES, KeyPrefix, KeySecret};
use keyway_core::store::contract::fixture::{charged, create, inference, metered, now};
use keyway_core::store::model::MemoryStore;
use keyway_core::store::{KeyCreation, Store};
use keyway_server::app::App;
use keyway_server::config::Config;
use keyway_server::http::router::router;
use serde_json::{Value, json};
use tower::ServiceExt;

struct Place {
    app: Arc<App>,
    store: Arc<MemoryStore>,
    manager: KeySecret,
}

async fn place() -> Place {
    let store = Arc::new(MemoryStore::new(WorkspaceId::from_random([1; 16])));
    let installation = InstallationSecret::new(&[7; 32]);
    let manager = KeySecret::mint(&KeyPrefix::default(), &[3; KEY_ENTROPY_BYTES]);
    let name = KeyName::new("manager").expect("a name");
    let key = NewKey::management(name, store.default_workspace());
    let secret = SecretRecord::minted(&manager, &installation);
    let creation = KeyCreation { key, secret, idempotency: None };
    store.key_create(creation, now()).await.expect("created");
    let shared: Arc<dyn Store> = Arc::clone(&store) as Arc<dyn Store>;
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(now()));
    let (url, node) = ("http://gateway".to_owned(), "one".to_owned());
    let app = App::start(&Config::default(), shared, installation.into(), clock, url, node).await;
    let app = app.expect("started");
    app.node.in_force().await.expect("polled");
    Place { app, store, manager }
}

impl Place {
    async fn get(&self, path: &str) -> (StatusCode, Value) {
        let request = Request::get(format!("/api/v1{path}"))
            .header("authorization", format!("Bearer {}", self.manager.expose()))
            .body(Body::empty())
            .expect("a request");
        let response = router(Arc::clone(&self.app)).oneshot(request).await.expect("infallible");
        let status = response.status();
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        (status, serde_json::from_slice(&body).expect("JSON"))
    }

    async fn rows(&self, query: &str) -> Vec<(String, String, String)> {
        let (status, body) = self.get(&format!("/activity{query}")).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let text = |row: &Value, field: &str| row[field].as_str().expect(field).to_owned();
        let row = |row: &Value| (text(row, "date"), text(row, "model"), row["usage"].to_string());
        body["data"].as_array().expect("rows").iter().map(row).collect()
    }
}

#[tokio::test]
async fn completed_days_are_told_newest_first() {
    let place = place().await;
    let key = create(place.store.as_ref(), inference(place.store.as_ref(), "used")).await;
    let (day, mut ids) = (86_400, Vec::new());
    for (number, ago, model, charge) in [
        (1, 0, "a/one", 5),
        (2, 1, "a/one", 7),
        (3, 2, "a/one", 11),
        (4, 2, "b/two", 13),
        (5, 31, "a/one", 17),
    ] {
        let admitted_at = now().plus_seconds(-ago * day);
        let request = Metered::clone(&metered(number, &key, admitted_at));
        let accounts = vec![AccountId::INSTALLATION, key.account];
        let windows = Windows::at(admitted_at);
        let request = Arc::new(Metered { accounts, windows, model: model.to_owned(), ..request });
        ids.push(request.id);
        place.store.settle(charged(&request, charge)).await.expect("settled");
    }
    let row = |date: &str, model: &str, usage: &str| {
        (date.to_owned(), model.to_owned(), format!("0.0000000{usage}"))
    };
    let expected = vec![
        row("2026-07-14", "a/one", "07"),
        row("2026-07-13", "b/two", "13"),
        row("2026-07-13", "a/one", "11"),
    ];
    let of_key = format!("?api_key_hash={}", key.hash);
    for query in ["", "?group_by=workspace", &of_key] {
        assert_eq!(place.rows(query).await, expected, "{query}");
    }
    assert_eq!(place.rows("?date=2026-07-13").await, expected[1..]);
    let (_, body) = place.get("/activity?date=2026-07-14&group_by=workspace").await;
    let workspace = place.store.default_workspace().to_string();
    let whole = json!({
        "date": "2026-07-14", "model": "a/one", "model_permaslug": "a/one",
        "endpoint_id": "echo/a/one", "provider_name": "echo", "usage": body["data"][0]["usage"],
        "byok_usage_inference": body["data"][0]["byok_usage_inference"], "requests": 1,
        "prompt_tokens": 5, "completion_tokens": 7, "reasoning_tokens": 3, "cached_tokens": 2,
        "workspace_id": workspace,
    });
    assert_eq!(body["data"][0], whole);
    assert_eq!(body["data"][0]["byok_usage_inference"].to_string(), "0.000000003");
    for (query, status) in [
        ("?date=2026-07-15", StatusCode::BAD_REQUEST),
        ("?group_by=model", StatusCode::BAD_REQUEST),
        ("?user_id=ann", StatusCode::BAD_REQUEST),
        ("?api_key_hash=x", StatusCode::BAD_REQUEST),
        ("?workspace_id=x", StatusCode::BAD_REQUEST),
        (&format!("?api_key_hash={}", "0a".repeat(32)), StatusCode::NOT_FOUND),
    ] {
        assert_eq!(place.get(&format!("/activity{query}")).await.0, status, "{query}");
    }
    let elsewhere = place.rows("?workspace_id=00000000-0000-4000-8000-000000000000").await;
    assert!(elsewhere.is_empty());

    let (status, body) = place.get(&format!("/generation?id={}", ids[1])).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let data = &body["data"];
    assert_eq!((data["usage"].to_string(), &data["is_byok"]), ("0.000000007".into(), &json!(true)));
    assert_eq!(data["upstream_inference_cost"].to_string(), "0.000000003");
    assert_eq!((&data["generation_time"], &data["tokens_prompt"]), (&json!(1_000), &json!(5)));
}
