//! The `usage` block, read and written: tokens as counted, money as charged.

use std::str::FromStr;

use keyway_core::money::Nanos;
use keyway_core::pricing::{Cost, Usage};
use serde_json::{Map, Number, Value, json};

use crate::json::scan::Node;
use crate::json::write::Object;

const COST_DETAILS: &str = "cost_details";
const PROMPT_DETAILS: &str = "prompt_tokens_details";
const COMPLETION_DETAILS: &str = "completion_tokens_details";
/// Whether a field of the block is written here, whatever a provider says in it.
fn is_own(field: &str) -> bool {
    matches!(
        field,
        "prompt_tokens"
            | "completion_tokens"
            | "total_tokens"
            | "cost"
            | "is_byok"
            | COST_DETAILS
            | PROMPT_DETAILS
            | COMPLETION_DETAILS
    )
}

/// What a settled request used and cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub usage: Usage,
    /// By side, for people.
    pub cost: Cost,
    /// What the ledger booked: `usage.cost`, so that sums agree.
    pub charge: Nanos,
    /// What the provider bills to the credential that was presented, at list price, where that was not
    /// the gateway's own.
    pub byok: Option<Nanos>,
}

/// The token counts of a provider's `usage` block; `None` where it has none.
///
/// `prompt_tokens` and `completion_tokens` count their whole side. Of which kind they are is said by
/// `*_details`, and by DeepSeek, Moonshot, Together and Perplexity in fields of their own.
pub(super) fn read_usage(block: impl Block) -> Option<Usage> {
    let [prompt, completion, total, reasoning_beside, of_prompt, of_completion] = block.each([
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "reasoning_tokens",
        PROMPT_DETAILS,
        COMPLETION_DETAILS,
    ]);
    let prompt_tokens = counted(prompt)?;
    let said = counted(completion).unwrap_or(0);
    // Some providers count reasoning, which they bill, in the total only.
    let rest = counted(total).unwrap_or(0).saturating_sub(prompt_tokens);
    // What is written for an hour is told by our own dialects only: OpenRouter's block does not say how
    // long a write stays.
    let [cached, written, for_an_hour, image, audio] = details_of(
        of_prompt,
        [
            "cached_tokens",
            "cache_write_tokens",
            "cache_write_1h_tokens",
            "image_tokens",
            "audio_tokens",
        ],
    );
    let cached = cached.or_else(|| block.each(CACHED).into_iter().find_map(counted));
    let [reasoning, image_output, audio_output] =
        details_of(of_completion, ["reasoning_tokens", "image_tokens", "audio_tokens"]);
    let for_an_hour = for_an_hour.unwrap_or(0);
    let usage = Usage {
        cached_tokens: cached.unwrap_or(0),
        cache_write_tokens: written.unwrap_or(0).saturating_sub(for_an_hour),
        cache_write_1h_tokens: for_an_hour,
        image_tokens: image.unwrap_or(0),
        audio_tokens: audio.unwrap_or(0),
        reasoning_tokens: reasoning.or_else(|| counted(reasoning_beside)).unwrap_or(0),
        image_output_tokens: image_output.unwrap_or(0),
        audio_output_tokens: audio_output.unwrap_or(0),
        ..Usage::of(prompt_tokens, said.max(rest))
    };
    Some(usage.clamped())
}

fn counted(count: Option<impl Block>) -> Option<u64> {
    count.and_then(Block::count)
}

/// The counts of one side's details.
fn details_of<const N: usize>(side: Option<impl Block>, fields: [&str; N]) -> [Option<u64>; N] {
    side.map_or([None; N], |side| side.each(fields).map(counted))
}

/// The tokens of an answer that says nothing: all are the prompt's, whichever way they are counted. Some
/// rankings are counted in search units alone.
pub(super) fn read_prompt_usage(block: &Value) -> Option<Usage> {
    let count = |field: &str| block.get(field).and_then(Value::as_u64);
    let detail = |field: &str| block.get("prompt_tokens_details")?.get(field)?.as_u64();
    let search_units = count("search_units");
    let tokens = count("prompt_tokens").max(count("total_tokens"));
    let usage = Usage {
        image_tokens: detail("image_tokens").unwrap_or(0),
        audio_tokens: detail("audio_tokens").unwrap_or(0),
        search_units: search_units.unwrap_or(0),
        ..Usage::of(tokens.or(search_units.map(|_| 0))?, 0)
    };
    Some(usage.clamped())
}

/// Where providers say outside of the details how much of a prompt they had cached.
const CACHED: [&str; 3] = ["prompt_cache_hit_tokens", "cached_tokens", "num_cached_tokens"];

/// What a provider says itself that it charges, in USD; `None` where it says nothing, or no amount.
pub(crate) fn read_cost(block: impl Block) -> Option<Nanos> {
    let cost = block.at("cost")?;
    let cost = cost.at("total_cost").unwrap_or(cost);
    Nanos::parse_cost(&cost.number()?).ok()
}

