//! Where the client speaks Anthropic's dialect too, nothing is translated: what it says is sent, with
//! fields that nobody here knows.

use serde_json::{Map, Value};

use super::request::service_tier;
use crate::chat::{ChatRequest, Tongue};
use crate::dialect::Target;

/// What OpenRouter added to the dialect, for the gateway.
const FOR_THE_GATEWAY: [&str; 12] = [
    "models",
    "fallbacks",
    "provider",
    "plugins",
    "preset",
    "route",
    "session_id",
    "stop_server_tools_when",
    "trace",
    "transforms",
    "usage",
    "user",
];
/// What makes an answer dearer than its endpoint's price says: nobody could bound it.
const DEARER: [&str; 4] = ["speed", "inference_geo", "mcp_servers", "container"];

/// The body of `request` as its client said it, where that was in this dialect.
pub(super) fn request_body(
    request: &ChatRequest,
    target: &Target<'_>,
) -> Option<Map<String, Value>> {
    let mut body = request.native(Tongue::Messages)?.clone();
    body.retain(|field, _| !FOR_THE_GATEWAY.iter().chain(&DEARER).any(|it| it == field));
    body.insert("model".into(), target.model.into());
    // The one that the endpoint is priced for.
    body.shift_remove("service_tier");
    if let Some(tier) = service_tier(request) {
        body.insert("service_tier".into(), tier);
    }
    let most = request.max_tokens.unwrap_or(target.completion_tokens_max);
    body.insert("max_tokens".into(), most.into());
    Some(body)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::face::Face;

    #[test]
    fn what_the_client_said_is_sent_but_what_is_for_the_gateway() {
        let body = json!({
            "model": "a/b", "max_tokens": 5000, "stream": true, "provider": {}, "speed": "fast",
            "service_tier": "auto",
            "messages": [{"role": "user", "content": "hi", "new": 1}],
            "context_management": {"edits": []}, "thinking": {"type": "adaptive", "display": "omitted"},
        });
        let (mut request, _) = Face::Messages.read(body).expect("a request");
        request.max_tokens = Some(100);
        request.serve_in(None);
        let target = Target { model: "claude", completion_tokens_max: 1000 };
        let sent = request_body(&request, &target).expect("it is native");
        let expected = json!({
            "model": "claude", "max_tokens": 100, "stream": true,
            "messages": [{"role": "user", "content": "hi", "new": 1}],
            "context_management": {"edits": []}, "thinking": {"type": "adaptive", "display": "omitted"},
        });
        assert_eq!(Value::Object(sent), expected);
    }
}
