//! Asking how many tokens a prompt has, which costs nothing.

use serde_json::{Map, Value};

use super::vertex::with_version;
use crate::chat::{ChatRequest, Tongue};
use crate::dialect::Target;

/// What may be in such a question: all else is refused.
const ASKED: [&str; 8] = [
    "messages",
    "system",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "cache_control",
    "context_management",
];

/// The question, where the client speaks this dialect; `None` where not.
pub(crate) fn count_body(
    request: &ChatRequest,
    target: &Target<'_>,
    is_at_vertex: bool,
) -> Option<Map<String, Value>> {
    let said = request.native(Tongue::Messages)?;
    let asked =
        said.iter().filter(|(field, value)| ASKED.contains(&field.as_str()) && !value.is_null());
    let mut body: Map<String, Value> =
        asked.map(|(field, value)| (field.clone(), value.clone())).collect();
    body.insert("model".into(), target.model.into());
    if is_at_vertex {
        with_version(&mut body);
    }
    Some(body)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::dialect::Dialect;
    use crate::face::Face;

    #[test]
    fn only_what_is_counted_is_asked() {
        let messages = json!([{"role": "user", "content": "hi", "new": 1}]);
        let body = json!({
            "model": "a/b", "max_tokens": 5, "temperature": 1, "provider": {}, "system": "s", "tools": null,
            "messages": messages,
        });
        let (request, _) = Face::Messages.read(body).expect("a request");
        let target = Target { model: "claude", completion_tokens_max: 1000 };
        let asked = |dialect: Dialect| {
            let (path, body) = dialect.count(&request, &target).expect("it can be asked");
            (path, serde_json::from_slice::<Value>(&body).expect("JSON"))
        };
        let mut expected = json!({"system": "s", "messages": messages, "model": "claude"});
        assert_eq!(
            asked(Dialect::Anthropic),
            ("/messages/count_tokens".to_owned(), expected.clone())
        );
        expected["anthropic_version"] = "vertex-2023-10-16".into();
        let path = "/models/count-tokens:rawPredict".to_owned();
        assert_eq!(asked(Dialect::VertexAnthropic), (path, expected));
        assert_eq!(Dialect::Cohere.count(&request, &target), None);
        assert_eq!(Dialect::counted(br#"{"input_tokens": 12}"#), Some(12));
        assert_eq!(Dialect::counted(br#"{"error": {}}"#), None);
    }
}
