//! A chat completion request, as far as the gateway has to understand it. The rest is kept.

mod measure;
mod passed_on;

use serde_json::{Map, Number, Value, json};
use thiserror::Error;

use super::errand::Errand;
use super::native::{Native, Tongue};
use super::verbatim::{MESSAGES, Verbatim};
use super::{place, search, unpriced};
use crate::json::{self, Text};

const ROLES: [&str; 5] = ["system", "developer", "user", "assistant", "tool"];
/// How much is thought where that is all that is asked for.
const DEFAULT_EFFORT: &str = "medium";
const CHOICES_MAX: u64 = 128;
/// The longest id of a model that is looked for, in bytes.
pub const MODEL_BYTES_MAX: usize = 256;

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
    /// Prompts of a conversation's request: one, but where several are to be continued at once.
    prompts: u64,
    /// What is asked for where it is no conversation.
    pub errand: Option<Errand>,
    /// What a client of Anthropic's turns on, for providers that know it: the header's value.
    pub betas: Option<String>,
    /// Which trace it belongs to, for providers that are told: the header's value.
    pub traceparent: Option<String>,
    /// Whether its cost has to have a bound.
    held_to_bound: bool,
    /// As the client said it, where that was in a dialect that some providers speak too.
    native: Option<Native>,
    /// The messages where they are not in `body`: as the client wrote them.
    verbatim: Option<Box<Verbatim>>,
    body: Map<String, Value>,
}

impl ChatRequest {
    /// Reads a request. Null counts as absent; unknown fields are kept and not looked at.
    pub fn parse(body: Value) -> Result<Self, RequestError> {
        let Value::Object(mut body) = body else {
            return Err(RequestError::new("The request's body", "must be a JSON object"));
        };
        prompt_to_messages(&mut body);
        let request = Self::of(body)?;
        check_messages(&request.body)?;
        Ok(request)
    }

    /// Reads a request in its text, of whose messages no tree is made where none is needed.
    pub fn read(text: Text) -> Result<Self, RequestError> {
        let (verbatim, rest) = match Verbatim::of(text) {
            Ok(read) => read,
            // What is wrong with it shows in the tree.
            Err(text) => return Self::parse(text.to_value()),
        };
        let request = Self::of(rest)?;
        verbatim.odd.iter().try_for_each(|(number, message)| check_message(*number, message))?;
        Ok(Self { verbatim: Some(Box::new(verbatim)), ..request })
    }

    /// Reads all but the messages.
    fn of(body: Map<String, Value>) -> Result<Self, RequestError> {
        let model = model(&body)?;
        search::refuse(&body, &model)?;
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
        Ok(Self {
            model,
            stream,
            max_tokens,
            choices,
            prompts: 1,
            errand: None,
            betas: None,
            traceparent: None,
            held_to_bound: false,
            native: None,
            verbatim: None,
            body,
        })
    }

    /// A request that is no conversation: it reads, and says nothing.
    pub(super) fn of_errand(errand: Errand, model: String, body: Map<String, Value>) -> Self {
        let (max_tokens, errand) = (Some(0), Some(errand));
        Self {
            model,
            stream: false,
            max_tokens,
            choices: 1,
            prompts: 1,
            errand,
            betas: None,
            traceparent: None,
            held_to_bound: false,
            native: None,
            verbatim: None,
            body,
        }
    }

    /// Keeps what the client said, for providers that speak its dialect.
    #[must_use]
    pub(crate) fn with_native(mut self, native: Native) -> Self {
        self.native = Some(native);
        self
    }

    /// The same for `prompts`, of each of which `each` answers are billed.
    ///
    /// # Errors
    /// They are too many at once.
    pub(crate) fn continuing(mut self, prompts: u64, each: u64) -> Result<Self, RequestError> {
        let choices = prompts.saturating_mul(each.max(self.choices));
        if choices > CHOICES_MAX {
            let allowed =
                format!("must be such that there are at most {CHOICES_MAX} answers in all");
            return Err(RequestError::new("prompt", allowed));
        }
        (self.prompts, self.choices) = (prompts, choices);
        Ok(self)
    }

