//! The `usage` block in Anthropic's words.

use serde_json::{Map, Value, json};

/// From the block of the form in the middle. There the prompt's tokens include those that were read
/// from a cache or written to one; Anthropic counts them apart.
pub(super) fn usage(block: &Value) -> Map<String, Value> {
    let count = |value: &Value| value.as_u64().unwrap_or(0);
    let prompt = &block["prompt_tokens_details"];
    let (read, written) = (count(&prompt["cached_tokens"]), count(&prompt["cache_write_tokens"]));
    let input = count(&block["prompt_tokens"]).saturating_sub(read).saturating_sub(written);
    let thought = count(&block["completion_tokens_details"]["reasoning_tokens"]);
    let Value::Object(mut said) = json!({
        "input_tokens": input,
        "output_tokens": count(&block["completion_tokens"]),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "cache_creation": null,
        "output_tokens_details": {"thinking_tokens": thought},
        "server_tool_use": null,
        "service_tier": "standard",
        "inference_geo": null,
    }) else {
        unreachable!("it is written as an object")
    };
    for field in ["cost", "is_byok", "cost_details"] {
        if let Some(value) = block.get(field) {
            said.insert(field.to_owned(), value.clone());
        }
    }
    said
}

/// What a stream says of it at its beginning, when nothing is counted yet.
pub(super) fn nothing_yet() -> Map<String, Value> {
    usage(&Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_cache_gave_and_took_is_counted_apart() {
        let block = json!({
            "prompt_tokens": 100, "completion_tokens": 7, "cost": 0.5,
            "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30},
            "completion_tokens_details": {"reasoning_tokens": 4},
        });
        let said = Value::Object(usage(&block));
        let counts = ["input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"];
        assert_eq!(counts.map(|field| said[field].as_u64()), [Some(10), Some(60), Some(30)]);
        assert_eq!((&said["output_tokens"], &said["cost"]), (&json!(7), &json!(0.5)));
        assert_eq!(said["output_tokens_details"]["thinking_tokens"], 4);
    }
}
