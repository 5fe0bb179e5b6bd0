//! What is said in requests of keys that keep it, and of keys that do not.

use std::path::Path;

use http::StatusCode;
use keyway_testkit::{Client, Gateway, Provider, Script, eventually};
use serde_json::{Value, json};

use crate::faces;
use crate::nodes::nodes;
use crate::setup;

const MODEL: &str = "keyway/echo";
/// The operator's own pattern is `canary-[0-9]+`.
const SAID: &str = "plainly said, canary-7, to ann@mail.example.org";
const KEPT: &str = "plainly said, [masked], to [masked]";
const CONFIG: &str = "[content]\nredact = [\"canary-[0-9]+\"]\n";

async fn gateway(config: &str) -> Gateway {
    setup().config(config).variable("KEYWAY_LOG", "trace").start().await
}

async fn key(manager: &Client, log_content: bool) -> (String, String) {
    let (key, secret) = manager.create_key(&json!({"name": "a", "log_content": log_content})).await;
    assert_eq!(key["log_content"], log_content, "{key}");
    (key["hash"].as_str().expect("a hash").to_owned(), secret)
}

/// Says it in every dialect, plain and streaming. Answers with the id, and what was asked.
async fn say(client: &Client) -> Vec<(String, Value)> {
    let messages = json!([{"role": "user", "content": SAID}]);
    let kept = json!({"messages": [{"role": "user", "content": KEPT}]});
    let mut said = Vec::new();
    for (path, body, input) in [
        ("/chat/completions", json!({"messages": messages}), kept.clone()),
        ("/messages", json!({"messages": messages, "max_tokens": 99}), kept.clone()),
        ("/responses", json!({"input": SAID}), kept),
        ("/completions", json!({"prompt": SAID}), json!({"prompt": KEPT})),
    ] {
        for streamed in [false, true] {
            let mut body = body.clone();
            body["model"] = MODEL.into();
            body["stream"] = streamed.into();
            let reply = client.post(&format!("/api/v1{path}"), &body).await;
            assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
            let id = reply.headers["x-generation-id"].to_str().expect("text").to_owned();
            said.push((id, input.clone()));
        }
    }
    said
}

fn path(id: &str) -> String {
    format!("/api/v1/generation/content?id={id}")
}

/// It is written behind the answer's back.
async fn kept(client: &Client, id: &str) -> Value {
    let told = async || {
        let reply = client.get(&path(id)).await;
        (reply.status == StatusCode::OK).then(|| reply.json()["data"].clone())
    };
    eventually("what was said to be kept", told).await
}

/// Whether it stands in a file of the directory, or in what was logged.
fn is_found(text: &str, directory: &Path, log: &str) -> bool {
    let files = std::fs::read_dir(directory).expect("the data directory").flatten();
    let mut texts: Vec<Vec<u8>> =
        files.filter_map(|file| std::fs::read(file.path()).ok()).collect();
    texts.push(log.as_bytes().to_vec());
    texts.iter().any(|it| it.windows(text.len()).any(|at| at == text.as_bytes()))
}