    /// What the client said, where that was in this dialect.
    pub(crate) fn native(&self, tongue: Tongue) -> Option<&Map<String, Value>> {
        self.native.as_ref().filter(|native| native.tongue == tongue).map(|native| &native.said)
    }

    /// What only a provider of the client's own dialect can be told.
    pub(crate) fn untranslated(&self) -> Option<&RequestError> {
        self.native.as_ref()?.untranslated.as_ref()
    }

    /// How many prompts the model reads on their own, each within its context.
    pub fn prompts(&self) -> u64 {
        self.errand.map_or(self.prompts, |errand| errand.prompts(&self.body))
    }

    pub fn messages(&self) -> &[Value] {
        self.field(MESSAGES).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// Asks the provider for the tier of service that its endpoint is priced for, and for none where it
    /// has none: what the client asked for has chosen the endpoint.
    pub fn serve_in(&mut self, tier: Option<&str>) {
        match tier {
            Some(tier) => drop(self.body.insert("service_tier".to_owned(), tier.into())),
            None => drop(self.body.shift_remove("service_tier")),
        }
    }

    /// Whether the answer may be spoken.
    pub fn speaks(&self) -> bool {
        let modalities = self.field("modalities").and_then(Value::as_array);
        let mut named = modalities.into_iter().flatten().filter_map(Value::as_str);
        self.field("audio").is_some() || named.any(|it| it.eq_ignore_ascii_case("audio"))
    }

    /// Whether the model is told not to think.
    pub fn thinks_nothing(&self) -> bool {
        let reasoning = self.field("reasoning");
        let effort = reasoning.and_then(|it| it.get("effort")).or(self.field("reasoning_effort"));
        let enabled = reasoning.and_then(|it| it.get("enabled"));
        effort == Some(&Value::from("none")) || enabled == Some(&Value::Bool(false))
    }

    /// Whether the client wants to hear nothing of the model's reasoning.
    pub fn hides_reasoning(&self) -> bool {
        let excluded = self.field("reasoning").and_then(|it| it.get("exclude"));
        excluded == Some(&Value::Bool(true))
            || self.field("include_reasoning") == Some(&Value::Bool(false))
    }

    /// A field as the client said it; null counts as absent.
    pub fn field(&self, name: &str) -> Option<&Value> {
        match &self.verbatim {
            Some(verbatim) if name == MESSAGES => Some(verbatim.tree()),
            _ => present(&self.body, name),
        }
    }

    /// Every field but the messages, as the client said it; null counts as absent.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &Value)> {
        let said = self.body.iter().filter(|(name, it)| !it.is_null() && *name != MESSAGES);
        said.map(|(name, value)| (name.as_str(), value))
    }

    /// Asks for reasoning, unless the client said something of it itself.
    pub fn default_to_reasoning(&mut self) {
        let said = ["reasoning", "reasoning_effort", "include_reasoning"];
        if said.iter().all(|field| self.field(field).is_none()) {
            self.body.insert("reasoning".into(), serde_json::json!({"enabled": true}));
            match &mut self.native {
                Some(Native { tongue: Tongue::Responses, said, .. }) => {
                    said.insert("reasoning".into(), json!({"effort": DEFAULT_EFFORT}));
                }
                // How much a model of Anthropic's may think hangs on much else: its translator knows.
                native => drop(native.take_if(|it| it.tongue == Tongue::Messages)),
            }
        }
    }

    /// That it asks for one answer, where its provider gives no more than that.
    pub(crate) fn only_one(&self, provider: &str) -> Result<(), RequestError> {
        if self.choices == 1 {
            return Ok(());
        }
        Err(RequestError::new("n", format!("must be 1: {provider} gives one answer to a request")))
    }

    /// Makes it a request whose cost has a bound. A `prediction` is left out: what is wrong of it is
    /// billed, and all that it does is make the answer quicker.
    ///
    /// # Errors
    /// It names what the provider is to do at a price that nobody here knows.
    pub fn hold_to_bound(&mut self) -> Result<(), RequestError> {
        unpriced::refuse(&self.body)?;
        if let Some(native) = &mut self.native {
            unpriced::hold(native.tongue, &mut native.said)?;
        }
        self.body.shift_remove("prediction");
        self.held_to_bound = true;
        Ok(())
    }

