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
fn items_of_every_kind_become_messages() {
    let (request, _) = asked(&json!({
        "instructions": "be brief",
        "input": [
            {"role": "user", "content": [
                {"type": "input_text", "text": "see"},
                {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "low"},
                {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="},
            ]},
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}],
             "encrypted_content": "secret"},
            {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed",
             "content": [{"type": "output_text", "text": "let me look", "annotations": []}]},
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "found"},
            {"type": "web_search_call", "id": "ws_1", "status": "completed"},
            {"type": "local_shell_call", "call_id": "c2", "action": {"command": ["ls"]}},
            {"type": "local_shell_call_output", "call_id": "c2", "output": "files"},
        ],
    }))
    .expect("a request");
    let expected = json!([
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": [
            {"type": "text", "text": "see"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}},
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="}},
        ]},
        {
            "role": "assistant", "content": [{"type": "text", "text": "let me look"}],
            "reasoning_details": [
                {"type": "reasoning.summary", "summary": "hm", "index": 0},
                {"type": "reasoning.encrypted", "data": "secret", "id": "rs_1", "index": 1},
            ],
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "found"},
        {
            "role": "assistant", "content": null,
            "tool_calls": [{
                "id": "c2", "type": "function",
                "function": {"name": "local_shell", "arguments": "{\"command\":[\"ls\"]}"},
            }],
        },
        {"role": "tool", "tool_call_id": "c2", "content": "files"},
    ]);
    assert_eq!(request.body()["messages"], expected);
}

#[test]
fn parameters_have_their_places() {
    let (request, _) = asked(&json!({
        "max_output_tokens": 9, "store": false, "stream": true, "previous_response_id": null,
        "tools": [
            {"type": "function", "name": "f", "parameters": {}, "strict": true},
            {"type": "web_search"},
        ],
        "tool_choice": {"type": "function", "name": "f"},
        "text": {"format": {"type": "json_schema", "name": "s", "schema": {}, "strict": true}, "verbosity": "low"},
        "reasoning": {"effort": "low", "summary": null}, "include": ["message.output_text.logprobs"],
    }))
    .expect("a request");
    assert_eq!((request.max_tokens, request.stream), (Some(9), true));
    let body = Value::Object(request.body().clone());
    let expected =
        json!({"type": "function", "function": {"name": "f", "parameters": {}, "strict": true}});
    assert_eq!(body["tools"], json!([expected, {"type": "web_search"}]));
    assert_eq!(body["tool_choice"], json!({"type": "function", "function": {"name": "f"}}));
    let schema = json!({"name": "s", "schema": {}, "strict": true});
    assert_eq!(body["response_format"], json!({"type": "json_schema", "json_schema": schema}));
    assert_eq!(
        (&body["verbosity"], &body["reasoning"]),
        (&json!("low"), &json!({"effort": "low"}))
    );
    assert_eq!(body["logprobs"], true);
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
fn what_would_have_to_be_kept_is_refused() {
    for (fields, field) in [
        (json!({"store": true}), "store"),
        (json!({"previous_response_id": "gen-1"}), "previous_response_id"),
        (json!({"conversation": "c"}), "conversation"),
        (json!({"background": true}), "background"),
        (json!({"input": [{"type": "item_reference", "id": "x"}]}), "input[0]"),
        (json!({"input": [{"type": "message", "role": "robot"}]}), "input[0].role"),
        (json!({"input": [{"role": "user", "content": [{"x": 1}]}]}), "input[0].content[0]"),
        (json!({"input": null}), "input"),
        (json!({"max_output_tokens": 0}), "max_output_tokens"),
    ] {
        assert_eq!(asked(&fields).expect_err(field).field, field);
    }
}

#[test]
fn what_the_form_in_the_middle_has_no_word_for_is_remembered() {
    let new_part =
        json!([{"role": "user", "content": [{"type": "input_text", "text": "a"}, {"type": "x"}]}]);
    for (input, field) in [
        (new_part, "input[0].content[1]"),
        (json!([{"type": "new"}]), "input[0].type"),
        (
            json!([{"role": "user", "content": "a"}, {"type": "new"}, {"type": "new"}]),
            "input[1].type",
        ),
    ] {
        let (request, _) = asked(&json!({"input": input})).expect("a request");
        let untranslated = request.untranslated().expect("there is such a thing");
        assert_eq!(untranslated.field, field);
        // In OpenRouter's words it is translated, or nothing.
        let foreign = asked(&json!({"input": input, "reasoning": {"exclude": true}}));
        assert_eq!(foreign.expect_err("nobody can read it").field, field);
    }
}

#[test]
fn what_a_translation_leaves_out_has_no_bound_where_it_is_passed_on() {
    let screen = json!({"type": "computer_screenshot", "image_url": "https://a.example/b.png"});
    let call = json!({"type": "computer_call_output", "call_id": "c", "output": screen});
    let shell = json!({"type": "shell_call_output", "call_id": "c", "output": [{"stdout": "a"}]});
    for (item, field) in [(call, "input[0].output"), (shell, "input[0].output")] {
        let (request, _) = asked(&json!({"input": [item]})).expect("a request");
        assert_eq!(request.untranslated().map(|it| it.field.as_str()), Some(field));
        assert_eq!(request.prompt_tokens_bound(), Err(field.to_owned()));
    }
    let drawn = json!({"type": "image_generation_call", "id": "ig_1", "result": "QQ=="});
    let input = json!([{"role": "user", "content": "hi"}, drawn]);
    let (request, _) = asked(&json!({"input": input})).expect("a request");
    // Others are told what the model said of it.
    assert_eq!(request.untranslated(), None);
    assert_eq!(request.prompt_tokens_bound(), Err("input[1]".to_owned()));
    assert_eq!(request.uses(), keyway_core::pricing::Uses::ALL);
    let texts = json!([{"type": "function_call_output", "call_id": "c", "output": "a"}]);
    let (request, _) = asked(&json!({"input": texts})).expect("a request");
    assert!(request.prompt_tokens_bound().is_ok());
}

#[test]
fn words_that_only_openrouter_has_are_translated() {
    let is_native = |fields: &Value| {
        let (request, _) = asked(fields).expect("a request");
        request.native(crate::chat::Tongue::Responses).is_some()
    };
    assert!(is_native(&json!({"modalities": null})));
    assert!(!is_native(&json!({"modalities": ["text"]})));
    assert!(!is_native(&json!({"presence_penalty": 0.5})));
}

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().expect("an object").clone()
}

