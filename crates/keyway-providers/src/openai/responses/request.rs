//! What is sent: the client's own words, without those for the gateway.

use serde_json::{Map, Value};

use super::FORMAT;
use crate::chat::{ChatRequest, is_of};
use crate::openai::draft::Draft;
use crate::openai::quirks::Messages;
use crate::openai::{Quirks, without_ours};

const MARK: &str = "cache_control";

/// The body of `request`, which was `said` in this dialect, for a server that calls the model
/// `upstream_model`.
pub(in crate::openai) fn request_body<'a>(
    request: &'a ChatRequest,
    said: &'a Map<String, Value>,
    upstream_model: &str,
    quirks: &Quirks,
) -> Draft<'a> {
    let mut body = without_ours(said, upstream_model, quirks);
    // Otherwise it is kept, in the operator's account.
    body.insert("store", false);
    if let Some(most) = request.max_tokens {
        body.insert("max_output_tokens", most);
    }
    // The one that the endpoint is priced for.
    body.remove("service_tier");
    if let Some(tier) = request.field("service_tier") {
        body.lend("service_tier", tier);
    }
    if let Some(Value::Array(items)) = body.get_mut("input") {
        items.retain(can_be_read);
        items.iter_mut().filter(|item| is_of(item, "reasoning")).for_each(plain);
    }
    if quirks.messages != Messages::Kept {
        unmark(&mut body);
    }
    body
}

/// Takes out the marks for caches, which OpenAI has not.
fn unmark(body: &mut Draft<'_>) {
    for field in ["input", "tools"] {
        let items = body.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten();
        for item in items.filter_map(Value::as_object_mut) {
            item.shift_remove(MARK);
            for field in ["content", "output"] {
                let parts = item.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten();
                parts
                    .filter_map(Value::as_object_mut)
                    .for_each(|part| drop(part.shift_remove(MARK)));
            }
        }
    }
}

/// A thought that is not kept anywhere is read from what is encrypted of it, by who encrypted it.
fn can_be_read(item: &Value) -> bool {
    let format = item.get("format").filter(|format| !format.is_null());
    !is_of(item, "reasoning")
        || (item.get("encrypted_content").is_some_and(Value::is_string)
            && format.is_none_or(|format| format == FORMAT))
}

/// Without what OpenRouter adds to it.
fn plain(thought: &mut Value) {
    for field in ["format", "signature"] {
        thought.as_object_mut().and_then(|thought| thought.shift_remove(field));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::chat::Tongue;
    use crate::face::Face;
    use crate::openai::written;

    #[test]
    fn marks_for_caches_are_for_those_who_have_them() {
        let mark = json!({"type": "ephemeral"});
        let body = json!({
            "model": "a/b",
            "input": [{"role": "user", "content": [
                {"type": "input_text", "text": "hi", "cache_control": mark},
            ]}],
            "tools": [{"type": "function", "name": "f", "cache_control": mark}],
        });
        let (request, _) = Face::Responses.read(body.clone()).expect("a request");
        let said = request.native(Tongue::Responses).expect("in OpenAI's words");
        let sent = |name: &str| {
            let quirks = Quirks::named(name).expect("a row");
            as_tree(&request_body(&request, said, "theirs", quirks))
        };
        assert_eq!(sent("openrouter")["input"], body["input"]);
        let expected = json!([{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}]);
        assert_eq!(sent("openai")["input"], expected);
        assert_eq!(sent("openai")["tools"], json!([{"type": "function", "name": "f"}]));
    }

    fn as_tree(sent: &Draft<'_>) -> Value {
        crate::json::parse(&written(sent)).expect("JSON")
    }

    #[test]
    fn what_the_client_said_is_sent_but_what_is_for_the_gateway() {
        let thought =
            json!({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"});
        let marked = |format: &str| {
            let mut marked = thought.clone();
            marked["format"] = format.into();
            marked["signature"] = "s".into();
            marked
        };
        let kept = json!({"type": "reasoning", "id": "rs_2", "summary": []});
        let odd = json!({"type": "brand_new", "x": 1.50});
        let body = json!({
            "model": "a/b", "input": [
                {"role": "user", "content": "hi", "new": 1}, thought, marked(FORMAT),
                marked("anthropic-claude-v1"), kept, odd,
            ],
            "include": ["reasoning.encrypted_content"], "top_k": 3, "new": {"x": 1}, "session_id": "s",
            "provider": {"order": ["x"]}, "service_tier": "auto", "max_output_tokens": 5000,
            "truncation": "auto", "store": false, "stream": true,
        });
        let (mut request, _) = Face::Responses.read(body).expect("a request");
        request.max_tokens = Some(100);
        request.serve_in(Some("flex"));
        let said = request.native(Tongue::Responses).expect("in OpenAI's words");
        let quirks = Quirks::named("openai").expect("a row");
        let sent = request_body(&request, said, "theirs", quirks);
        let expected = json!({
            "model": "theirs",
            "input": [{"role": "user", "content": "hi", "new": 1}, thought, thought, odd],
            "include": ["reasoning.encrypted_content"], "new": {"x": 1}, "max_output_tokens": 100,
            "truncation": "auto", "store": false, "stream": true, "service_tier": "flex",
        });
        assert_eq!(as_tree(&sent), expected);
    }
}
