//! What a provider does for a request besides reading and saying tokens, at a price that nobody here
//! knows.

use serde_json::{Map, Value};

use super::RequestError;
use super::native::Tongue;
use super::prompt::{CLIENT_TOOLS, is_given};
use crate::json;

const WHY: &str = "is done and billed by the provider, and nobody here knows what it costs at most; \
                   where a limit, a budget or a ceiling has to hold, it has to be left out";

/// Fields that ask for a search of the web.
const FIELDS: [&str; 2] = ["web_search_options", "search_parameters"];
/// How the types of tools begin that a provider knows, and yet run at the client.
const CLIENT_TOOL_PREFIXES: [&str; 4] = ["bash_", "computer_", "memory_", "text_editor_"];

/// Refuses a request for what has no price.
pub(super) fn refuse(body: &Map<String, Value>) -> Result<(), RequestError> {
    let asked = FIELDS.iter().find(|field| json::field(body, field).is_some_and(is_given));
    if let Some(field) = asked {
        return Err(RequestError::new(*field, WHY));
    }
    let tools = json::field(body, "tools").and_then(Value::as_array);
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

/// The same of Anthropic's Messages.
const MESSAGES: [&str; 28] = [
    "cache_control",
    "context_management",
    "fallbacks",
    "max_tokens",
    "messages",
    "metadata",
    "model",
    "models",
    "output_config",
    "output_format",
    "plugins",
    "preset",
    "provider",
    "route",
    "service_tier",
    "session_id",
    "stop_sequences",
    "stop_server_tools_when",
    "stream",
    "system",
    "temperature",
    "thinking",
    "tool_choice",
    "tools",
    "top_k",
    "top_p",
    "trace",
    "user",
];
/// How edits of a context are called that take something out of it. Others have a model write another.
const CLEARING_PREFIX: &str = "clear_";

/// Refuses what a client `said` in words of its own for what has no price, and leaves out what nobody here
/// knows: its price may be beyond the bound.
pub(super) fn hold(tongue: Tongue, said: &mut Map<String, Value>) -> Result<(), RequestError> {
    let known = match tongue {
        // Its tools have other words, and were refused as they were translated.
        Tongue::Messages => MESSAGES.as_slice(),
        Tongue::Responses => {
            refuse(said)?;
            &RESPONSES
        }
        Tongue::Completions => return Ok(()),
    };
    if let Some(number) = said.get("context_management").and_then(rewrites) {
        return Err(RequestError::new(format!("context_management.edits[{number}]"), WHY));
    }
    said.retain(|field, _| known.contains(&field.as_str()));
    Ok(())
}

/// Which edit of a context is more than taking something out.
fn rewrites(management: &Value) -> Option<usize> {
    let edits = management.get("edits")?.as_array()?;
    edits
        .iter()
        .position(|edit| !edit["type"].as_str().unwrap_or_default().starts_with(CLEARING_PREFIX))
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
        hold(Tongue::Responses, &mut said).expect("all of it has a price");
        assert_eq!(Value::Object(said.clone()), json!({"input": "hi", "top_p": 0.5}));
        said.insert("search_parameters".into(), json!({"mode": "on"}));
        let refused_field = hold(Tongue::Responses, &mut said).expect_err("refused").field;
        assert_eq!(refused_field, "search_parameters");
        let shell = json!({"type": "bash_20250124", "name": "bash"});
        let harmless = json!({"tools": [ours, shell], "web_search_options": null, "plugins": []});
        assert_eq!(refused(harmless), Ok(()));
    }

    #[test]
    fn anthropics_words_are_held_to_what_is_known_of_them() {
        let held = |body: Value| {
            let Value::Object(mut said) = body else { unreachable!("it is an object") };
            hold(Tongue::Messages, &mut said).map(|()| Value::Object(said)).map_err(|it| it.field)
        };
        let edits = |kind: &str| json!({"edits": [{"type": kind}]});
        let cleared =
            json!({"system": "s", "context_management": edits("clear_thinking_20251015")});
        let mut with_more = cleared.clone();
        with_more["new_and_dear"] = json!({"how_dear": "very"});
        assert_eq!(held(with_more), Ok(cleared));
        let compacted = json!({"context_management": edits("compact_20260112")});
        assert_eq!(held(compacted), Err("context_management.edits[0]".to_owned()));
    }
}
