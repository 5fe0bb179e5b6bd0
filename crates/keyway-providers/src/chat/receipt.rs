//! The `usage` block, read and written: tokens as counted, money as charged.

use std::str::FromStr;

use keyway_core::money::Nanos;
use keyway_core::pricing::{Cost, Usage};
use serde_json::{Map, Number, Value, json};

/// What a settled request used and cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub usage: Usage,
    /// By side, for people.
    pub cost: Cost,
    /// What the ledger booked: `usage.cost`, so that sums agree.
    pub charge: Nanos,
}

/// The token counts of a provider's `usage` block; `None` where it has none.
pub(super) fn read_usage(block: &Value) -> Option<Usage> {
    let count = |field: &str| block.get(field).and_then(Value::as_u64);
    let prompt_tokens = count("prompt_tokens")?;
    let said = count("completion_tokens").unwrap_or(0);
    // Some providers count reasoning, which they bill, in the total only.
    let rest = count("total_tokens").unwrap_or(0).saturating_sub(prompt_tokens);
    Some(Usage { prompt_tokens, completion_tokens: said.max(rest) })
}

/// An amount in USD as a JSON number with its exact decimal text.
fn usd(amount: Nanos) -> Value {
    Value::Number(Number::from_str(&amount.to_string()).expect("a decimal text is a JSON number"))
}

impl Receipt {
    /// The block of an answer whose provider counted nothing besides.
    pub(crate) fn block(&self) -> Value {
        self.write(None)
    }

    /// Writes the block over what the provider said, whose further counts are kept.
    pub(super) fn write(&self, provider: Option<Value>) -> Value {
        let mut block = match provider {
            Some(Value::Object(said)) => said,
            _ => Map::new(),
        };
        block.retain(|_, value| !value.is_null());
        let Usage { prompt_tokens, completion_tokens } = self.usage;
        block.insert("prompt_tokens".into(), prompt_tokens.into());
        block.insert("completion_tokens".into(), completion_tokens.into());
        block.insert("total_tokens".into(), prompt_tokens.saturating_add(completion_tokens).into());
        block.insert("cost".into(), usd(self.charge));
        block.insert("is_byok".into(), false.into());
        let costs = json!({
            "upstream_inference_cost": null,
            "upstream_inference_prompt_cost": usd(self.cost.prompt),
            "upstream_inference_completions_cost": usd(self.cost.completion),
        });
        block.insert("cost_details".into(), costs);
        details(&mut block, "prompt_tokens_details", "cached_tokens");
        details(&mut block, "completion_tokens_details", "reasoning_tokens");
        Value::Object(block)
    }
}

/// Clients want `counted` in the details as a number, and none of the others as null.
fn details(block: &mut Map<String, Value>, name: &str, counted: &str) {
    let mut details = match block.get_mut(name).map(Value::take) {
        Some(Value::Object(details)) => details,
        _ => Map::new(),
    };
    details.retain(|_, count| count.is_u64());
    details.entry(counted).or_insert_with(|| 0.into());
    block.insert(name.to_owned(), Value::Object(details));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn counts_are_read_as_they_are_billed() {
        let read =
            |block: Value| read_usage(&block).map(|it| (it.prompt_tokens, it.completion_tokens));
        let block = |completion: u64, total: u64| {
            json!({
                "prompt_tokens": 10, "completion_tokens": completion, "total_tokens": total,
            })
        };
        assert_eq!(read(block(5, 15)), Some((10, 5)));
        assert_eq!(read(block(5, 315)), Some((10, 305)));
        assert_eq!(read(block(5, 0)), Some((10, 5)));
        assert_eq!(read(json!({"prompt_tokens": 10})), Some((10, 0)));
        assert_eq!(read(json!({"completion_tokens": 5})), None);
        assert_eq!(read(json!({"prompt_tokens": -1, "completion_tokens": 5})), None);
        assert_eq!(read(Value::Null), None);
    }

    #[test]
    fn what_the_provider_counted_besides_is_kept_and_its_prices_are_not() {
        let receipt =
            Receipt { usage: Usage::default(), cost: Cost::default(), charge: Nanos::new(7) };
        let block = receipt.write(Some(json!({
            "cost": 9, "cost_details": null, "is_byok": true, "queue_time": 0.5, "x": null,
            "prompt_tokens_details": {"cached_tokens": 3, "audio_tokens": null},
            "completion_tokens_details": null,
        })));
        let expected = r#"{
            "queue_time": 0.5, "is_byok": false, "cost": 0.000000007,
            "prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0,
            "prompt_tokens_details": {"cached_tokens": 3},
            "completion_tokens_details": {"reasoning_tokens": 0},
            "cost_details": {
                "upstream_inference_cost": null, "upstream_inference_prompt_cost": 0,
                "upstream_inference_completions_cost": 0
            }
        }"#;
        assert_eq!(block, serde_json::from_str::<Value>(expected).expect("JSON"));
    }

    proptest! {
        #[test]
        fn money_is_written_to_the_last_digit(charge in 0..=i64::MAX, prompt in 0..=i64::MAX) {
            let cost = Cost { prompt: Nanos::new(prompt), ..Cost::default() };
            let receipt = Receipt { usage: Usage::default(), cost, charge: Nanos::new(charge) };
            let block = receipt.write(None);
            prop_assert_eq!(block["cost"].to_string(), Nanos::new(charge).to_string());
            let side = &block["cost_details"]["upstream_inference_prompt_cost"];
            prop_assert_eq!(side.to_string(), Nanos::new(prompt).to_string());
        }
    }
}
