//! What is sent on as it came may not reach for what its provider keeps: that is the operator's, for all
//! clients at once, and belongs to none of them.

use serde_json::{Map, Value};

use crate::chat::{RequestError, place};

/// Fields of tools that name what is kept, or open it.
const KEPT: [&str; 4] = ["vector_store_ids", "file_ids", "connector_id", "container_id"];
/// Words of OpenRouter's for reasoning. Who uses them is not understood where they are not translated.
const FOREIGN: [&str; 3] = ["max_tokens", "enabled", "exclude"];
/// Where parts stand in an item.
const PARTS: [&str; 2] = ["content", "output"];
/// Deeper than any tool is described.
const DEPTH_MAX: usize = 16;

const WHY: &str = "names what a provider keeps: that is its operator's, not its clients'";

/// Whether a request is in OpenAI's own words.
pub(super) fn is_openais(said: &Map<String, Value>) -> bool {
    let reasoning = said.get("reasoning").and_then(Value::as_object);
    !reasoning.is_some_and(|it| FOREIGN.iter().any(|field| it.contains_key(*field)))
}

/// Refuses what points to where nobody is to look, and what is kept.
pub(super) fn refuse(said: &Map<String, Value>) -> Result<(), RequestError> {
    let items = said.get("input").and_then(Value::as_array).into_iter().flatten();
    for (number, item) in items.enumerate() {
        check_item(item, &format!("input[{number}]"))?;
    }
    let tools = said.get("tools").and_then(Value::as_array).into_iter().flatten();
    for (number, tool) in tools.enumerate() {
        check_tool(tool, &format!("tools[{number}]"))?;
    }
    Ok(())
}

fn check_item(item: &Value, at: &str) -> Result<(), RequestError> {
    for field in PARTS {
        let parts = match item.get(field) {
            Some(Value::Array(parts)) => parts.as_slice(),
            Some(part @ Value::Object(_)) => std::slice::from_ref(part),
            _ => continue,
        };
        let mut parts = parts.iter().enumerate();
        parts.try_for_each(|(number, part)| match part {
            Value::Object(part) => place::check(part, &format!("{at}.{field}[{number}]")),
            _ => Ok(()),
        })?;
    }
    Ok(())
}

fn check_tool(tool: &Value, at: &str) -> Result<(), RequestError> {
    let kind = tool.get("type").and_then(Value::as_str);
    // Those of the client say in a schema whatever they like.
    if matches!(kind, Some("function" | "custom")) {
        return Ok(());
    }
    if let Some(url) = tool.get("server_url").and_then(Value::as_str) {
        place::check_address(url, &format!("{at}.server_url"))?;
    }
    match names_kept(tool, DEPTH_MAX) {
        Some(field) => Err(RequestError::new(format!("{at}.{field}"), WHY)),
        None => Ok(()),
    }
}

/// The field by which a tool reaches for what is kept.
fn names_kept(value: &Value, depth: usize) -> Option<&'static str> {
    match value {
        Value::Object(fields) => {
            if fields.get("container").is_some_and(Value::is_string) {
                return Some("container");
            }
            let kept = |field: &&&str| fields.get(**field).is_some_and(|it| !it.is_null());
            let named = KEPT.iter().find(kept).copied();
            named.or_else(|| fields.values().find_map(|it| names_kept(it, depth.checked_sub(1)?)))
        }
        Value::Array(items) => items.iter().find_map(|it| names_kept(it, depth.checked_sub(1)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_kept_is_named() {
        let there = "http://169.254.169.254/";
        for (fields, field) in [
            (
                json!({"tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}]}),
                "tools[0].vector_store_ids",
            ),
            (
                json!({"tools": [{"type": "code_interpreter", "container": "cntr_1"}]}),
                "tools[0].container",
            ),
            (
                json!({"tools": [{"type": "code_interpreter", "container": {"type": "auto", "file_ids": ["f"]}}]}),
                "tools[0].file_ids",
            ),
            (json!({"tools": [{"type": "mcp", "connector_id": "c"}]}), "tools[0].connector_id"),
            (json!({"tools": [{"type": "mcp", "server_url": there}]}), "tools[0].server_url"),
            (
                json!({"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f", "file_data": "QQ=="}]}]}),
                "input[0].content[0]",
            ),
            (
                json!({"input": [{"type": "computer_call_output", "output": {"type": "computer_screenshot", "image_url": there}}]}),
                "input[0].output[0]",
            ),
        ] {
            let refused = refuse(fields.as_object().expect("an object"));
            assert_eq!(refused.expect_err(field).field, field);
        }
        let fine = json!({
            "tools": [
                {"type": "function", "name": "f", "parameters": {"properties": {"file_ids": {}}}},
                {"type": "code_interpreter", "container": {"type": "auto", "file_ids": null}},
                {"type": "mcp", "server_url": "https://a.example/mcp"},
            ],
            "input": [{"role": "user", "content": [{"type": "input_image", "image_url": "https://a.example/b"}]}],
        });
        assert_eq!(refuse(fine.as_object().expect("an object")), Ok(()));
    }
}
