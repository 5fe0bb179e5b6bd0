//! Where the client speaks Anthropic's dialect too, nothing is translated: what it says is sent, and what
//! comes back is passed on, with fields and events that nobody here knows.

use serde_json::{Map, Value};

use super::request::service_tier;
use crate::chat::{ChatRequest, StreamEvent};
use crate::dialect::Target;
use crate::json::parse_lenient;

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
/// Bytes of events that wait for one that means something to the gateway.
const WAITING_BYTES_MAX: usize = 256 * 1024;

/// The body of `request` as its client said it, where that was in this dialect.
pub(super) fn request_body(request: &ChatRequest, target: &Target<'_>) -> Option<Vec<u8>> {
    let mut body = request.native()?.clone();
    body.retain(|field, _| !FOR_THE_GATEWAY.iter().chain(&DEARER).any(|it| it == field));
    body.insert("model".into(), target.model.into());
    // The one that the endpoint is priced for.
    body.shift_remove("service_tier");
    if let Some(tier) = service_tier(request) {
        body.insert("service_tier".into(), tier);
    }
    let most = request.max_tokens.unwrap_or(target.completion_tokens_max);
    body.insert("max_tokens".into(), most.into());
    Some(serde_json::to_vec(&body).expect("a JSON object can be written"))
}

/// The events of a stream as they came, on their way beside what they mean.
#[derive(Debug, Default)]
pub(crate) struct Natives {
    waiting: Vec<Map<String, Value>>,
    bytes: usize,
}

impl Natives {
    /// Takes the data of an event, and what it means; answers what there is to pass on.
    pub(crate) fn take(&mut self, data: &str, means: Option<StreamEvent>) -> Option<StreamEvent> {
        if let Ok(Value::Object(event)) = parse_lenient(data.as_bytes()) {
            self.waiting.push(event);
            self.bytes += data.len();
        }
        match means {
            Some(StreamEvent::Chunk(chunk)) => {
                Some(StreamEvent::Chunk(chunk.with_natives(self.all())))
            }
            // Not too many wait: what nobody here knows may be long.
            None if self.bytes > WAITING_BYTES_MAX => {
                Some(StreamEvent::Chunk(crate::chat::Chunk::silent().with_natives(self.all())))
            }
            other => other,
        }
    }

    fn all(&mut self) -> Vec<Map<String, Value>> {
        self.bytes = 0;
        std::mem::take(&mut self.waiting)
    }
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
        assert_eq!(serde_json::from_slice::<Value>(&sent).expect("JSON"), expected);
    }

    #[test]
    fn not_too_much_waits() {
        let mut natives = Natives::default();
        let event = json!({"type": "new", "text": "x".repeat(1024)}).to_string();
        let passed = (0..1000).filter(|_| natives.take(&event, None).is_some()).count();
        assert!((1..10).contains(&passed), "{passed}");
        assert!(natives.bytes <= WAITING_BYTES_MAX);
    }
}
