//! The `usage` block in the words of the Responses API.

use serde_json::{Value, json};

/// From the block of the form in the middle.
pub(super) fn usage(block: &Value) -> Value {
    let count = |value: &Value| value.as_u64().unwrap_or(0);
    let prompt = &block["prompt_tokens_details"];
    let costs = &block["cost_details"];
    json!({
        "input_tokens": count(&block["prompt_tokens"]),
        "input_tokens_details": {
            "cached_tokens": count(&prompt["cached_tokens"]),
            "cache_write_tokens": count(&prompt["cache_write_tokens"]),
        },
        "output_tokens": count(&block["completion_tokens"]),
        "output_tokens_details": {
            "reasoning_tokens": count(&block["completion_tokens_details"]["reasoning_tokens"]),
        },
        "total_tokens": count(&block["total_tokens"]),
        "cost": block["cost"],
        "is_byok": block["is_byok"] == true,
        "cost_details": {
            "upstream_inference_cost": costs["upstream_inference_cost"],
            "upstream_inference_input_cost": costs["upstream_inference_prompt_cost"],
            "upstream_inference_output_cost": costs["upstream_inference_completions_cost"],
        },
    })
}
