//! A whole answer.

use std::borrow::Cow;

use keyway_core::money::Nanos;
use keyway_core::pricing::Usage;
use serde_json::{Map, Value};

use super::choice::{self, Form};
use super::passage::Passage;
use super::receipt::{read_cost, read_prompt_usage, read_usage};
use super::{
    About, AnswerError, Envelope, Errand, Receipt, keep_unknown, message_of, scrub, source,
};
use crate::json;

/// What a provider answered to a request that does not stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub(super) body: Body,
    usage: Option<Usage>,
    provider_cost: Option<Nanos>,
    /// The body that it was read from, where its dialect is one of clients too.
    pub(super) native: Option<Map<String, Value>>,
}

/// What it says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Body {
    Tree(Map<String, Value>),
    Passage(Passage),
}

impl Answer {
    /// Reads a provider's body.
    pub fn parse(body: &[u8]) -> Result<Self, AnswerError> {
        Self::parse_passage(body).map_or_else(|| Self::parse_tree(body), Ok)
    }

    /// Reads one that can be passed on as it came.
    pub(super) fn parse_passage(body: &[u8]) -> Option<Self> {
        let passage = Passage::read(body)?;
        let counted = passage.counted();
        let (usage, provider_cost) = (counted.and_then(read_usage), counted.and_then(read_cost));
        Some(Self { body: Body::Passage(passage), usage, provider_cost, native: None })
    }

    /// Reads any other, and those too.
    pub(super) fn parse_tree(body: &[u8]) -> Result<Self, AnswerError> {
        let malformed = |why: &str| AnswerError::Malformed(why.to_owned());
        let read = json::parse_lenient(body).map_err(|error| malformed(&error.to_string()))?;
        let Value::Object(mut read) = read else { return Err(malformed("is not an object")) };
        // Some gateways answer 200 and say inside that they failed. What they say beside choices is for
        // nobody: it may repeat what is the operator's.
        let failed = read.shift_remove("error").filter(|error| !error.is_null());
        let choices = read.get("choices").and_then(Value::as_array);
        let choices = choices.filter(|choices| failed.is_none() || !choices.is_empty());
        if choices.is_none() {
            let message = failed.and_then(|_| message_of(body));
            return Err(message.map_or_else(|| malformed("has no choices"), AnswerError::Failed));
        }
        source::annotate(&mut read, Form::Answer);
        Ok(Self::of(read))
    }

    /// Makes what it says of choices that failed fit to be passed on, as [`scrub`] does.
    pub fn scrub_failures(&mut self, secret: Option<&str>) {
        // One that failed was never passed on as it came.
        let Body::Tree(tree) = &mut self.body else { return };
        let choices = tree.get_mut("choices").and_then(Value::as_array_mut);
        for choice in choices.into_iter().flatten() {
            let Some(error) = choice.get_mut("error").and_then(Value::as_object_mut) else {
                continue;
            };
            error.retain(|field, _| ["code", "message", "metadata"].contains(&field.as_str()));
            if let Some(Value::String(message)) = error.get_mut("message") {
                *message = scrub(message, secret).into_owned();
            }
            if let Some(Value::Object(metadata)) = error.get_mut("metadata") {
                metadata.retain(|field, _| field == "error_type");
            }
        }
    }

    /// An answer that a dialect put into this form.
    pub(crate) fn of(body: Map<String, Value>) -> Self {
        let usage = body.get("usage").and_then(read_usage);
        let provider_cost = body.get("usage").and_then(read_cost);
        Self { body: Body::Tree(body), usage, provider_cost, native: None }
    }

    /// Reads a provider's answer to an errand.
    pub fn of_errand(errand: Errand, body: &[u8]) -> Result<Self, AnswerError> {
        let malformed = |why: &str| AnswerError::Malformed(why.to_owned());
        let read = json::parse_lenient(body).map_err(|error| malformed(&error.to_string()))?;
        let Value::Object(read) = read else { return Err(malformed("is not an object")) };
        let field = match errand {
            Errand::Embed => "data",
            Errand::Rerank => "results",
        };
        if !read.get(field).is_some_and(Value::is_array) {
            let failed = read.get("error").filter(|error| !error.is_null());
            let message = failed.and_then(|_| message_of(body));
            let without = || malformed(&format!("has no {field}"));
            return Err(message.map_or_else(without, AnswerError::Failed));
        }
        Ok(Self::to_errand(read))
    }

    /// An answer to an errand that a dialect put into this form.
    pub(crate) fn to_errand(body: Map<String, Value>) -> Self {
        let usage = body.get("usage").and_then(read_prompt_usage);
        let provider_cost = body.get("usage").and_then(read_cost);
        Self { body: Body::Tree(body), usage, provider_cost, native: None }
    }

