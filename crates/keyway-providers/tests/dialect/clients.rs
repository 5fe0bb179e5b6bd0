//! What the clients' own validation accepts (contract, C.2, C.3, D): each check is a trap that one of
//! them fell into.

use serde_json::Value;

/// Panics where a client would refuse an answer.
pub(crate) fn accept_answer(answer: &Value) {
    about_itself(answer, "chat.completion");
    assert!(
        answer.get("system_fingerprint").is_some(),
        "it has to be there, null or not: {answer}"
    );
    for choice in each(answer, "choices") {
        ending(choice);
        let message = &choice["message"];
        assert_eq!(message["role"], "assistant");
        said(message);
        for call in each(message, "tool_calls") {
            assert!(call["id"].is_string() && call["type"] == "function", "{call}");
            assert!(call["function"]["arguments"].is_string(), "{call}");
        }
    }
    usage(&answer["usage"]);
}

/// Panics where a client would refuse a chunk.
pub(crate) fn accept_chunk(chunk: &Value) {
    about_itself(chunk, "chat.completion.chunk");
    absent_instead_of_null(chunk, &["system_fingerprint", "usage", "error"]);
    assert!(chunk["choices"].is_array(), "{chunk}");
    for choice in each(chunk, "choices") {
        ending(choice);
        let delta = &choice["delta"];
        assert!(delta.is_object(), "{choice}");
        assert!(delta.get("role").is_none_or(|role| role == "assistant"), "{delta}");
        said(delta);
        for call in each(delta, "tool_calls") {
            assert!(call["index"].is_u64(), "{call}");
            absent_instead_of_null(call, &["id", "type", "function"]);
        }
    }
    if let Some(block) = chunk.get("usage") {
        usage(block);
    }
    if let Some(error) = chunk.get("error") {
        assert!(error["code"].is_u64() && error["message"].is_string(), "{error}");
        assert!(error["metadata"]["error_type"].is_string(), "{error}");
    }
}

fn about_itself(body: &Value, object: &str) {
    assert_eq!(body["object"], object);
    for field in ["id", "model", "provider"] {
        assert!(body[field].is_string(), "{field} of {body}");
    }
    assert!(body["created"].is_i64(), "{body}");
}

fn ending(choice: &Value) {
    assert!(choice["index"].is_u64(), "{choice}");
    for field in ["finish_reason", "native_finish_reason"] {
        let reason = choice.get(field).expect("the key is there from the start");
        assert!(reason.is_null() || reason.is_string(), "{choice}");
    }
}

fn said(said: &Value) {
    absent_instead_of_null(
        said,
        &["tool_calls", "reasoning_details", "images", "audio", "annotations"],
    );
    for annotation in each(said, "annotations") {
        assert_eq!(annotation["type"], "url_citation", "{annotation}");
        let citation = &annotation["url_citation"];
        assert!(citation["url"].is_string() && citation["title"].is_string(), "{annotation}");
        for place in ["start_index", "end_index"] {
            assert!(citation[place].is_u64(), "{annotation}");
        }
    }
    for call in each(said, "tool_calls") {
        absent_instead_of_null(call, &["id", "type"]);
        if let Some(function) = call.get("function") {
            absent_instead_of_null(function, &["name", "arguments"]);
        }
    }
}

fn usage(block: &Value) {
    for field in ["prompt_tokens", "completion_tokens", "total_tokens"] {
        assert!(block[field].is_u64(), "{field} of {block}");
    }
    assert!(block["cost"].is_number() && block["is_byok"].is_boolean(), "{block}");
    let costs = &block["cost_details"];
    for field in ["upstream_inference_prompt_cost", "upstream_inference_completions_cost"] {
        assert!(costs[field].is_number(), "{field} of {block}");
    }
    let details = [
        ("prompt_tokens_details", "cached_tokens"),
        ("completion_tokens_details", "reasoning_tokens"),
    ];
    for (details, counted) in details {
        let details = block[details].as_object().expect("the details are there");
        assert!(details[counted].is_u64() && details.values().all(Value::is_u64), "{block}");
    }
}

fn absent_instead_of_null(object: &Value, fields: &[&str]) {
    for field in fields {
        assert!(object.get(field).is_none_or(|value| !value.is_null()), "{field} of {object}");
    }
}

fn each<'a>(object: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    object.get(field).and_then(Value::as_array).into_iter().flatten()
}
