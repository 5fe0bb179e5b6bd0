//! OpenAI's Responses and first completions through the public door.

use http::StatusCode;
use keyway_testkit::{Provider, Script};
use serde_json::{Value, json};

use crate::faces::{self, named_events};

const RESPONSES: &str = "/api/v1/responses";
const COMPLETIONS: &str = "/api/v1/completions";

#[tokio::test]
async fn a_response_is_asked_and_answered_in_items() {
    let provider = Provider::start().await;
    provider.then(Script::json(200, &faces::called()));
    let gateway = faces::gateway(&provider).await;
    let (hash, key) = faces::key(&gateway).await;
    let body = json!({
        "model": "acme/fast", "instructions": "be brief", "max_output_tokens": 50,
        "input": [{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}],
        "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}],
    });
    let reply = gateway.client(&key).post(RESPONSES, &body).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    let response = reply.json();
    assert_eq!(response["id"], reply.headers["x-generation-id"].to_str().expect("an id"));
    let kinds: Vec<_> =
        response["output"].as_array().expect("items").iter().map(|it| &it["type"]).collect();
    assert_eq!(kinds, ["message", "function_call"]);
    assert_eq!(
        (&response["output"][1]["call_id"], &response["instructions"]),
        (&json!("call-1"), &json!("be brief"))
    );
    assert_eq!(response["usage"]["cost"].to_string(), "0.000018");
    assert_eq!(faces::spent(&gateway, &hash).await, "0.000018");
    let sent = &provider.received()[0].body;
    let expected = json!([
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": [{"type": "text", "text": "hi"}]},
    ]);
    assert_eq!((&sent["messages"], &sent["max_tokens"]), (&expected, &json!(50)));
    assert!(sent.get("input").is_none(), "{sent}");
}

#[tokio::test]
async fn the_event_that_completes_a_response_carries_its_charge() {
    let provider = Provider::start().await;
    provider.then(faces::stream());
    let gateway = faces::gateway(&provider).await;
    let (hash, key) = faces::key(&gateway).await;
    let body = json!({"model": "acme/fast", "input": "hi", "stream": true});
    let mut events = named_events(&gateway.client(&key), RESPONSES, &body).await;
    assert_eq!(events.pop(), Some((String::new(), json!("[DONE]"))));
    for (number, (name, event)) in events.iter().enumerate() {
        assert_eq!((&event["type"], &event["sequence_number"]), (&json!(name), &json!(number)));
    }
    let (name, last) = events.last().expect("events");
    assert_eq!(
        (name.as_str(), &last["response"]["status"]),
        ("response.completed", &json!("completed"))
    );
    assert_eq!(last["response"]["output"][0]["content"][0]["text"], "hello");
    assert_eq!(last["response"]["usage"]["cost"].to_string(), faces::spent(&gateway, &hash).await);
    assert_eq!(faces::spent(&gateway, &hash).await, "0.000018");
}

#[tokio::test]
async fn a_response_that_fails_says_so_and_is_free() {
    let provider = Provider::start().await;
    provider.then(Script::events(&[&faces::delta("hel")]));
    let gateway = faces::gateway(&provider).await;
    let (hash, key) = faces::key(&gateway).await;
    let body = json!({"model": "acme/fast", "input": "hi", "stream": true});
    let events = named_events(&gateway.client(&key), RESPONSES, &body).await;
    let (name, last) = events.last().expect("events");
    assert_eq!(
        (name.as_str(), &last["response"]["error"]["code"]),
        ("response.failed", &json!("server_error"))
    );
    assert_eq!(faces::spent(&gateway, &hash).await, "0");
    let kept = json!({"model": "acme/fast", "input": "hi", "previous_response_id": "resp-1"});
    let refused = gateway.client(&key).post(RESPONSES, &kept).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.error().starts_with("previous_response_id: "), "{refused:?}");
}

