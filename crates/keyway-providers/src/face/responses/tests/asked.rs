//! What a request says, and what it may not.

use super::*;

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
