//! The `usage` block: tokens as counted, money as charged.

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

/// An amount in USD as a JSON number with its exact decimal text.
fn usd(amount: Nanos) -> Value {
    Value::Number(Number::from_str(&amount.to_string()).expect("a decimal text is a JSON number"))
}

impl Receipt {
    /// Writes the block over what the provider said, whose further counts are kept.
    pub(super) fn write(&self, provider: Option<Value>) -> Value {
        let mut block = match provider {
            Some(Value::Object(said)) => said,
            _ => Map::new(),
        };
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
    let mut details = match block.remove(name) {
        Some(Value::Object(details)) => details,
        _ => Map::new(),
    };
    details.retain(|_, count| count.is_u64());
    details.entry(counted).or_insert_with(|| 0.into());
    block.insert(name.to_owned(), Value::Object(details));
}