#[tokio::test]
async fn what_is_said_is_kept_masked_and_sealed_where_the_key_wants_it() {
    let gateway = gateway(CONFIG).await;
    let manager = gateway.manager();
    let (hash, secret) = key(&manager, true).await;
    let (_, other) = key(&manager, false).await;
    let client = gateway.client(&secret);
    let said = say(&client).await;
    for (id, input) in &said {
        let content = kept(&client, id).await;
        let completion = content["output"]["completion"].as_str().expect("an answer");
        assert!(completion.contains(KEPT) && !completion.contains("canary"), "{content}");
        let expected = json!({"input": input, "output": {"completion": completion, "reasoning": null}, "error": null});
        assert_eq!(content, expected);
        assert_eq!(kept(&manager, id).await, content);
        let others = gateway.client(&other).get(&path(id)).await;
        assert_eq!(others.status, StatusCode::NOT_FOUND, "{others:?}");
    }
    for text in ["canary-7", "plainly said", "ann@mail.example.org"] {
        assert!(!is_found(text, gateway.data_dir(), &gateway.log()), "{text} is found");
    }
    // Whoever opens it no more keeps nothing more, and what was kept goes with the key.
    let off = manager.patch(&format!("/api/v1/keys/{hash}"), &json!({"log_content": false})).await;
    assert_eq!(off.json()["data"]["log_content"], false, "{off:?}");
    let later = client.chat(MODEL, SAID).await;
    let later = later.headers["x-generation-id"].to_str().expect("text").to_owned();
    assert_eq!(kept(&client, &said[0].0).await["input"], said[0].1);
    assert_eq!(client.get(&path(&later)).await.status, StatusCode::NOT_FOUND);
    assert_eq!(manager.delete(&format!("/api/v1/keys/{hash}")).await.status, StatusCode::OK);
    for (id, _) in &said {
        assert_eq!(manager.get(&path(id)).await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn nothing_is_kept_of_other_keys() {
    let gateway = gateway("").await;
    let manager = gateway.manager();
    let (_, silent) = key(&manager, false).await;
    let (_, recorded) = key(&manager, true).await;
    let client = gateway.client(&silent);
    let said = say(&client).await;
    // What is queued behind them is written after them.
    let mark = gateway.client(&recorded).chat(MODEL, "a mark").await;
    let mark = mark.headers["x-generation-id"].to_str().expect("text").to_owned();
    kept(&manager, &mark).await;
    for (id, _) in said {
        for client in [&client, &manager] {
            assert_eq!(client.get(&path(&id)).await.status, StatusCode::NOT_FOUND);
        }
    }
    for text in ["canary-7", "plainly said"] {
        assert!(!is_found(text, gateway.data_dir(), &gateway.log()), "{text} is found");
    }
    let none = client.get("/api/v1/generation/content").await;
    assert_eq!(none.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_configuration_may_forbid_it_and_bounds_it() {
    let gateway = gateway("[content]\nallowed = false\n").await;
    let manager = gateway.manager();
    let refused = manager.post("/api/v1/keys", &json!({"name": "a", "log_content": true})).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{refused:?}");
    assert!(refused.error().contains("log_content"), "{}", refused.error());
    key(&manager, false).await;

    let gateway = self::gateway("[content]\nmax_bytes = 100\n").await;
    let (_, secret) = key(&gateway.manager(), true).await;
    let client = gateway.client(&secret);
    let reply = client.chat(MODEL, &"z".repeat(9_000)).await;
    let id = reply.headers["x-generation-id"].to_str().expect("text").to_owned();
    let content = kept(&client, &id).await;
    for text in [&content["input"]["messages"][0]["content"], &content["output"]["completion"]] {
        let text = text.as_str().expect("a text");
        assert!(text.len() < 120 && text.ends_with("… [cut]"), "{content}");
    }
}

#[tokio::test]
async fn a_break_is_kept_with_what_was_said_before_it() {
    let provider = Provider::start().await;
    let chunk = json!({"choices": [{"delta": {"content": "as far", "reasoning": "hm"}}]});
    let error = json!({"error": {"code": 503, "message": "overloaded, canary-7"}});
    provider.always(Script::events(&[&chunk.to_string(), &error.to_string()]));
    let models = format!(
        "{CONFIG}[[providers]]\nslug = \"acme\"\nname = \"Acme\"\ndialect = \"openai\"\nbase_url = \"{}\"\n\n\
         [[models]]\nid = \"acme/fast\"\ncontext_length = 8000\nmax_completion_tokens = 100\n\n\
         [[models.endpoints]]\nprovider = \"acme\"\nupstream_model = \"mock\"\n\
         pricing = {{ prompt = \"0.000001\", completion = \"0.000002\" }}\n",
        provider.base_url
    );
    let gateway = gateway(&models).await;
    let (_, secret) = key(&gateway.manager(), true).await;
    let client = gateway.client(&secret);
    let stream = client.chat_stream("acme/fast", SAID).await.expect("a stream");
    let id = stream.headers["x-generation-id"].to_str().expect("text").to_owned();
    stream.rest().await;
    let content = kept(&client, &id).await;
    assert_eq!(content["output"], json!({"completion": "as far", "reasoning": "hm"}));
    let error = json!({
        "status": 503, "message": "overloaded, [masked]", "provider_name": "Acme", "raw": null,
        "previous_errors": [],
    });
    assert_eq!(content["error"], error);
}

#[tokio::test]
async fn another_node_tells_what_was_said_on_one() {
    let nodes = nodes(2).await;
    let [one, other] = &nodes.gateways[..] else { panic!("two nodes") };
    let (hash, secret) = key(&one.manager(), true).await;
    let reply = one.client(&secret).chat(MODEL, "said here").await;
    let id = reply.headers["x-generation-id"].to_str().expect("text").to_owned();
    let content = kept(&other.client(&secret), &id).await;
    assert_eq!(content["input"]["messages"][0]["content"], "said here");
    let deleted = other.manager().delete(&format!("/api/v1/keys/{hash}")).await;
    assert_eq!(deleted.status, StatusCode::OK);
    assert_eq!(one.manager().get(&path(&id)).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_is_embedded_and_ranked_is_kept_as_well() {
    let provider = Provider::start().await;
    let gateway = faces::gateway(&provider).await;
    let manager = gateway.manager();
    let (_, secret) = key(&manager, true).await;
    let client = gateway.client(&secret);
    let ranking = json!({"results": [{"index": 0, "relevance_score": 0.9}]});
    let vectors = json!({"data": [{"index": 0, "embedding": [1.0]}]});
    for (path, body, answer, prompt) in [
        ("embeddings", json!({"input": SAID}), vectors.clone(), "plainly said"),
        ("embeddings", json!({"input": ["one", SAID]}), vectors, "[\"one\",\"plainly said"),
        (
            "rerank",
            json!({"query": SAID, "documents": ["one"]}),
            ranking,
            "{\"query\":\"plainly said",
        ),
    ] {
        let mut answer = answer;
        answer["usage"] = json!({"prompt_tokens": 10, "total_tokens": 10});
        provider.then(Script::json(200, &answer));
        let mut body = body;
        body["model"] = "acme/fast".into();
        let reply = client.post(&format!("/api/v1/{path}"), &body).await;
        assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
        let id = reply.headers["x-generation-id"].to_str().expect("text");
        let content = kept(&client, id).await;
        let said = content["input"]["prompt"].as_str().expect("a prompt");
        assert!(said.starts_with(prompt) && !said.contains("ann@"), "{content}");
        assert_eq!(content["output"], json!({"completion": null, "reasoning": null}));
    }
}
