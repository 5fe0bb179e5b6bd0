//! A chat completion request, as far as the gateway has to understand it. The rest is kept.

use serde_json::{Map, Value};
use thiserror::Error;

const ROLES: [&str; 5] = ["system", "developer", "user", "assistant", "tool"];
const MESSAGES_MAX: usize = 10_000;
const CHOICES_MAX: u64 = 128;
/// Tokens that a template may put around each message, at most.
const TOKENS_PER_MESSAGE: u64 = 16;
/// Fields that add to the prompt what nobody can count beforehand.
const UNBOUNDED_FIELDS: [&str; 2] = ["plugins", "web_search_options"];

/// A field says something that is not allowed; `message` completes the sentence.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{field}: {message}")]
pub struct RequestError {
    pub field: String,
    pub message: String,
}

impl RequestError {
    pub(crate) fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

/// A request whose fields that decide about money and routing are checked.
#[derive(Clone, Debug)]
pub struct ChatRequest {
    pub model: String,
    pub stream: bool,
    /// The smaller of `max_tokens` and `max_completion_tokens`.
    pub max_tokens: Option<u64>,
    /// How many answers are asked for (`n`).
    pub choices: u64,
    body: Map<String, Value>,
}

impl ChatRequest {
    /// Reads a request. Null counts as absent; unknown fields are kept and not looked at.
    pub fn parse(body: Value) -> Result<Self, RequestError> {
        let Value::Object(body) = body else {
            return Err(RequestError::new("The request's body", "must be a JSON object"));
        };
        let model = match present(&body, "model") {
            Some(Value::String(model)) if !model.is_empty() => model.clone(),
            None => return Err(RequestError::new("model", "is required")),
            Some(_) => return Err(RequestError::new("model", "must be a model's id, a string")),
        };
        let stream = match present(&body, "stream") {
            None => false,
            Some(Value::Bool(stream)) => *stream,
            Some(_) => return Err(RequestError::new("stream", "must be true or false")),
        };
        let tokens = [
            whole(&body, "max_tokens", u64::MAX)?,
            whole(&body, "max_completion_tokens", u64::MAX)?,
        ];
        let max_tokens = tokens.into_iter().flatten().min();
        let choices = whole(&body, "n", CHOICES_MAX)?.unwrap_or(1);
        check_messages(&body)?;
        Ok(Self { model, stream, max_tokens, choices, body })
    }

    pub fn messages(&self) -> &[Value] {
        self.body.get("messages").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// The whole request as it came.
    pub(crate) const fn body(&self) -> &Map<String, Value> {
        &self.body
    }

    /// The most tokens that the prompt can have: a token is at least a byte of what is sent.
    ///
    /// Answers with the field that no bound is known for: images, audio, files, plugins.
    pub fn prompt_tokens_bound(&self) -> Result<u64, String> {
        if let Some(field) = UNBOUNDED_FIELDS.iter().find(|f| present(&self.body, f).is_some()) {
            return Err((*field).to_owned());
        }
        for (number, message) in self.messages().iter().enumerate() {
            if let Some(part) = uncountable_part(message) {
                return Err(format!("messages[{number}].content[{part}]"));
            }
        }
        let bytes: u64 = self.body.values().map(serialized_bytes).sum();
        Ok(bytes.saturating_add(TOKENS_PER_MESSAGE * self.messages().len() as u64))
    }

    /// UTF-8 bytes of text in the messages, for estimates.
    pub fn prompt_text_bytes(&self) -> u64 {
        self.messages().iter().map(|message| text_of(message).len() as u64).sum()
    }
}

/// The text of a message, its text parts joined.
pub(crate) fn text_of(message: &Value) -> String {
    match message.get("content") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            parts.iter().filter_map(|part| part.get("text")?.as_str()).collect()
        }
        _ => String::new(),
    }
}

fn present<'a>(body: &'a Map<String, Value>, field: &str) -> Option<&'a Value> {
    body.get(field).filter(|value| !value.is_null())
}

fn whole(body: &Map<String, Value>, field: &str, most: u64) -> Result<Option<u64>, RequestError> {
    let Some(value) = present(body, field) else { return Ok(None) };
    // Some clients write whole numbers with a fraction: 10.0.
    let text = value.is_number().then(|| value.to_string()).unwrap_or_default();
    let number = text.strip_suffix(".0").unwrap_or(&text).parse::<u64>().ok();
    match number.filter(|number| (1..=most).contains(number)) {
        Some(number) => Ok(Some(number)),
        None if most == u64::MAX => {
            Err(RequestError::new(field, "must be a whole number above zero"))
        }
        None => Err(RequestError::new(field, format!("must be a whole number from 1 to {most}"))),
    }
}

