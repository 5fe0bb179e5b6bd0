//! The request as a provider gets it.

use serde_json::{Map, Value, json};

use crate::chat::ChatRequest;

/// Fields that are said to the gateway; OpenAI-compatible servers refuse what they do not know.
const FOR_THE_GATEWAY: [&str; 15] = [
    "provider",
    "models",
    "route",
    "plugins",
    "transforms",
    "preset",
    "usage",
    "include_reasoning",
    "session_id",
    "trace",
    "debug",
    "cache_control",
    "image_config",
    "stop_server_tools_when",
    "fallbacks",
];

/// The request's body for a provider that calls the model `upstream_model`. What the client said
/// besides keeps its text and order.
pub fn request_body(request: &ChatRequest, upstream_model: &str) -> Vec<u8> {
    let mut body: Map<String, Value> = request.body().clone();
    body.retain(|field, _| !FOR_THE_GATEWAY.contains(&field.as_str()));
    body.insert("model".into(), upstream_model.into());
    if request.stream {
        // Without it most servers stream no usage, and the charge would be an estimate.
        body.insert("stream_options".into(), json!({"include_usage": true}));
    } else {
        body.shift_remove("stream_options");
    }
    serde_json::to_vec(&body).expect("a JSON object can be written")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_replaced_and_the_rest_kept() {
        let body = serde_json::from_str(
            r#"{"x":1.50,"model":"a/b","provider":{},"stream":true,"messages":[{"role":"user","content":"hi"}],
                "stream_options":{"include_usage":false},"temperature":0.70}"#,
        );
        let request = ChatRequest::parse(body.expect("JSON")).expect("a request");
        let sent = String::from_utf8(request_body(&request, "theirs")).expect("text");
        let expected = concat!(
            r#"{"x":1.50,"model":"theirs","stream":true,"messages":[{"role":"user","content":"hi"}],"#,
            r#""stream_options":{"include_usage":true},"temperature":0.70}"#
        );
        assert_eq!(sent, expected);
    }
}