    /// An answer that was made here.
    pub(crate) fn new(choices: Value, usage: Usage) -> Self {
        let mut body = Map::new();
        body.insert("choices".into(), choices);
        Self { body: Body::Tree(body), usage: Some(usage), provider_cost: None, native: None }
    }

    /// The same with what the provider says that it charges.
    #[must_use]
    pub(crate) const fn with_cost(mut self, cost: Option<Nanos>) -> Self {
        self.provider_cost = cost;
        self
    }

    /// The same with the body that it was read from.
    #[must_use]
    pub(crate) fn with_native(mut self, body: Map<String, Value>) -> Self {
        self.native = Some(body);
        self
    }

    pub(crate) fn take_native(&mut self) -> Option<Map<String, Value>> {
        self.native.take()
    }

    /// What the provider says that it charges.
    pub const fn provider_cost(&self) -> Option<Nanos> {
        self.provider_cost
    }

    /// The tokens that the provider counted.
    pub const fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// What it says about itself.
    pub fn about(&self) -> About {
        let native = self.native.as_ref();
        match &self.body {
            Body::Tree(tree) => About::of_tree(tree, native),
            Body::Passage(passage) => About::of_passage(passage),
        }
    }

    /// UTF-8 bytes of what was said.
    pub fn output_bytes(&self) -> u64 {
        match &self.body {
            Body::Tree(tree) => choice::output_bytes(tree.get("choices"), Form::Answer),
            Body::Passage(passage) => choice::output_bytes(passage.choices(), Form::Answer),
        }
    }

    /// Zero-completion insurance (contract, C.5): an answer that ended in an error, or that says
    /// nothing and not why, is not charged.
    pub fn is_uncharged(&self) -> bool {
        match &self.body {
            // What is no conversation has none, and says what was asked for without a token.
            Body::Tree(tree) if !tree.contains_key("choices") => false,
            Body::Tree(tree) => self.is_nothing(choice::finish_reasons(tree.get("choices"))),
            Body::Passage(passage) => self.is_nothing(choice::finish_reasons(passage.choices())),
        }
    }

    fn is_nothing<'a>(&self, reasons: impl Iterator<Item = Option<Cow<'a, str>>>) -> bool {
        let silent = match self.usage {
            Some(usage) => usage.completion_tokens == 0,
            None => self.output_bytes() == 0,
        };
        let mut reasons = reasons.peekable();
        let answered = reasons.peek().is_some();
        let free = reasons.all(|reason| reason.map_or(silent, |it| it == "error"));
        free && (answered || silent)
    }

    /// The answer to an errand as clients get it.
    pub fn complete_errand(
        self,
        object: &str,
        envelope: &Envelope,
        receipt: &Receipt,
    ) -> Map<String, Value> {
        let mut said = self.body.into_tree();
        let counted = said.shift_remove("usage");
        let mut body = envelope.head(object);
        body.shift_remove("created");
        keep_unknown(&mut body, said);
        let mut usage = receipt.write(counted);
        for field in ["completion_tokens", "completion_tokens_details"] {
            usage.as_object_mut().and_then(|usage| usage.shift_remove(field));
        }
        body.insert("usage".into(), usage);
        body
    }

    /// The answer as clients get it, as text.
    pub fn render(self, envelope: &Envelope, receipt: &Receipt) -> Vec<u8> {
        if let Body::Passage(passage) = &self.body {
            return passage.write(envelope, receipt);
        }
        let body = self.complete(envelope, receipt);
        serde_json::to_vec(&body).expect("a JSON object can be written")
    }

    /// The answer as clients get it.
    pub fn complete(self, envelope: &Envelope, receipt: &Receipt) -> Map<String, Value> {
        let mut said = self.body.into_tree();
        let counted = said.shift_remove("usage");
        let mut body = envelope.head("chat.completion");
        // Required in an answer, null or not; in a chunk null is refused.
        let fingerprint = said.shift_remove("system_fingerprint");
        let fingerprint = fingerprint.filter(Value::is_string).unwrap_or_default();
        body.insert("system_fingerprint".into(), fingerprint);
        let choices = said.shift_remove("choices").unwrap_or_default();
        body.insert("choices".into(), choice::complete(choices, Form::Answer));
        keep_unknown(&mut body, said);
        body.insert("usage".into(), receipt.write(counted));
        body
    }
}

impl Body {
    fn into_tree(self) -> Map<String, Value> {
        match self {
            Self::Tree(tree) => tree,
            Self::Passage(passage) => passage.to_tree(),
        }
    }
}