    /// Whether [`ChatRequest::hold_to_bound`] was asked of it.
    pub const fn is_held_to_bound(&self) -> bool {
        self.held_to_bound
    }
}

/// The model that is asked for: the first of `models` where `model` names none.
fn model(body: &Map<String, Value>) -> Result<String, RequestError> {
    let first =
        || json::field(body, "models").and_then(|models| models.get(0)).filter(|it| !it.is_null());
    match present(body, "model").or_else(first) {
        Some(said) => Ok(model_id(said, "model")?.to_owned()),
        None => Err(RequestError::new("model", "is required; GET /api/v1/models lists them all")),
    }
}

/// Reads the id of a model that `field` names.
///
/// # Errors
/// It is none, or longer than [`MODEL_BYTES_MAX`]; then it is not repeated.
pub fn model_id<'a>(said: &'a Value, field: &str) -> Result<&'a str, RequestError> {
    let Some(id) = said.as_str().filter(|id| !id.is_empty()) else {
        return Err(RequestError::new(field, "must be a model's id, a string"));
    };
    if id.len() > MODEL_BYTES_MAX {
        let allowed = format!("must be a model's id of at most {MODEL_BYTES_MAX} bytes");
        return Err(RequestError::new(field, allowed));
    }
    Ok(id)
}

/// Before there were messages there was a prompt; one is taken for the user's message.
fn prompt_to_messages(body: &mut Map<String, Value>) {
    if present(body, "messages").is_none()
        && let Some(Value::String(prompt)) = present(body, "prompt")
    {
        let messages = json!([{"role": "user", "content": prompt}]);
        body.shift_remove("prompt");
        body.insert("messages".to_owned(), messages);
    }
}

fn present<'a>(body: &'a Map<String, Value>, field: &str) -> Option<&'a Value> {
    json::field(body, field).filter(|value| !value.is_null())
}

fn whole(body: &Map<String, Value>, field: &str, most: u64) -> Result<Option<u64>, RequestError> {
    let Some(value) = present(body, field) else { return Ok(None) };
    // Some clients write whole numbers with a fraction: 10.0.
    let text = value.as_number().map_or("", Number::as_str);
    let number = text.strip_suffix(".0").unwrap_or(text).parse::<u64>().ok();
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
    if messages.is_empty() {
        return Err(RequestError::new("messages", "must have at least one message"));
    }
    messages.iter().enumerate().try_for_each(|(number, message)| check_message(number, message))
}

pub(super) fn is_role(role: &str) -> bool {
    ROLES.contains(&role)
}