#[tokio::test]
async fn a_prompt_is_continued() {
    let provider = Provider::start().await;
    provider.then(Script::json(200, &faces::spoken("upon a time"))).then(faces::stream());
    let gateway = faces::gateway(&provider).await;
    let (hash, key) = faces::key(&gateway).await;
    let body = json!({"model": "acme/fast", "prompt": "once", "max_tokens": 50});
    let whole = gateway.client(&key).post(COMPLETIONS, &body).await;
    assert_eq!(whole.status, StatusCode::OK, "{whole:?}");
    let whole = whole.json();
    assert_eq!(
        (&whole["object"], &whole["choices"][0]["text"]),
        (&json!("text_completion"), &json!("upon a time"))
    );
    assert_eq!(whole["usage"]["cost"].to_string(), "0.000018");
    let body = json!({"model": "acme/fast", "prompt": ["once"], "stream": true});
    let mut events = named_events(&gateway.client(&key), COMPLETIONS, &body).await;
    assert_eq!(events.pop(), Some((String::new(), json!("[DONE]"))));
    let (_, last) = events.pop().expect("the usage");
    assert_eq!(
        (&last["choices"], last["usage"]["cost"].to_string()),
        (&json!([]), "0.000018".to_owned())
    );
    let said: Vec<&str> =
        events.iter().filter_map(|(_, it)| it["choices"][0]["text"].as_str()).collect();
    assert_eq!(said.concat(), "hello");
    assert_eq!(faces::spent(&gateway, &hash).await, "0.000036");
    let sent = &provider.received()[0].body;
    assert_eq!(sent["messages"], json!([{"role": "user", "content": "once"}]));
}

#[tokio::test]
async fn several_prompts_and_a_gap_are_continued_by_who_continues_them() {
    let provider = Provider::start().await;
    let choices = json!([
        {"index": 0, "text": " one", "finish_reason": "stop", "logprobs": null, "new": 1},
        {"index": 1, "text": " two", "finish_reason": "stop", "logprobs": null},
    ]);
    let usage = json!({"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14});
    let said = json!({"id": "cmpl-1", "object": "text_completion", "model": "m", "choices": choices, "usage": usage});
    provider.then(Script::json(200, &said));
    let piece =
        json!({"choices": [{"index": 1, "text": "gap", "finish_reason": "stop"}]}).to_string();
    let counted = json!({"choices": [], "usage": usage}).to_string();
    provider.then(Script::events(&[&piece, &counted, "[DONE]"]));
    let gateway = faces::gateway(&provider).await;
    let (hash, key) = faces::key(&gateway).await;
    let body = json!({"model": "acme/fast", "prompt": [[1, 2], [3]], "max_tokens": 50, "new": 7});
    let whole = gateway.client(&key).post(COMPLETIONS, &body).await;
    assert_eq!(whole.status, StatusCode::OK, "{whole:?}");
    let whole = whole.json();
    assert_eq!((&whole["choices"], &whole["model"]), (&choices, &json!("acme/fast")));
    assert_eq!(whole["usage"]["cost"].to_string(), "0.000018");
    let body = json!({"model": "acme/fast", "prompt": "a", "suffix": "c", "stream": true});
    let mut events = named_events(&gateway.client(&key), COMPLETIONS, &body).await;
    assert_eq!(events.pop(), Some((String::new(), json!("[DONE]"))));
    let (_, last) = events.pop().expect("the usage");
    assert_eq!(last["usage"]["cost"].to_string(), "0.000018");
    assert_eq!(events[0].1["choices"][0]["text"], "gap");
    assert_eq!(faces::spent(&gateway, &hash).await, "0.000036");
    let received = provider.received();
    assert!(received.iter().all(|it| it.path == "/v1/completions"));
    assert_eq!(
        (&received[0].body["prompt"], &received[0].body["new"]),
        (&json!([[1, 2], [3]]), &json!(7))
    );
    assert_eq!(received[1].body["suffix"], "c");
    let other = faces::gateway_of(&provider, "gemini").await;
    let (_, key) = faces::key(&other).await;
    let refused = other.client(&key).post(COMPLETIONS, &body).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{refused:?}");
    assert!(refused.error().starts_with("suffix: "), "{refused:?}");
}

#[tokio::test]
async fn reasoning_that_is_not_wanted_is_not_told() {
    let provider = Provider::start().await;
    provider.always(Script::json(200, &faces::spoken("hello")));
    let gateway = faces::gateway(&provider).await;
    let (_, key) = faces::key(&gateway).await;
    let ask = async |fields: Value| {
        let mut body =
            json!({"model": "acme/fast", "messages": [{"role": "user", "content": "hi"}]});
        let object = body.as_object_mut().expect("an object");
        object.extend(fields.as_object().expect("an object").clone());
        let answer = gateway.client(&key).post("/api/v1/chat/completions", &body).await.json();
        answer["choices"][0]["message"]["reasoning"].clone()
    };
    assert_eq!(ask(json!({})).await, "hm");
    assert_eq!(ask(json!({"reasoning": {"exclude": true}})).await, Value::Null);
    assert_eq!(ask(json!({"include_reasoning": false})).await, Value::Null);
}
