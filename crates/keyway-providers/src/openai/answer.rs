//! A whole answer.

use keyway_core::pricing::Usage;
use serde_json::{Map, Value};

use super::{AnswerError, Envelope, Receipt, finish_reason, read_usage, said_bytes};

/// What a provider answered to a request that does not stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    body: Map<String, Value>,
    usage: Option<Usage>,
}

impl Answer {
    /// Reads a provider's body.
    pub fn parse(body: &[u8]) -> Result<Self, AnswerError> {
        let body: Value =
            serde_json::from_slice(body).map_err(|error| AnswerError(error.to_string()))?;
        let Value::Object(body) = body else {
            return Err(AnswerError("it is not an object".to_owned()));
        };
        if !body.get("choices").is_some_and(Value::is_array) {
            return Err(AnswerError("it has no choices".to_owned()));
        }
        let usage = body.get("usage").and_then(read_usage);
        Ok(Self { body, usage })
    }

    /// An answer that was made here.
    pub(crate) fn new(body: Value, usage: Usage) -> Self {
        let body = match body {
            Value::Object(body) => body,
            _ => Map::new(),
        };
        Self { body, usage: Some(usage) }
    }

    /// The tokens that the provider counted.
    pub const fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// UTF-8 bytes of what was said.
    pub fn output_bytes(&self) -> u64 {
        self.choices().filter_map(|choice| choice.get("message")).map(said_bytes).sum()
    }

    /// Zero-completion insurance (contract, C.5): an answer that ended in an error, or that says
    /// nothing and not why, is not charged.
    pub fn is_uncharged(&self) -> bool {
        let mut reasons = self.choices().map(|choice| choice.get("finish_reason").and_then(Value::as_str));
        let silent = self.usage.is_some_and(|usage| usage.completion_tokens == 0);
        let blank = |reason: Option<&str>| reason.is_none_or(str::is_empty);
        reasons.all(|reason| reason == Some("error") || (silent && blank(reason)))
    }

    /// The answer as clients get it.
    pub fn render(mut self, envelope: &Envelope, receipt: &Receipt) -> Vec<u8> {
        let said = self.body.shift_remove("usage");
        let mut body = Map::new();
        body.insert("id".into(), envelope.id.as_str().into());
        body.insert("object".into(), "chat.completion".into());
        body.insert("created".into(), envelope.created.into());
        body.insert("model".into(), envelope.model.as_str().into());
        body.insert("provider".into(), envelope.provider.as_str().into());
        // Required in an answer, null or not; in a chunk null is refused.
        let fingerprint = self.body.shift_remove("system_fingerprint");
        body.insert("system_fingerprint".into(), fingerprint.unwrap_or_default());
        for (field, value) in self.body {
            if field == "choices" {
                body.insert(field, choices(value));
            } else if !body.contains_key(&field) && !value.is_null() {
                body.insert(field, value);
            }
        }
        body.insert("usage".into(), receipt.write(said));
        serde_json::to_vec(&body).expect("a JSON object can be written")
    }

    fn choices(&self) -> impl Iterator<Item = &Value> {
        self.body.get("choices").and_then(Value::as_array).into_iter().flatten()
    }
}

fn choices(choices: Value) -> Value {
    let Value::Array(choices) = choices else { return Value::Array(Vec::new()) };
    choices.into_iter().zip(0_u64..).map(|(choice, index)| complete(choice, index)).collect()
}

fn complete(choice: Value, index: u64) -> Value {
    let Value::Object(mut choice) = choice else { return choice };
    choice.entry("index").or_insert_with(|| index.into());
    let native = choice.get("finish_reason").and_then(Value::as_str).map(str::to_owned);
    if let Some(native) = native {
        choice.insert("finish_reason".into(), finish_reason(&native).into());
        choice.entry("native_finish_reason").or_insert_with(|| native.into());
    } else {
        choice.insert("finish_reason".into(), Value::Null);
    }
    choice.entry("logprobs").or_insert(Value::Null);
    if let Some(Value::Object(message)) = choice.get_mut("message") {
        message.entry("role").or_insert_with(|| "assistant".into());
        message.retain(|field, value| !value.is_null() || may_be_null(field));
        for field in ["content", "refusal", "reasoning"] {
            message.entry(field).or_insert(Value::Null);
        }
    }
    Value::Object(choice)
}

/// Of a message's fields clients take only these as null (contract, D.5).
fn may_be_null(field: &str) -> bool {
    matches!(field, "content" | "refusal" | "reasoning")
}

#[cfg(test)]
mod tests {
    use keyway_core::money::Nanos;
    use keyway_core::pricing::Cost;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn render(answer: &Value) -> Value {
        let answer = Answer::parse(answer.to_string().as_bytes()).expect("an answer");
        let envelope = Envelope {
            id: "gen-1".into(),
            model: "a/b".into(),
            provider: "A".into(),
            created: 7,
        };
        let usage = answer.usage().unwrap_or_default();
        let receipt = Receipt { usage, cost: Cost::default(), charge: Nanos::new(18_000) };
        serde_json::from_slice(&answer.render(&envelope, &receipt)).expect("JSON")
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
                "prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "cost": 0.000018, "is_byok": false,
                "cost_details": {
                    "upstream_inference_cost": null, "upstream_inference_prompt_cost": 0,
                    "upstream_inference_completions_cost": 0,
                },
                "prompt_tokens_details": {"cached_tokens": 0},
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
    }

    proptest! {
        #[test]
        fn no_body_panics(text in "\\PC{0,60}") {
            let _ = Answer::parse(text.as_bytes());
        }
    }
}