/// A `usage` block or something in it, as a tree or where it stands in its text.
pub(crate) trait Block: Copy {
    fn at(self, field: &str) -> Option<Self>;
    fn each<const N: usize>(self, fields: [&str; N]) -> [Option<Self>; N];
    fn count(self) -> Option<u64>;
    /// The text of a number.
    fn number(self) -> Option<String>;
}

impl Block for &Value {
    fn at(self, field: &str) -> Option<Self> {
        self.get(field)
    }

    fn each<const N: usize>(self, fields: [&str; N]) -> [Option<Self>; N] {
        fields.map(|field| self.get(field))
    }

    fn count(self) -> Option<u64> {
        self.as_u64()
    }

    fn number(self) -> Option<String> {
        self.is_number().then(|| self.to_string())
    }
}

impl Block for Node<'_> {
    fn at(self, field: &str) -> Option<Self> {
        self.get(field)
    }

    fn each<const N: usize>(self, fields: [&str; N]) -> [Option<Self>; N] {
        self.pick(fields)
    }

    fn count(self) -> Option<u64> {
        self.as_u64()
    }

    fn number(self) -> Option<String> {
        self.is_number().then(|| self.raw().to_owned())
    }
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
        let Usage { prompt_tokens, completion_tokens, .. } = self.usage;
        block.insert("prompt_tokens".into(), prompt_tokens.into());
        block.insert("completion_tokens".into(), completion_tokens.into());
        block.insert("total_tokens".into(), prompt_tokens.saturating_add(completion_tokens).into());
        block.insert("cost".into(), usd(self.charge));
        block.insert("is_byok".into(), self.byok.is_some().into());
        let costs = json!({
            "upstream_inference_cost": self.byok.map(usd),
            "upstream_inference_prompt_cost": usd(self.cost.prompt),
            "upstream_inference_completions_cost": usd(self.cost.completion),
        });
        block.insert(COST_DETAILS.into(), costs);
        details(&mut block, PROMPT_DETAILS, &self.of_prompt());
        let said: Vec<_> = self.of_completion().collect();
        details(&mut block, COMPLETION_DETAILS, &said);
        Value::Object(block)
    }

    /// The same as text, over what the provider said in its own.
    pub(super) fn write_around(&self, out: &mut Vec<u8>, provider: Option<Node<'_>>) {
        let Usage { prompt_tokens, completion_tokens, .. } = self.usage;
        let mut block = Object::begin(out);
        block.copy_where(provider, |key, value| !value.is_null() && !key.is_any(is_own));
        block.put("prompt_tokens", &prompt_tokens);
        block.put("completion_tokens", &completion_tokens);
        block.put("total_tokens", &prompt_tokens.saturating_add(completion_tokens));
        block.amount("cost", self.charge);
        block.put("is_byok", &self.byok.is_some());
        let mut costs = Object::begin(block.key(COST_DETAILS));
        match self.byok {
            Some(byok) => costs.amount("upstream_inference_cost", byok),
            None => costs.copy_or_null("upstream_inference_cost", None),
        }
        costs.amount("upstream_inference_prompt_cost", self.cost.prompt);
        costs.amount("upstream_inference_completions_cost", self.cost.completion);
        costs.end();
        let details = [PROMPT_DETAILS, COMPLETION_DETAILS];
        let [of_prompt, of_completion] = provider.map_or([None; 2], |it| it.pick(details));
        write_details(block.key(PROMPT_DETAILS), of_prompt, self.of_prompt());
        write_details(block.key(COMPLETION_DETAILS), of_completion, self.of_completion());
        block.end();
    }

    const fn of_prompt(&self) -> [(&'static str, u64); 3] {
        let usage = &self.usage;
        let written = usage.cache_write_tokens.saturating_add(usage.cache_write_1h_tokens);
        [
            ("cached_tokens", usage.cached_tokens),
            ("cache_write_tokens", written),
            ("audio_tokens", usage.audio_tokens),
        ]
    }

    /// Clients want reasoning, and of the others only what there is.
    fn of_completion(&self) -> impl Iterator<Item = (&'static str, u64)> + Clone {
        let usage = &self.usage;
        let others = [
            ("image_tokens", usage.image_output_tokens),
            ("audio_tokens", usage.audio_output_tokens),
        ];
        let others = others.into_iter().filter(|(_, tokens)| *tokens > 0);
        std::iter::once(("reasoning_tokens", usage.reasoning_tokens)).chain(others)
    }
}

