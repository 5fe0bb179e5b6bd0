//! What is said of an answer.

mod asked;
mod passed;

use keyway_core::money::Nanos;
use keyway_core::pricing::{Cost, Usage};
use serde_json::json;

use super::*;

fn envelope() -> Envelope {
    Envelope { id: "gen-1".into(), model: "a/b".into(), provider: "A".into(), created: 7 }
}

fn receipt() -> Receipt {
    let usage = Usage::of(3, 4);
    Receipt { usage, cost: Cost::default(), charge: Nanos::new(9), byok: None }
}

fn asked(fields: &Value) -> Result<(ChatRequest, Responses), RequestError> {
    let mut body = json!({"model": "a/b", "input": "hi"});
    let object = body.as_object_mut().expect("an object");
    object.extend(fields.as_object().expect("an object").clone());
    read(body)
}

fn chunk(delta: &Value, finish: Option<&str>) -> Map<String, Value> {
    let said = json!({
        "id": "gen-1", "created": 7, "model": "a/b", "provider": "A",
        "choices": [{"delta": delta, "finish_reason": finish}],
    });
    said.as_object().expect("an object").clone()
}

/// The events, whose names and numbers are checked.
fn events(bytes: &[Bytes]) -> Vec<Value> {
    let all = bytes.concat();
    let text = std::str::from_utf8(&all).expect("text");
    let mut events = Vec::new();
    for event in text.split_terminator("\n\n") {
        let Some((name, data)) = event.split_once('\n') else {
            assert_eq!(event, "data: [DONE]");
            continue;
        };
        let data: Value =
            serde_json::from_str(data.strip_prefix("data: ").expect("data")).expect("JSON");
        assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
        assert_eq!(data["sequence_number"], events.len());
        events.push(data);
    }
    events
}

fn types(events: &[Value]) -> Vec<&str> {
    let kinds = events.iter().filter_map(|event| event["type"].as_str());
    kinds.map(|kind| kind.trim_start_matches("response.")).collect()
}

#[test]
fn a_stream_says_its_items_in_openais_order() {
    let (_, mut voice) = asked(&json!({})).expect("a request");
    let mut said = Vec::new();
    for (delta, finish) in [
        (json!({"role": "assistant", "content": ""}), None),
        (json!({"reasoning": "hm"}), None),
        (json!({"content": "he"}), None),
        (json!({"content": "llo"}), None),
        (
            json!({"tool_calls": [{"index": 0, "id": "t0", "function": {"name": "f", "arguments": "{"}}]}),
            None,
        ),
        (json!({"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]}), None),
        (
            json!({"tool_calls": [{"index": 1, "id": "t1", "function": {"name": "g", "arguments": "{}"}}]}),
            None,
        ),
        (json!({}), Some("tool_calls")),
    ] {
        said.push(voice.chunk(&chunk(&delta, finish)));
    }
    let before = events(&said);
    assert!(
        before.iter().all(|event| event["response"].get("usage").is_none()),
        "before the charge"
    );
    said.push(voice.closing(&envelope(), &receipt(), None));
    let events = events(&said);
    let expected = [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "reasoning_text.delta",
        "reasoning_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ];
    assert_eq!(types(&events), expected);
    let response = &events.last().expect("events")["response"];
    let kinds: Vec<_> =
        response["output"].as_array().expect("items").iter().map(|it| &it["type"]).collect();
    assert_eq!(kinds, ["reasoning", "message", "function_call", "function_call"]);
    assert_eq!(response["output"][1]["content"][0]["text"], "hello");
    assert_eq!(response["output"][2]["arguments"], "{}");
    assert_eq!(response["usage"]["cost"].to_string(), "0.000000009");
    assert_eq!((&response["status"], &response["error"]), (&json!("completed"), &Value::Null));
}

#[test]
fn a_response_has_every_field_that_clients_demand() {
    let (_, voice) =
        asked(&json!({"instructions": "be brief", "temperature": 0.5})).expect("a request");
    let said = json!({
        "id": "gen-1", "created": 7, "model": "a/b", "provider": "A",
        "choices": [{"finish_reason": "length", "message": {"content": "hello"}}],
        "usage": {
            "prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7, "cost": 0.5, "is_byok": false,
            "prompt_tokens_details": {"cached_tokens": 2},
            "completion_tokens_details": {"reasoning_tokens": 1},
            "cost_details": {
                "upstream_inference_cost": null, "upstream_inference_prompt_cost": 0.1,
                "upstream_inference_completions_cost": 0.4,
            },
        },
    });
    let response = Value::Object(voice.whole(said.as_object().expect("an object"), None));
    for field in [
        "id",
        "object",
        "created_at",
        "completed_at",
        "model",
        "status",
        "error",
        "incomplete_details",
        "instructions",
        "metadata",
        "output",
        "parallel_tool_calls",
        "tool_choice",
        "tools",
        "temperature",
        "top_p",
        "presence_penalty",
        "frequency_penalty",
    ] {
        assert!(response.get(field).is_some(), "{field}");
    }
    assert_eq!(
        (&response["status"], &response["temperature"]),
        (&json!("incomplete"), &json!(0.5))
    );
    assert_eq!(response["incomplete_details"]["reason"], "max_output_tokens");
    assert_eq!(response["output"][0]["status"], "incomplete");
    let expected = json!({
        "input_tokens": 3, "input_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 0},
        "output_tokens": 4, "output_tokens_details": {"reasoning_tokens": 1}, "total_tokens": 7,
        "cost": 0.5, "is_byok": false,
        "cost_details": {
            "upstream_inference_cost": null, "upstream_inference_input_cost": 0.1,
            "upstream_inference_output_cost": 0.4,
        },
    });
    assert_eq!(response["usage"], expected);
}

#[test]
fn what_a_text_refers_to_is_told_with_it() {
    let (_, mut voice) = asked(&json!({})).expect("a request");
    let citation =
        json!({"url": "https://a.example", "title": "A", "start_index": 0, "end_index": 2});
    let annotations = json!([{"type": "url_citation", "url_citation": citation}]);
    let said = voice.chunk(&chunk(&json!({"content": "he"}), None));
    let cited = voice.chunk(&chunk(&json!({"annotations": annotations}), Some("stop")));
    let events = events(&[said, cited, voice.closing(&envelope(), &receipt(), None)]);
    let told = events.iter().find(|it| it["type"] == "response.output_text.annotation.added");
    let mut flat = citation;
    flat["type"] = "url_citation".into();
    assert_eq!(told.expect("an event")["annotation"], flat);
    let last = events.last().expect("events");
    assert_eq!(last["response"]["output"][0]["content"][0]["annotations"], json!([flat]));
}

#[test]
fn a_failure_is_a_response_that_failed() {
    let (_, mut voice) = asked(&json!({})).expect("a request");
    let said = voice.chunk(&chunk(&json!({"content": "he"}), None));
    let error = StreamError { code: 429, message: "busy", error_type: "rate_limit_exceeded" };
    let events = events(&[said, voice.failure(&envelope(), &error)]);
    let last = events.last().expect("events");
    assert_eq!(
        (&last["type"], &last["response"]["status"]),
        (&json!("response.failed"), &json!("failed"))
    );
    let expected = json!({"code": "rate_limit_exceeded", "message": "busy"});
    assert_eq!(
        (&last["response"]["error"], &last["response"]["error_type"]),
        (&expected, &json!("rate_limit_exceeded"))
    );
}