#[cfg(test)]
mod tests {
    use keyway_core::money::Nanos;
    use keyway_core::pricing::Cost;
    use serde_json::json;

    use super::*;

    fn parsed(answer: &Value) -> Answer {
        Answer::parse(answer.to_string().as_bytes()).expect("an answer")
    }

    fn render(answer: &Value) -> Value {
        rendered(parsed(answer))
    }

    fn rendered(answer: Answer) -> Value {
        let envelope =
            Envelope { id: "gen-1".into(), model: "a/b".into(), provider: "A".into(), created: 7 };
        let usage = answer.usage().unwrap_or_default();
        let receipt =
            Receipt { usage, cost: Cost::default(), charge: Nanos::new(18_000), byok: None };
        serde_json::from_slice(&answer.render(&envelope, &receipt)).expect("JSON")
    }

    #[test]
    fn the_words_of_a_failure_are_no_answer_and_repeat_no_credential() {
        let failed = json!({ "choices": [], "error": { "message": "no key operators-own" } });
        let told = Answer::parse(failed.to_string().as_bytes());
        assert_eq!(told, Err(AnswerError::Failed("no key operators-own".to_owned())));
        let answer = json!({
            "choices": [{ "finish_reason": "error", "message": { "content": "Hel" },
                "error": { "code": 401, "message": "no key operators-own", "key": "operators-own" } }],
            "error": { "message": "operators-own" },
        });
        let mut answer = parsed(&answer);
        answer.scrub_failures(Some("operators-own"));
        let rendered = rendered(answer).to_string();
        assert!(!rendered.contains("operators-own"), "{rendered}");
        assert!(rendered.contains("no key [masked]") && rendered.contains("Hel"), "{rendered}");
    }

    #[test]
    fn nulls_that_clients_refuse_are_taken_out_and_required_ones_put_in() {
        let rendered = render(&json!({
            "id": "x", "model": "m", "service_tier": null,
            "choices": [{"message": {"content": "hi", "tool_calls": null}, "finish_reason": "max_tokens"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": null}},
        }));
        let expected = json!({
            "id": "gen-1", "object": "chat.completion", "created": 7, "model": "a/b", "provider": "A",
            "system_fingerprint": null,
            "choices": [{
                "message": {"content": "hi", "role": "assistant", "refusal": null, "reasoning": null},
                "finish_reason": "length", "index": 0, "native_finish_reason": "max_tokens", "logprobs": null,
            }],
            "usage": {
                "prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "cost": 1.8e-5, "is_byok": false,
                "cost_details": {
                    "upstream_inference_cost": null, "upstream_inference_prompt_cost": 0,
                    "upstream_inference_completions_cost": 0,
                },
                "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 0},
            },
        });
        assert_eq!(rendered, expected);
    }

    #[test]
    fn what_ends_in_an_error_or_says_nothing_is_not_charged() {
        let uncharged = |choice: &Value, tokens: u64| {
            let body = json!({"choices": [choice], "usage": {"prompt_tokens": 1, "completion_tokens": tokens}});
            Answer::parse(body.to_string().as_bytes()).expect("an answer").is_uncharged()
        };
        assert!(uncharged(&json!({"finish_reason": "error"}), 5));
        assert!(uncharged(&json!({"finish_reason": null}), 0));
        assert!(uncharged(&json!({"finish_reason": ""}), 0));
        assert!(!uncharged(&json!({"finish_reason": "stop"}), 0));
        assert!(!uncharged(&json!({"finish_reason": null}), 5));
        let without = |body: Value| {
            Answer::parse(body.to_string().as_bytes()).expect("an answer").is_uncharged()
        };
        assert!(without(json!({"choices": []})));
        assert!(without(json!({"choices": [{"message": {"content": ""}}]})));
        assert!(!without(json!({"choices": [{"message": {"content": "hi"}}]})));
        let billed = json!({"prompt_tokens": 1, "completion_tokens": 5});
        assert!(!without(json!({"choices": [], "usage": billed})));
    }

    #[test]
    fn an_answer_without_choices_is_told_from_a_failure() {
        let parse = |body: &str| Answer::parse(body.as_bytes()).expect_err(body).to_string();
        let failed = r#"{"error": {"message": "The model is loading"}, "choices": null}"#;
        assert_eq!(parse(failed), "The model is loading");
        let malformed = "The provider's answer is malformed: ";
        assert_eq!(parse("[]"), format!("{malformed}is not an object"));
        assert_eq!(parse(r#"{"error": null}"#), format!("{malformed}has no choices"));
        assert!(parse("<html>").starts_with(&format!("{malformed}is not valid JSON")));
    }
}
