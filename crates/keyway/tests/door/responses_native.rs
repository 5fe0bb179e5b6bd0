//! OpenAI's Responses to a provider that serves them: nothing is translated, and all of it is metered.

use http::StatusCode;
use keyway_testkit::{Gateway, Provider, Script};
use serde_json::{Value, json};

use crate::faces::{key, named_events, spent};
use crate::setup;

const RESPONSES: &str = "/api/v1/responses";

async fn gateway(provider: &Provider) -> Gateway {
    let toml = format!(
        "[[providers]]\nslug = \"acme\"\ndialect = \"openai\"\nquirks = \"openai\"\nbase_url = \"{}\"\n\n\
         [[models]]\nid = \"acme/fast\"\ncontext_length = 8000\nmax_completion_tokens = 100\n\n\
         [[models.endpoints]]\nprovider = \"acme\"\nupstream_model = \"mock-model\"\n\
         pricing = {{ prompt = \"0.000001\", completion = \"0.000002\" }}\n",
        provider.base_url
    );
    setup().config(&toml).start().await
}

fn usage() -> Value {
    json!({
        "input_tokens": 10, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 4,
        "output_tokens_details": {"reasoning_tokens": 1}, "total_tokens": 14, "new_count": 7,
    })
}

fn item() -> Value {
    let part = json!({"type": "output_text", "text": "hello", "annotations": [], "new": 1});
    json!({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]})
}

fn response(status: &str, output: &Value, usage: &Value) -> Value {
    json!({
        "id": "resp_1", "object": "response", "created_at": 1, "status": status, "model": "mock-model",
        "output": output, "usage": usage, "new": {"kept": 1},
    })
}

fn stream(events: &[Value]) -> Script {
    let numbered = events.iter().enumerate().map(|(number, event)| {
        let mut event = event.clone();
        event["sequence_number"] = number.into();
        event.to_string()
    });
    let events: Vec<String> = numbered.collect();
    Script::events(&events.iter().map(String::as_str).collect::<Vec<_>>())
}

fn asked() -> Value {
    json!({
        "model": "acme/fast", "max_output_tokens": 50, "new_field": {"x": 1},
        "input": [{"role": "user", "content": "hi"}, {"type": "new_item", "x": 2}],
        "include": ["reasoning.encrypted_content"], "provider": {"order": ["acme"]}, "session_id": "s",
    })
}

#[tokio::test]
async fn a_response_is_passed_on_both_ways_and_charged() {
    let provider = Provider::start().await;
    let odd = json!({"type": "new_item", "id": "x", "y": 3});
    let said = response("completed", &json!([odd, item()]), &usage());
    provider.then(Script::json(200, &said));
    let gateway = gateway(&provider).await;
    let (hash, string) = key(&gateway).await;
    let reply = gateway.client(&string).post(RESPONSES, &asked()).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    let told = reply.json();
    assert_eq!((&told["output"], &told["new"]), (&said["output"], &said["new"]));
    assert_eq!((&told["model"], &told["provider"]), (&json!("acme/fast"), &json!("acme")));
    assert_eq!(told["id"], reply.headers["x-generation-id"].to_str().expect("an id"));
    assert_eq!((&told["usage"]["new_count"], &told["instructions"]), (&json!(7), &Value::Null));
    assert_eq!(told["usage"]["cost"].to_string(), "0.000018");
    assert_eq!(spent(&gateway, &hash).await, "0.000018");
    let received = provider.received().remove(0);
    assert_eq!(received.path, "/v1/responses");
    for field in ["input", "include", "max_output_tokens"] {
        assert_eq!(received.body[field], asked()[field], "{field}");
    }
    // What nobody here knows may cost what nobody bounded.
    for field in ["provider", "session_id", "messages", "new_field"] {
        assert_eq!(received.body.get(field), None, "{field}");
    }
    assert_eq!(
        (&received.body["store"], &received.body["model"]),
        (&json!(false), &json!("mock-model"))
    );
}

