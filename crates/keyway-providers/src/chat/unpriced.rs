//! What a provider does for a request besides reading and saying tokens, at a price that nobody here
//! knows.

use serde_json::{Map, Value};

use super::RequestError;
use super::prompt::{CLIENT_TOOLS, is_given};

const WHY: &str = "is done and billed by the provider, and nobody here knows what it costs at most; \
                   where a limit, a budget or a ceiling has to hold, it has to be left out";

/// Fields that ask for a search of the web.
const FIELDS: [&str; 2] = ["web_search_options", "search_parameters"];
/// How the types of tools begin that a provider knows, and yet run at the client.
const CLIENT_TOOL_PREFIXES: [&str; 4] = ["bash_", "computer_", "memory_", "text_editor_"];

/// Refuses a request for what has no price.
pub(super) fn refuse(body: &Map<String, Value>) -> Result<(), RequestError> {
    let asked = FIELDS.iter().find(|field| body.get(**field).is_some_and(is_given));
    if let Some(field) = asked {
        return Err(RequestError::new(*field, WHY));
    }
    let tools = body.get("tools").and_then(Value::as_array);
    match tools.and_then(|tools| tools.iter().position(|tool| !runs_at_the_client(tool))) {
        Some(number) => Err(RequestError::new(format!("tools[{number}]"), WHY)),
        None => Ok(()),
    }
}

/// Fields of the Responses API, of OpenAI and of OpenRouter, that change nothing about what is billed
/// beside tokens.
const RESPONSES: [&str; 42] = [
    "background",
    "cache_control",
    "conversation",
    "frequency_penalty",
    "image_config",
    "include",
    "input",
    "instructions",
    "max_output_tokens",
    "metadata",
    "modalities",
    "model",
    "models",
    "parallel_tool_calls",
    "plugins",
    "presence_penalty",
    "previous_response_id",
    "prompt",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "provider",
    "reasoning",
    "route",
    "safety_identifier",
    "service_tier",
    "session_id",
    "stop_server_tools_when",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_k",
    "top_logprobs",
    "top_p",
    "trace",
    "truncation",
    "usage",
    "user",
];

/// Refuses what a client `said` in the words of the Responses API for what has no price, and leaves out
/// what nobody here knows.
pub(super) fn hold(said: &mut Map<String, Value>) -> Result<(), RequestError> {
    refuse(said)?;
    said.retain(|field, _| RESPONSES.contains(&field.as_str()));
    Ok(())
}

fn runs_at_the_client(tool: &Value) -> bool {
    let kind = tool.get("type").and_then(Value::as_str).unwrap_or_default();
    CLIENT_TOOLS.contains(&kind) || CLIENT_TOOL_PREFIXES.iter().any(|it| kind.starts_with(it))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_provider_does_besides_is_named() {
        let refused =
            |body: Value| refuse(body.as_object().expect("an object")).map_err(|error| error.field);
        let ours = json!({"type": "function", "function": {"name": "f"}});
        for (body, field) in [
            (json!({"web_search_options": {}}), "web_search_options"),
            (json!({"search_parameters": {"mode": "auto"}}), "search_parameters"),
            (json!({"tools": [ours, {"type": "openrouter:web_search"}]}), "tools[1]"),
            (json!({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}), "tools[0]"),
            (json!({"tools": [{"googleSearch": {}}]}), "tools[0]"),
        ] {
            assert_eq!(refused(body), Err(field.to_owned()));
        }
        let Value::Object(mut said) = json!({"input": "hi", "new": 1, "top_p": 0.5}) else {
            unreachable!("it is an object")
        };
        hold(&mut said).expect("all of it has a price");
        assert_eq!(Value::Object(said.clone()), json!({"input": "hi", "top_p": 0.5}));
        said.insert("search_parameters".into(), json!({"mode": "on"}));
        assert_eq!(hold(&mut said).expect_err("refused").field, "search_parameters");
        let shell = json!({"type": "bash_20250124", "name": "bash"});
        let harmless = json!({"tools": [ours, shell], "web_search_options": null, "plugins": []});
        assert_eq!(refused(harmless), Ok(()));
    }
}
