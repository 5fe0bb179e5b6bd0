//! Embeddings and rankings at providers that say them in their own words: clients hear OpenRouter's, and
//! pay what each reports.

use http::StatusCode;
use keyway_testkit::{Gateway, Provider, Script};
use serde_json::{Value, json};

use super::{key, spent};
use crate::setup;

const EMBEDDINGS: &str = "/api/v1/embeddings";
const RERANK: &str = "/api/v1/rerank";

/// A gateway before providers, each of a dialect and with its name of the one model, in this order.
async fn gateway(providers: &[(&Provider, &str, &str)], pricing: &str) -> Gateway {
    let numbered = || providers.iter().enumerate();
    let addresses = numbered().map(|(number, (provider, dialect, _))| {
        let url = &provider.base_url;
        format!(
            "[[providers]]\nslug = \"p{number}\"\ndialect = \"{dialect}\"\nbase_url = \"{url}\"\n"
        )
    });
    let model =
        "[[models]]\nid = \"acme/fast\"\ncontext_length = 8000\nmax_completion_tokens = 1\n";
    let endpoints = numbered().map(|(number, (.., upstream))| {
        format!(
            "[[models.endpoints]]\nprovider = \"p{number}\"\nupstream_model = \"{upstream}\"\n\
             pricing = {{ {pricing} }}\n"
        )
    });
    let toml: String = addresses.chain([model.to_owned()]).chain(endpoints).collect();
    setup().config(&toml).start().await
}

const PER_TOKEN: &str = "prompt = \"0.000001\", completion = \"0\"";

#[tokio::test]
async fn vectors_of_every_dialect_are_heard_and_paid_alike() {
    let cohere = json!({
        "embeddings": {"float": [[0.5, -0.5]]}, "meta": {"billed_units": {"input_tokens": 10}},
    });
    let gemini = json!({
        "embeddings": [{"values": [0.5, -0.5]}], "usageMetadata": {"promptTokenCount": 10},
    });
    let titan = json!({"embedding": [0.5, -0.5], "inputTextTokenCount": 10});
    for (dialect, upstream, path, answer) in [
        ("cohere", "embed-v4.0", "/v1/embed", cohere),
        ("gemini", "embedding", "/v1/models/embedding:batchEmbedContents", gemini),
        (
            "bedrock",
            "amazon.titan-embed-text-v2:0",
            "/v1/model/amazon.titan-embed-text-v2%3A0/invoke",
            titan,
        ),
    ] {
        let provider = Provider::start().await;
        provider.always(Script::json(200, &answer));
        let gateway = gateway(&[(&provider, dialect, upstream)], PER_TOKEN).await;
        let (hash, string) = key(&gateway).await;
        let body = json!({"model": "acme/fast", "input": "one"});
        let reply = gateway.client(&string).post(EMBEDDINGS, &body).await;
        assert_eq!(reply.status, StatusCode::OK, "{dialect}: {reply:?}");
        let said = reply.json();
        let vector = json!([{"object": "embedding", "index": 0, "embedding": [0.5, -0.5]}]);
        assert_eq!((&said["data"], &said["model"]), (&vector, &json!("acme/fast")), "{dialect}");
        assert_eq!(said["usage"]["cost"].to_string(), "0.00001", "{dialect}");
        assert_eq!(spent(&gateway, &hash).await, "0.00001");
        assert_eq!(provider.received()[0].path, path);
    }
}

#[tokio::test]
async fn tokens_that_amazon_tells_in_a_header_are_the_ones_that_count() {
    let provider = Provider::start().await;
    let headers = vec![
        ("content-type", "application/json".to_owned()),
        ("x-amzn-bedrock-input-token-count", "7".to_owned()),
    ];
    let body = json!({"embeddings": [[0.5], [0.25]]}).to_string();
    provider.always(Script::Answer { status: 200, headers, body });
    let gateway = gateway(&[(&provider, "bedrock", "cohere.embed-english-v3")], PER_TOKEN).await;
    let (hash, string) = key(&gateway).await;
    let body = json!({"model": "acme/fast", "input": ["one", "two"]});
    let said = gateway.client(&string).post(EMBEDDINGS, &body).await.json();
    assert_eq!(said["data"][1]["embedding"], json!([0.25]), "{said}");
    assert_eq!(spent(&gateway, &hash).await, "0.000007");
}

#[tokio::test]
async fn a_ranking_costs_as_many_search_units_as_its_provider_counts() {
    let provider = Provider::start().await;
    let ranking = json!({
        "results": [{"index": 1, "relevance_score": 0.9}],
        "meta": {"billed_units": {"search_units": 2}},
    });
    provider.always(Script::json(200, &ranking));
    let pricing = "prompt = \"0\", completion = \"0\", request = \"0.002\"";
    let gateway = gateway(&[(&provider, "cohere", "rerank-v3.5")], pricing).await;
    let (hash, string) = key(&gateway).await;
    let documents: Vec<String> = (0..150).map(|number| format!("document {number}")).collect();
    let body = json!({"model": "acme/fast", "query": "q", "documents": documents, "top_n": 1});
    let dry = gateway.client(&string).post(&format!("{RERANK}?dry_run=true"), &body).await.json();
    assert_eq!(dry["data"]["reserves"].to_string(), "0.004", "{dry}");
    let said = gateway.client(&string).post(RERANK, &body).await.json();
    assert_eq!(said["results"][0]["document"], json!({"text": "document 1"}), "{said}");
    assert_eq!(said["usage"]["search_units"], 2);
    assert_eq!(said["usage"]["cost"].to_string(), "0.004");
    assert_eq!(spent(&gateway, &hash).await, "0.004");
    let received = provider.received().remove(0);
    assert_eq!(received.path, "/v1/rerank");
    assert_eq!(received.body["documents"][149], "document 149");
}

#[tokio::test]
async fn who_cannot_take_it_is_passed_over_and_named_where_nobody_can() {
    let (titan, plain) = (Provider::start().await, Provider::start().await);
    let vectors = json!({
        "data": [{"embedding": [1.0]}, {"embedding": [2.0]}], "usage": {"prompt_tokens": 4},
    });
    plain.always(Script::json(200, &vectors));
    let model = "amazon.titan-embed-text-v2:0";
    let gateway = gateway(&[(&titan, "bedrock", model), (&plain, "openai", "m")], PER_TOKEN).await;
    let (_, string) = key(&gateway).await;
    let mut body = json!({
        "model": "acme/fast", "input": ["one", "two"], "provider": {"order": ["p0", "p1"]},
    });
    let said = gateway.client(&string).post(EMBEDDINGS, &body).await.json();
    assert_eq!(said["data"][1]["embedding"], json!([2.0]), "{said}");
    body["provider"] = json!({"only": ["p0"]});
    let refused = gateway.client(&string).post(EMBEDDINGS, &body).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{refused:?}");
    let told: Value = refused.json()["error"].clone();
    assert_eq!(told["message"], "input: must be one text: Titan embeds one at a time");
    assert!(titan.received().is_empty());
}