#[tokio::test]
async fn a_field_that_nobody_knows_is_sent_where_no_limit_has_to_hold() {
    let provider = Provider::start().await;
    provider.then(Script::json(200, &response("completed", &json!([item()]), &usage())));
    let gateway = gateway(&provider).await;
    let (_, string) = gateway.manager().create_key(&json!({"name": "unlimited"})).await;
    let reply = gateway.client(&string).post(RESPONSES, &asked()).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    assert_eq!(provider.received().remove(0).body["new_field"], asked()["new_field"]);
}

#[tokio::test]
async fn events_are_passed_on_and_the_last_waits_for_the_charge() {
    let provider = Provider::start().await;
    let delta = json!({"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0,
        "content_index": 0, "delta": "hello", "logprobs": [], "obfuscation": "x"});
    provider.then(stream(&[
        json!({"type": "response.created", "response": response("in_progress", &json!([]), &Value::Null)}),
        json!({"type": "response.new_event", "z": 1}),
        delta.clone(),
        json!({"type": "response.output_item.done", "output_index": 0, "item": item()}),
        json!({"type": "response.completed", "response": response("completed", &json!([item()]), &usage())}),
    ]));
    let gateway = gateway(&provider).await;
    let (hash, string) = key(&gateway).await;
    let mut body = asked();
    body["stream"] = true.into();
    let mut events = named_events(&gateway.client(&string), RESPONSES, &body).await;
    assert_eq!(events.pop(), Some((String::new(), json!("[DONE]"))));
    let names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
    let expected = [
        "response.created",
        "response.new_event",
        "response.output_text.delta",
        "response.output_item.done",
        "response.completed",
    ];
    assert_eq!(names, expected);
    for (number, (_, event)) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], number, "{event}");
    }
    assert_eq!(
        (&events[1].1["z"], &events[2].1["obfuscation"]),
        (&json!(1), &delta["obfuscation"])
    );
    assert_eq!(events[0].1["response"]["model"], "acme/fast");
    let last = &events[4].1["response"];
    assert_eq!((&last["new"]["kept"], &last["output"]), (&json!(1), &json!([item()])));
    assert_eq!(last["usage"]["cost"].to_string(), spent(&gateway, &hash).await);
    assert_eq!(spent(&gateway, &hash).await, "0.000018");
}

#[tokio::test]
async fn a_response_that_fails_in_the_middle_is_free() {
    let provider = Provider::start().await;
    let failed = json!({"code": "rate_limit_exceeded", "message": "slow down"});
    provider.then(stream(&[
        json!({"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0,
            "content_index": 0, "delta": "hel"}),
        json!({"type": "response.failed", "response": {"status": "failed", "error": failed}}),
    ]));
    let gateway = gateway(&provider).await;
    let (hash, string) = key(&gateway).await;
    let mut body = asked();
    body["stream"] = true.into();
    let events = named_events(&gateway.client(&string), RESPONSES, &body).await;
    let (name, last) = events.last().expect("events");
    let error = &last["response"]["error"];
    assert_eq!(name, "response.failed");
    assert_eq!((&error["code"], &error["message"]), (&failed["code"], &failed["message"]));
    assert_eq!(spent(&gateway, &hash).await, "0");
}

#[tokio::test]
async fn what_a_provider_keeps_is_out_of_reach() {
    let provider = Provider::start().await;
    let gateway = gateway(&provider).await;
    let (_, string) = gateway.manager().create_key(&json!({"name": "unlimited"})).await;
    for (fields, field) in [
        (json!({"store": true}), "store"),
        (json!({"previous_response_id": "resp_1"}), "previous_response_id"),
        (json!({"background": true}), "background"),
        (json!({"input": [{"type": "item_reference", "id": "msg_1"}]}), "input[0]"),
        (
            json!({"tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}]}),
            "tools[0].vector_store_ids",
        ),
        (
            json!({"input": [{"role": "user", "content": [
                {"type": "input_image", "image_url": "http://169.254.169.254/"},
            ]}]}),
            "messages[0].content[0]",
        ),
    ] {
        let mut body = asked();
        body.as_object_mut()
            .expect("an object")
            .extend(fields.as_object().expect("an object").clone());
        let refused = gateway.client(&string).post(RESPONSES, &body).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{field}: {refused:?}");
        assert!(refused.error().starts_with(&format!("{field}: ")), "{refused:?}");
    }
    assert!(provider.received().is_empty());
}
