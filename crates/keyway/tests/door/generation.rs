//! What a request was, when it is asked for by its id.

use http::StatusCode;
use serde_json::{Value, json};

use crate::gateway;

/// The contract's table (Appendix): what has to be there, be it null.
const FIELDS: [&str; 43] = [
    "api_type",
    "app_id",
    "cache_discount",
    "cancelled",
    "created_at",
    "data_region",
    "external_user",
    "finish_reason",
    "generation_time",
    "http_referer",
    "id",
    "is_byok",
    "latency",
    "model",
    "moderation_latency",
    "native_finish_reason",
    "native_tokens_cached",
    "native_tokens_completion",
    "native_tokens_completion_images",
    "native_tokens_prompt",
    "native_tokens_reasoning",
    "num_fetches",
    "num_input_audio_prompt",
    "num_media_completion",
    "num_media_prompt",
    "num_search_results",
    "origin",
    "preset_id",
    "provider_name",
    "provider_responses",
    "router",
    "service_tier",
    "streamed",
    "tokens_completion",
    "tokens_prompt",
    "total_cost",
    "upstream_id",
    "upstream_inference_cost",
    "usage",
    "user_agent",
    "web_search_engine",
    "workspace_id",
    "ending",
];

#[tokio::test]
async fn a_request_is_told_to_who_made_it_at_once() {
    let gateway = gateway().await;
    let manager = gateway.manager();
    let (_, key) = manager.create_key(&json!({"name": "a"})).await;
    let (_, other) = manager.create_key(&json!({"name": "b"})).await;
    let answer = gateway.client(&key).chat("keyway/echo", "hello").await;
    let id = answer.headers["x-generation-id"].to_str().expect("text").to_owned();
    let path = format!("/api/v1/generation?id={id}");
    let shown = gateway.client(&key).get(&path).await;
    assert_eq!(shown.status, StatusCode::OK, "{shown:?}");
    let data = shown.json()["data"].clone();
    for field in FIELDS {
        assert!(data.get(field).is_some(), "{field} is missing in {data}");
    }
    assert_eq!((&data["id"], &data["model"]), (&json!(id), &json!("keyway/echo")));
    let usage = answer.json()["usage"].clone();
    assert_eq!(data["usage"].to_string(), usage["cost"].to_string());
    assert_eq!(data["tokens_completion"], usage["completion_tokens"]);
    assert_eq!((&data["is_byok"], &data["upstream_inference_cost"]), (&json!(false), &Value::Null));
    assert_eq!((&data["streamed"], &data["cancelled"]), (&json!(false), &json!(false)));
    assert_eq!(manager.get(&path).await.json(), shown.json());
    let unknown = "/api/v1/generation?id=gen-0198a1b2c3d47e5f8a9b0c1d2e3f4a5b";
    for reply in [
        gateway.client(&other).get(&path).await,
        gateway.client(&key).get(unknown).await,
        gateway.client(&key).get("/api/v1/generation?id=nobody").await,
    ] {
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{reply:?}");
    }
    let none = gateway.client(&key).get("/api/v1/generation").await;
    assert_eq!(none.status, StatusCode::BAD_REQUEST);
}
