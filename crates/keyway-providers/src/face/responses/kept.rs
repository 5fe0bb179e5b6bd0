//! What is sent on as it came may not reach for what its provider keeps: that is the operator's, for all
//! clients at once, and belongs to none of them.

use serde_json::{Map, Value};

use crate::chat::{RequestError, place};

/// Fields that name what is kept, or open it.
const KEPT: [&str; 6] =
    ["vector_store_ids", "file_ids", "file_id", "connector_id", "container_id", "skill_id"];
/// Fields with an address that its provider looks at.
const ADDRESSES: [&str; 5] = ["server_url", "image_url", "file_url", "video_url", "audio_url"];
/// Fields that say whatever they like: schemas, and where what was said is from.
const FREE: [&str; 3] = ["parameters", "input_schema", "annotations"];
/// Words of OpenRouter's for reasoning. Who uses them is not understood where they are not translated.
const FOREIGN: [&str; 3] = ["max_tokens", "enabled", "exclude"];
/// Where parts stand in an item.
const PARTS: [&str; 2] = ["content", "output"];
/// Words of OpenRouter's that OpenAI has for chat completions only.
const FOREIGN_FIELDS: [&str; 3] = ["modalities", "presence_penalty", "frequency_penalty"];

const WHY: &str = "names what a provider keeps: that is its operator's, not its clients'";

/// Whether a request is in OpenAI's own words.
pub(super) fn is_openais(said: &Map<String, Value>) -> bool {
    let reasoning = said.get("reasoning").and_then(Value::as_object);
    let is_foreign =
        reasoning.is_some_and(|it| FOREIGN.iter().any(|field| it.contains_key(*field)));
    let given = |field: &&str| said.get(*field).is_some_and(|it| !it.is_null());
    !is_foreign && !FOREIGN_FIELDS.iter().any(given)
}

/// Refuses what points to where nobody is to look, and what is kept.
pub(super) fn refuse(said: &Map<String, Value>) -> Result<(), RequestError> {
    let items = said.get("input").and_then(Value::as_array).into_iter().flatten();
    for (number, item) in items.enumerate() {
        let at = format!("input[{number}]");
        check_item(item, &at)?;
        check(item, &at)?;
    }
    let tools = said.get("tools").and_then(Value::as_array).into_iter().flatten();
    for (number, tool) in tools.enumerate() {
        check(tool, &format!("tools[{number}]"))?;
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

fn check(value: &Value, at: &str) -> Result<(), RequestError> {
    match reaches(value) {
        Some((inside, why)) => Err(RequestError::new(format!("{at}{inside}"), why)),
        None => Ok(()),
    }
}

/// What of `value` reaches for where nobody is to look, and why not. A body is only so deep.
fn reaches(value: &Value) -> Option<(String, String)> {
    match value {
        Value::Object(fields) => fields.iter().find_map(|(field, inside)| {
            if FREE.contains(&field.as_str()) {
                return None;
            }
            let (below, why) = reaches_by(fields, field, inside).or_else(|| reaches(inside))?;
            Some((format!(".{field}{below}"), why))
        }),
        Value::Array(items) => items.iter().enumerate().find_map(|(number, inside)| {
            reaches(inside).map(|(below, why)| (format!("[{number}]{below}"), why))
        }),
        _ => None,
    }
}

/// The same of one field by its name.
fn reaches_by(
    fields: &Map<String, Value>,
    field: &str,
    inside: &Value,
) -> Option<(String, String)> {
    let names_kept = match field {
        "container" => inside.is_string(),
        // A picture of an earlier response is itself there, or kept.
        "id" => {
            fields.get("type").is_some_and(|kind| kind == "image_generation_call")
                && !fields.get("result").is_some_and(Value::is_string)
        }
        _ => KEPT.contains(&field) && !inside.is_null(),
    };
    if names_kept {
        return Some((String::new(), WHY.to_owned()));
    }
    let url = inside.as_str().filter(|_| ADDRESSES.contains(&field))?;
    let refused = place::check_address(url, field).err()?;
    Some((String::new(), refused.message))
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
                "tools[0].container.file_ids",
            ),
            (
                json!({"tools": [{"type": "image_generation", "input_image_mask": {"file_id": "f"}}]}),
                "tools[0].input_image_mask.file_id",
            ),
            (
                json!({"tools": [{"type": "image_generation", "input_image_mask": {"image_url": there}}]}),
                "tools[0].input_image_mask.image_url",
            ),
            (
                json!({"tools": [{"type": "shell", "environment": {"skills": [{"skill_id": "s"}]}}]}),
                "tools[0].environment.skills[0].skill_id",
            ),
            (
                json!({"input": [{"type": "code_interpreter_call", "container_id": "cntr_1"}]}),
                "input[0].container_id",
            ),
            (json!({"input": [{"type": "image_generation_call", "id": "ig_1"}]}), "input[0].id"),
            (
                json!({"input": [{"type": "tool_search_output", "tools": [{"type": "mcp", "server_url": there}]}]}),
                "input[0].tools[0].server_url",
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
                {"type": "namespace", "tools": [
                    {"type": "function", "name": "f", "parameters": {"properties": {"file_id": {}}}},
                ]},
            ],
            "input": [
                {"type": "image_generation_call", "id": "ig_1", "result": "QQ=="},
                {"role": "assistant", "content": [{"type": "output_text", "text": "a",
                    "annotations": [{"type": "container_file_citation", "container_id": "c"}]}]},
                {"role": "user", "content": [{"type": "input_image", "image_url": "https://a.example/b"}]}],
        });
        assert_eq!(refuse(fine.as_object().expect("an object")), Ok(()));
    }
}