fn check_messages(body: &Map<String, Value>) -> Result<(), RequestError> {
    let messages = match present(body, "messages") {
        Some(Value::Array(messages)) => messages,
        None => return Err(RequestError::new("messages", "is required")),
        Some(_) => return Err(RequestError::new("messages", "must be an array of messages")),
    };
    if messages.is_empty() || messages.len() > MESSAGES_MAX {
        let allowed = format!("must have 1 to {MESSAGES_MAX} messages");
        return Err(RequestError::new("messages", allowed));
    }
    messages.iter().enumerate().try_for_each(|(number, message)| check_message(number, message))
}

fn check_message(number: usize, message: &Value) -> Result<(), RequestError> {
    let at = format!("messages[{number}]");
    let Value::Object(message) = message else {
        return Err(RequestError::new(at, "must be an object with role and content"));
    };
    let role = message.get("role").and_then(Value::as_str);
    if !role.is_some_and(|role| ROLES.contains(&role)) {
        let allowed = format!("must be one of {}", ROLES.join(", "));
        return Err(RequestError::new(format!("{at}.role"), allowed));
    }
    let field = format!("{at}.content");
    match message.get("content") {
        None | Some(Value::Null | Value::String(_)) => Ok(()),
        Some(Value::Array(parts)) => match parts.iter().position(|part| !part.is_object()) {
            Some(part) => Err(RequestError::new(format!("{field}[{part}]"), "must be an object")),
            None => Ok(()),
        },
        Some(_) => Err(RequestError::new(field, "must be a string or an array of parts")),
    }
}

/// The first part of a message that is not text.
fn uncountable_part(message: &Value) -> Option<usize> {
    let parts = message.get("content")?.as_array()?;
    parts.iter().position(|part| part.get("type").and_then(Value::as_str) != Some("text"))
}

/// The length of a value as JSON: whatever of it reaches the model is no longer than that.
fn serialized_bytes(value: &Value) -> u64 {
    value.to_string().len() as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn request(fields: &Value) -> Result<ChatRequest, RequestError> {
        let mut body = json!({"model": "a/b", "messages": [{"role": "user", "content": "hi"}]});
        let object = body.as_object_mut().expect("an object");
        object.extend(fields.as_object().expect("an object").clone());
        ChatRequest::parse(body)
    }

    #[test]
    fn mistakes_name_their_field() {
        let cases = [
            (json!({"model": null}), "model"),
            (json!({"model": 1}), "model"),
            (json!({"stream": "true"}), "stream"),
            (json!({"max_tokens": 0}), "max_tokens"),
            (json!({"max_tokens": 1.5}), "max_tokens"),
            (json!({"max_completion_tokens": -1}), "max_completion_tokens"),
            (json!({"n": 129}), "n"),
            (json!({"messages": []}), "messages"),
            (json!({"messages": "hi"}), "messages"),
            (json!({"messages": [1]}), "messages[0]"),
            (json!({"messages": [{"content": "hi"}]}), "messages[0].role"),
            (json!({"messages": [{"role": "user", "content": [1]}]}), "messages[0].content[0]"),
            (json!({"messages": [{"role": "user", "content": {}}]}), "messages[0].content"),
        ];
        for (fields, field) in cases {
            assert_eq!(request(&fields).expect_err(field).field, field);
        }
    }

    #[test]
    fn nulls_are_absent_and_the_smaller_bound_counts() {
        let nulls = request(&json!({"max_tokens": null, "stream": null, "n": null})).expect("valid");
        assert_eq!((nulls.max_tokens, nulls.stream, nulls.choices), (None, false, 1));
        let both = json!({"max_tokens": 10.0, "max_completion_tokens": 7});
        assert_eq!(request(&both).expect("valid").max_tokens, Some(7));
    }

    #[test]
    fn what_cannot_be_counted_is_named() {
        let image = json!([{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {}}]);
        let messages = json!({"messages": [{"role": "user", "content": image}]});
        let bound = request(&messages).expect("valid").prompt_tokens_bound();
        assert_eq!(bound, Err("messages[0].content[1]".to_owned()));
        let plugins = request(&json!({"plugins": [{"id": "web"}]})).expect("valid");
        assert_eq!(plugins.prompt_tokens_bound(), Err("plugins".to_owned()));
    }

    proptest! {
        #[test]
        fn the_bound_is_at_least_a_token_a_byte(texts in prop::collection::vec("\\PC{0,30}", 1..5)) {
            let messages: Vec<Value> =
                texts.iter().map(|text| json!({"role": "user", "content": text})).collect();
            let request = request(&json!({"messages": messages})).expect("valid");
            let bytes: usize = texts.iter().map(String::len).sum();
            prop_assert_eq!(request.prompt_text_bytes(), bytes as u64);
            prop_assert!(request.prompt_tokens_bound().expect("text") >= bytes as u64);
        }
    }
}
