//! The OpenAI-compatible dialect: what is sent. What comes back is the form in the middle already.

use serde_json::{Map, Value, json};

use crate::chat::{ChatRequest, Errand};

/// What clients say to the gateway. OpenAI-compatible servers refuse fields that they do not know.
const FOR_THE_GATEWAY: [&str; 15] = [
    // Which provider and model to choose: chosen by now.
    "provider",
    "models",
    "fallbacks",
    "route",
    "preset",
    // What to do with the prompt before and the answer after: work of the gateway.
    "plugins",
    "transforms",
    "image_config",
    "stop_server_tools_when",
    // Which cache to use: a hint for routing. (Those inside of messages are the provider's.)
    "cache_control",
    "session_id",
    // What to tell besides the answer: told by the gateway, or without effect for years.
    "usage",
    "include_reasoning",
    "trace",
    "debug",
];
/// Two names of one bound.
const TOKEN_BOUNDS: [&str; 2] = ["max_tokens", "max_completion_tokens"];

/// Where under a provider's address a request goes.
pub const fn path(request: &ChatRequest) -> &'static str {
    match request.errand {
        None => "/chat/completions",
        Some(Errand::Embed) => "/embeddings",
        Some(Errand::Rerank) => "/rerank",
    }
}

/// The request's body for a provider that calls the model `upstream_model`. What the client said
/// besides keeps its text and order.
pub fn request_body(request: &ChatRequest, upstream_model: &str) -> Vec<u8> {
    let mut body: Map<String, Value> = request.body().clone();
    body.retain(|field, _| !FOR_THE_GATEWAY.contains(&field.as_str()));
    body.insert("model".into(), upstream_model.into());
    if request.errand.is_some() {
        // It has no answer that could be too long, and no stream.
        return serde_json::to_vec(&body).expect("a JSON object can be written");
    }
    if let Some(most) = request.max_tokens {
        bound_tokens(&mut body, most);
    }
    if request.stream {
        // Without it most servers stream no usage, and the charge would be an estimate.
        let options = body.entry("stream_options").or_insert(Value::Null);
        match options {
            Value::Object(options) => {
                options.insert("include_usage".into(), true.into());
            }
            _ => *options = json!({"include_usage": true}),
        }
    } else {
        // OpenAI refuses it there.
        body.shift_remove("stream_options");
    }
    serde_json::to_vec(&body).expect("a JSON object can be written")
}

/// The smaller of the two is what is reserved for. A provider may follow either. Where the client
/// said neither, the gateway bounds the answer to what can be paid.
fn bound_tokens(body: &mut Map<String, Value>, most: u64) {
    let mut said = false;
    for field in TOKEN_BOUNDS {
        if let Some(bound) = body.get_mut(field).filter(|bound| !bound.is_null()) {
            *bound = most.into();
            said = true;
        }
    }
    if !said {
        body.insert("max_tokens".into(), most.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(body: &str) -> String {
        let body = crate::json::parse(body.as_bytes()).expect("JSON");
        let request = ChatRequest::parse(body).expect("a request");
        String::from_utf8(request_body(&request, "theirs")).expect("text")
    }

    #[test]
    fn the_model_is_replaced_and_the_rest_kept() {
        let sent = sent(
            r#"{"x":1.50,"model":"a/b","provider":{},"messages":[{"role":"user","content":"hi"}],
                "stream":true,"usage":{"include":true},"temperature":0.70,"reasoning":{"effort":"low"}}"#,
        );
        let expected = concat!(
            r#"{"x":1.50,"model":"theirs","messages":[{"role":"user","content":"hi"}],"stream":true,"#,
            r#""temperature":0.70,"reasoning":{"effort":"low"},"stream_options":{"include_usage":true}}"#
        );
        assert_eq!(sent, expected);
    }

    #[test]
    fn usage_is_asked_for_where_a_stream_has_it() {
        let with = |fields: &str| {
            let body = r#"{"model":"a/b","messages":[{"role":"user"}],"#;
            sent(&format!("{body}{fields}}}")).split_once("}],").expect("messages").1.to_owned()
        };
        assert_eq!(
            with(r#""stream_options":{"include_usage":false,"x":1},"stream":true"#),
            r#""stream_options":{"include_usage":true,"x":1},"stream":true}"#
        );
        assert_eq!(
            with(r#""stream_options":null,"stream":true"#),
            r#""stream_options":{"include_usage":true},"stream":true}"#
        );
        assert_eq!(with(r#""stream_options":{"include_usage":true},"n":1"#), r#""n":1}"#);
    }

    #[test]
    fn no_bound_on_tokens_exceeds_the_one_that_is_reserved_for() {
        let sent = sent(
            r#"{"model":"a/b","max_tokens":10.0,"messages":[{"role":"user"}],"max_completion_tokens":9000}"#,
        );
        let expected = concat!(
            r#"{"model":"theirs","max_tokens":10,"messages":[{"role":"user"}],"#,
            r#""max_completion_tokens":10}"#
        );
        assert_eq!(sent, expected);
    }

    #[test]
    fn a_bound_that_the_client_did_not_say_is_sent() {
        let body = r#"{"model":"a/b","messages":[{"role":"user"}],"max_completion_tokens":null}"#;
        let body = crate::json::parse(body.as_bytes()).expect("JSON");
        let mut request = ChatRequest::parse(body).expect("a request");
        request.max_tokens = Some(7);
        let sent: Value = serde_json::from_slice(&request_body(&request, "theirs")).expect("JSON");
        assert_eq!(
            (&sent["max_tokens"], &sent["max_completion_tokens"]),
            (&json!(7), &Value::Null)
        );
    }
}