fn check_message(number: usize, message: &Value) -> Result<(), RequestError> {
    let at = format!("messages[{number}]");
    let Value::Object(message) = message else {
        return Err(RequestError::new(at, "must be an object with role and content"));
    };
    let role = message.get("role").and_then(Value::as_str);
    if !role.is_some_and(is_role) {
        let allowed = format!("must be one of {}", ROLES.join(", "));
        return Err(RequestError::new(format!("{at}.role"), allowed));
    }
    let field = format!("{at}.content");
    match message.get("content") {
        None | Some(Value::Null | Value::String(_)) => Ok(()),
        Some(Value::Array(parts)) => {
            let numbered = parts.iter().enumerate();
            numbered.map(|(number, part)| (part, format!("{field}[{number}]"))).try_for_each(
                |(part, at)| match part {
                    Value::Object(part) => place::check(part, &at),
                    _ => Err(RequestError::new(at, "must be an object")),
                },
            )
        }
        Some(_) => Err(RequestError::new(field, "must be a string or an array of parts")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
            (json!({"model": "x".repeat(MODEL_BYTES_MAX + 1)}), "model"),
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
            (
                json!({"messages": [{"role": "user", "content": [
                    {"type": "image_url", "image_url": {"url": "http://169.254.169.254/"}},
                ]}]}),
                "messages[0].content[0]",
            ),
        ];
        for (fields, field) in cases {
            assert_eq!(request(&fields).expect_err(field).field, field);
        }
    }

    #[test]
    fn nulls_are_absent_and_the_smaller_bound_counts() {
        let nulls =
            request(&json!({"max_tokens": null, "stream": null, "n": null})).expect("valid");
        assert_eq!((nulls.max_tokens, nulls.stream, nulls.choices), (None, false, 1));
        let both = json!({"max_tokens": 10.0, "max_completion_tokens": 7});
        assert_eq!(request(&both).expect("valid").max_tokens, Some(7));
    }

    #[test]
    fn a_prompt_is_a_message_and_the_first_of_the_models_the_model() {
        let body = json!({"models": ["a/b", "c/d"], "prompt": "hi", "temperature": 0});
        let request = ChatRequest::parse(body).expect("valid");
        assert_eq!(request.model, "a/b");
        assert_eq!(request.messages(), [json!({"role": "user", "content": "hi"})]);
        assert!(!request.body.contains_key("prompt"));
    }

    #[test]
    fn an_id_that_is_too_long_is_not_repeated() {
        let longest = request(&json!({"model": "x".repeat(MODEL_BYTES_MAX)}));
        assert!(longest.is_ok());
        let error = request(&json!({"model": "x".repeat(MODEL_BYTES_MAX + 1)}));
        let told = error.expect_err("too long").to_string();
        assert_eq!(told, "model: must be a model's id of at most 256 bytes");
    }

    #[test]
    fn a_request_that_is_held_to_its_bound_predicts_nothing() {
        let mut held = request(&json!({"prediction": {"content": "x"}, "seed": 1})).expect("valid");
        held.hold_to_bound().expect("all of it has a price");
        assert_eq!((held.field("prediction"), held.field("seed")), (None, Some(&json!(1))));
        let mut searches = request(&json!({"web_search_options": {}})).expect("valid");
        assert!(searches.hold_to_bound().is_err());
    }

    #[test]
    fn reasoning_by_default_is_asked_for_in_every_tongue() {
        use crate::face::Face;
        let (mut request, _) =
            Face::Responses.read(json!({"model": "a/b", "input": "hi"})).expect("valid");
        request.default_to_reasoning();
        let said = request.native(Tongue::Responses).expect("in OpenAI's words");
        assert_eq!(said["reasoning"], json!({"effort": "medium"}));
        let messages = json!([{"role": "user", "content": "hi"}]);
        let body = json!({"model": "a/b", "max_tokens": 9, "messages": messages});
        let (mut request, _) = Face::Messages.read(body.clone()).expect("valid");
        request.default_to_reasoning();
        assert_eq!(request.native(Tongue::Messages), None);
        let mut body = body;
        body["thinking"] = json!({"type": "disabled"});
        let (mut request, _) = Face::Messages.read(body).expect("valid");
        request.default_to_reasoning();
        assert!(request.native(Tongue::Messages).is_some());
    }

    #[test]
    fn what_is_not_a_request_is_refused_with_what_is_allowed() {
        let error = ChatRequest::parse(json!([])).expect_err("not an object");
        assert_eq!(error.to_string(), "The request's body: must be a JSON object");
        let error = request(&json!({"messages": [{"role": "system"}, {"role": "robot"}]}));
        let expected = "messages[1].role: must be one of system, developer, user, assistant, tool";
        assert_eq!(error.expect_err("no role").to_string(), expected);
    }

    proptest! {
        #[test]
        fn no_value_panics(
            field in "model|stream|max_tokens|max_completion_tokens|n|messages|tools|plugins|other",
            value in any_json(),
        ) {
            if let Ok(request) = request(&json!({ field: value })) {
                let _ = request.prompt_tokens_bound();
                prop_assert!((1..=CHOICES_MAX).contains(&request.choices));
                prop_assert!(request.max_tokens != Some(0));
            }
        }
    }

    /// Small values of every type, with the names that requests use.
    fn any_json() -> impl Strategy<Value = Value> {
        let text = "(system|user|text|image_url|function|\\PC{0,3})";
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            text.prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 16, 3, |inner| {
            let entry = ("(role|content|type|text|audio|other)", inner.clone());
            prop_oneof![
                prop::collection::vec(inner, 0..3).prop_map(Value::from),
                prop::collection::vec(entry, 0..3)
                    .prop_map(|entries| Value::Object(entries.into_iter().collect())),
            ]
        })
    }
}