fn write_details(
    out: &mut Vec<u8>,
    provider: Option<Node<'_>>,
    counted: impl IntoIterator<Item = (&'static str, u64), IntoIter: Clone>,
) {
    let counted = counted.into_iter();
    let mut details = Object::begin(out);
    let is_ours = |key: Node<'_>| counted.clone().any(|(kind, _)| key.is(kind));
    details.copy_where(provider, |key, value| !is_ours(key) && value.as_u64().is_some());
    for (kind, tokens) in counted {
        details.put(kind, &tokens);
    }
    details.end();
}

/// Clients want what is `counted` in the details as numbers, and none of the others as null.
fn details(block: &mut Map<String, Value>, name: &str, counted: &[(&str, u64)]) {
    let mut details = match block.get_mut(name).map(Value::take) {
        Some(Value::Object(details)) => details,
        _ => Map::new(),
    };
    details.retain(|_, count| count.is_u64());
    for (kind, tokens) in counted {
        details.insert((*kind).to_owned(), (*tokens).into());
    }
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
    fn kinds_of_tokens_are_read_wherever_providers_say_them() {
        let cases = [
            (
                json!({
                    "prompt_tokens_details": {
                        "cached_tokens": 1, "cache_write_tokens": 2, "audio_tokens": 3,
                        "image_tokens": 4, "text_tokens": null,
                    },
                    "completion_tokens_details": {
                        "reasoning_tokens": 5, "audio_tokens": 6, "image_tokens": 7,
                        "accepted_prediction_tokens": 0,
                    },
                }),
                Usage {
                    cached_tokens: 1,
                    cache_write_tokens: 2,
                    audio_tokens: 3,
                    image_tokens: 4,
                    reasoning_tokens: 5,
                    audio_output_tokens: 6,
                    image_output_tokens: 7,
                    ..Usage::of(100, 50)
                },
            ),
            (
                json!({"prompt_cache_hit_tokens": 8, "prompt_cache_miss_tokens": 92}),
                Usage { cached_tokens: 8, ..Usage::of(100, 50) },
            ),
            (
                json!({"cached_tokens": 9, "reasoning_tokens": 10, "prompt_tokens_details": null}),
                Usage { cached_tokens: 9, reasoning_tokens: 10, ..Usage::of(100, 50) },
            ),
            // More than the whole is a mistake of the provider's.
            (
                json!({"prompt_tokens_details": {"cached_tokens": 101}}),
                Usage { cached_tokens: 100, ..Usage::of(100, 50) },
            ),
        ];
        for (mut block, expected) in cases {
            block["prompt_tokens"] = 100.into();
            block["completion_tokens"] = 50.into();
            assert_eq!(read_usage(&block), Some(expected), "{block}");
        }
    }

    #[test]
    fn a_providers_own_cost_is_read_from_its_text() {
        let read = |text: &str| {
            let block: Value = serde_json::from_str(text).expect("JSON");
            read_cost(&block).map(Nanos::get)
        };
        assert_eq!(read(r#"{"cost": 0.00014}"#), Some(140_000));
        assert_eq!(read(r#"{"cost": 0.30000000000000004}"#), Some(300_000_000));
        assert_eq!(read(r#"{"cost": 0.0000000001}"#), Some(1));
        assert_eq!(read(r#"{"cost": {"input_tokens_cost": 1, "total_cost": 2e-9}}"#), Some(2));
        for nothing in ["{}", r#"{"cost": null}"#, r#"{"cost": -1}"#, r#"{"cost": "1"}"#] {
            assert_eq!(read(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn what_the_provider_counted_besides_is_kept_and_its_prices_are_not() {
        let receipt = Receipt {
            usage: Usage::default(),
            cost: Cost::default(),
            charge: Nanos::new(7),
            byok: None,
        };
        let block = receipt.write(Some(json!({
            "cost": 9, "cost_details": null, "is_byok": true, "queue_time": 0.5, "x": null,
            "prompt_tokens_details": {"cached_tokens": 3, "text_tokens": 4, "video_tokens": null},
            "completion_tokens_details": null,
        })));
        let expected = r#"{
            "queue_time": 0.5, "is_byok": false, "cost": 0.000000007,
            "prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0,
            "prompt_tokens_details": {
                "cached_tokens": 0, "text_tokens": 4, "cache_write_tokens": 0, "audio_tokens": 0
            },
            "completion_tokens_details": {"reasoning_tokens": 0},
            "cost_details": {
                "upstream_inference_cost": null, "upstream_inference_prompt_cost": 0,
                "upstream_inference_completions_cost": 0
            }
        }"#;
        assert_eq!(block, serde_json::from_str::<Value>(expected).expect("JSON"));
    }

    #[test]
    fn what_another_credential_paid_stands_beside_the_fee() {
        // The contract's own example (B.5): 5 % of 19.
        let (fee, byok) = (Nanos::new(950_000_000), Some(Nanos::new(19_000_000_000)));
        let receipt = Receipt { usage: Usage::default(), cost: Cost::default(), charge: fee, byok };
        let block = receipt.block();
        assert_eq!((block["cost"].to_string(), &block["is_byok"]), ("0.95".into(), &json!(true)));
        assert_eq!(block["cost_details"]["upstream_inference_cost"].to_string(), "19");
    }

    proptest! {
        #[test]
        fn money_is_written_to_the_last_digit(charge in 0..=i64::MAX, prompt in 0..=i64::MAX) {
            let cost = Cost { prompt: Nanos::new(prompt), ..Cost::default() };
            let receipt = Receipt { usage: Usage::default(), cost, charge: Nanos::new(charge), byok: None };
            let block = receipt.write(None);
            prop_assert_eq!(block["cost"].to_string(), Nanos::new(charge).to_string());
            let side = &block["cost_details"]["upstream_inference_prompt_cost"];
            prop_assert_eq!(side.to_string(), Nanos::new(prompt).to_string());
        }
    }
}
