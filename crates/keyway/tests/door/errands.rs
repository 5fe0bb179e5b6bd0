//! Embeddings and rankings: what is no conversation, and is reserved, charged and refused like one.

use http::StatusCode;
use keyway_testkit::{Provider, Script};
use serde_json::{Value, json};

use crate::faces;

const EMBEDDINGS: &str = "/api/v1/embeddings";
const RERANK: &str = "/api/v1/rerank";

fn vectors() -> Value {
    json!({
        "object": "list", "model": "mock-model",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [1.0, 0.5, -1.25]},
            {"object": "embedding", "index": 1, "embedding": [0.0, 0.0, 0.0]},
        ],
        "usage": {"prompt_tokens": 10, "total_tokens": 10},
    })
}

#[tokio::test]
async fn vectors_are_charged_by_their_prompts() {
    let provider = Provider::start().await;
    provider.always(Script::json(200, &vectors()));
    let gateway = faces::gateway(&provider).await;
    let (hash, key) = faces::key(&gateway).await;
    let body = json!({"model": "acme/fast", "input": ["one", "two"], "dimensions": 3});
    let reply = gateway.client(&key).post(EMBEDDINGS, &body).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    let said = reply.json();
    assert_eq!(said["id"], reply.headers["x-generation-id"].to_str().expect("an id"));
    assert_eq!((&said["object"], &said["model"]), (&json!("list"), &json!("acme/fast")));
    assert_eq!(said["data"][0]["embedding"], json!([1.0, 0.5, -1.25]));
    // 10 × $0.000001
    assert_eq!(said["usage"]["cost"].to_string(), "0.00001");
    assert_eq!(faces::spent(&gateway, &hash).await, "0.00001");
    let mut encoded = body.clone();
    encoded["encoding_format"] = "base64".into();
    let said = gateway.client(&key).post(EMBEDDINGS, &encoded).await.json();
    assert_eq!(said["data"][0]["embedding"], "AACAPwAAAD8AAKC/");
    let received = provider.received();
    assert_eq!(received[0].path, "/v1/embeddings");
    let sent = json!({"model": "mock-model", "input": ["one", "two"], "dimensions": 3});
    assert_eq!(received[0].body, sent, "and no bound of an answer");
}

#[tokio::test]
async fn what_a_batch_may_cost_is_held_and_refused() {
    let provider = Provider::start().await;
    provider.always(Script::json(200, &vectors()));
    let gateway = faces::gateway(&provider).await;
    let (_, key) = gateway.manager().create_key(&json!({"name": "poor", "limit": 0.0005})).await;
    let client = gateway.client(&key);
    let long = json!({"model": "acme/fast", "input": vec!["some words"; 100]});
    let refused = client.post(EMBEDDINGS, &long).await;
    assert_eq!(refused.status, StatusCode::PAYMENT_REQUIRED, "{refused:?}");
    let dry = client.post(&format!("{EMBEDDINGS}?dry_run=true"), &long).await.json();
    assert_eq!((&dry["data"]["admitted"], &dry["data"]["status"]), (&json!(false), &json!(402)));
    assert!(provider.received().is_empty());
    let short = json!({"model": "acme/fast", "input": "some words"});
    assert_eq!(client.post(EMBEDDINGS, &short).await.status, StatusCode::OK);
}

#[tokio::test]
async fn documents_are_ranked() {
    let provider = Provider::start().await;
    let ranking = json!({
        "results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}],
        "usage": {"total_tokens": 10},
    });
    provider.always(Script::json(200, &ranking));
    let gateway = faces::gateway(&provider).await;
    let (hash, key) = faces::key(&gateway).await;
    let body = json!({"model": "acme/fast", "query": "q", "documents": ["one", "two"]});
    let reply = gateway.client(&key).post(RERANK, &body).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    let said = reply.json();
    assert_eq!(said["results"][0]["document"], json!({"text": "two"}));
    assert_eq!(said["usage"]["cost"].to_string(), "0.00001");
    assert_eq!(faces::spent(&gateway, &hash).await, "0.00001");
    assert_eq!(provider.received()[0].path, "/v1/rerank");
}

#[tokio::test]
async fn what_cannot_be_read_or_done_is_refused_and_free() {
    let provider = Provider::start().await;
    provider.always(Script::json(200, &json!({"error": {"message": "no such model here"}})));
    let gateway = faces::gateway(&provider).await;
    let (hash, key) = faces::key(&gateway).await;
    let client = gateway.client(&key);
    for (path, body, status, told) in [
        (EMBEDDINGS, json!({"model": "acme/fast", "input": ""}), 400, "input: must not be empty"),
        (
            EMBEDDINGS,
            json!({"model": "no/model", "input": "x"}),
            400,
            "no/model is not a valid model ID",
        ),
        (
            EMBEDDINGS,
            json!({"model": "keyway/echo", "input": "x"}),
            400,
            "model: keyway/echo only talks",
        ),
        (EMBEDDINGS, json!({"model": "acme/fast", "input": "x"}), 502, "Provider returned error"),
        (
            RERANK,
            json!({"model": "acme/fast", "query": "q", "documents": []}),
            400,
            "documents: must be an array of 1 to 2048 documents",
        ),
    ] {
        let reply = client.post(path, &body).await;
        assert_eq!((reply.status.as_u16(), reply.error()), (status, told.to_owned()));
    }
    assert_eq!(faces::spent(&gateway, &hash).await, "0");
}