#[test]
fn a_stream_that_was_passed_on_and_is_cut_ends_with_what_was_said() {
    let (_, mut voice) = asked(&json!({})).expect("a request");
    let said = chunk(&json!({}), None);
    let thought = json!({"type": "reasoning", "id": "rs_1", "summary": []});
    let message = json!({"type": "message", "id": "msg_1", "role": "assistant", "content": []});
    let delta = |text: &str| json!({"type": "response.output_text.delta", "item_id": "msg_1", "delta": text});
    let natives = [
        json!({"type": "response.created", "response": {}}),
        json!({"type": "response.output_item.added", "item": thought}),
        json!({"type": "response.output_item.done", "item": thought}),
        json!({"type": "response.output_item.added", "item": message}),
        delta("hel"),
        delta("lo"),
        json!({"type": "response.output_text.delta", "item_id": "msg_2", "delta": "x"}),
    ];
    let numbered = natives.iter().enumerate().map(|(number, event)| {
        let mut event = object(event);
        event.insert("sequence_number".into(), number.into());
        event
    });
    let passed = voice.pass_on(numbered.collect(), &said);
    let why = voice.cut_short(object(&json!({"why": "budget"})));
    let events = events(&[passed, why, voice.closing(&envelope(), &receipt(), None)]);
    let ends = ["output_text.done", "content_part.done", "output_item.done", "incomplete"];
    assert_eq!(types(&events)[7..], ends);
    assert_eq!(events[9]["output_index"], 1);
    let output = &events.last().expect("events")["response"]["output"];
    assert_eq!(output[0], thought);
    assert_eq!((&output[1]["id"], &output[1]["status"]), (&json!("msg_1"), &json!("incomplete")));
    assert_eq!(output[1]["content"][0]["text"], "hello");
}

#[test]
fn not_too_much_that_was_passed_on_is_said_again() {
    let (_, mut voice) = asked(&json!({})).expect("a request");
    let picture =
        json!({"type": "image_generation_call", "id": "ig_1", "result": "A".repeat(3 << 20)});
    for _ in 0..3 {
        let done = json!({"type": "response.output_item.done", "item": picture});
        let _ = voice.pass_on(vec![object(&done)], &chunk(&json!({}), None));
    }
    let _ = voice.cut_short(Map::new());
    let closing = voice.closing(&envelope(), &receipt(), None);
    assert!((3 << 20..4 << 20).contains(&closing.len()), "{}", closing.len());
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
