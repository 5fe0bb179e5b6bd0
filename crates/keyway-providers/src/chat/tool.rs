//! Tools and their calls, read for dialects that write them in another way.

use serde_json::{Map, Value};

use super::{ChatRequest, RequestError};
use crate::json;

/// A tool that the model may call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Tool<'a> {
    /// It runs at the client.
    Function(Function<'a>),
    /// One that a provider knows by its type.
    Other(&'a Value),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Function<'a> {
    pub(crate) name: &'a str,
    pub(crate) description: Option<&'a Value>,
    /// A JSON Schema; absent where it takes nothing.
    pub(crate) parameters: Option<&'a Value>,
    pub(crate) cache_control: Option<&'a Value>,
}

/// Which tool is to be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ToolChoice<'a> {
    Auto,
    None,
    Required,
    Function(&'a str),
}

/// A call that an earlier answer asked for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ToolCall<'a> {
    pub(crate) id: &'a str,
    pub(crate) name: &'a str,
    pub(crate) arguments: Map<String, Value>,
    /// As it came, for what a provider added.
    pub(crate) said: &'a Value,
}

impl ChatRequest {
    pub(crate) fn tools(&self) -> Result<Vec<Tool<'_>>, RequestError> {
        let tools = self.field("tools").and_then(Value::as_array).into_iter().flatten();
        tools.enumerate().map(|(number, it)| tool(it, &format!("tools[{number}]"))).collect()
    }

    pub(crate) fn tool_choice(&self) -> Result<Option<ToolChoice<'_>>, RequestError> {
        let Some(said) = self.field("tool_choice") else { return Ok(None) };
        let named = || said.get("function")?.get("name")?.as_str();
        Ok(Some(match said.as_str() {
            Some("auto") => ToolChoice::Auto,
            Some("none") => ToolChoice::None,
            Some("required" | "any") => ToolChoice::Required,
            _ => ToolChoice::Function(named().ok_or_else(|| {
                let allowed = "must be \"none\", \"auto\", \"required\" or a function by its name";
                RequestError::new("tool_choice", allowed)
            })?),
        }))
    }

    /// The schema that the answer has to follow (`response_format`).
    pub(crate) fn json_schema(&self) -> Option<&Value> {
        let format = self.field("response_format")?;
        let asked = format.get("type").and_then(Value::as_str) == Some("json_schema");
        format.get("json_schema")?.get("schema").filter(|schema| asked && schema.is_object())
    }

    /// Whether the answer has to be any JSON object.
    pub(crate) fn json_object(&self) -> bool {
        let kind = self.field("response_format").and_then(|format| format.get("type")?.as_str());
        kind == Some("json_object")
    }

    /// `stop`, one or several.
    pub(crate) fn stops(&self) -> Vec<&str> {
        match self.field("stop") {
            Some(Value::String(stop)) => vec![stop],
            Some(Value::Array(stops)) => stops.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }
}

fn tool<'a>(tool: &'a Value, at: &str) -> Result<Tool<'a>, RequestError> {
    match tool.get("type").and_then(Value::as_str) {
        Some("function") => {}
        None | Some("custom") => {
            let allowed = "must be of type \"function\" for this provider";
            return Err(RequestError::new(at, allowed));
        }
        Some(_) => return Ok(Tool::Other(tool)),
    }
    let said = |field: &str| tool.get("function")?.get(field).filter(|it| !it.is_null());
    let name = said("name").and_then(Value::as_str);
    let cached = tool.get("cache_control").or_else(|| said("cache_control"));
    Ok(Tool::Function(Function {
        name: name
            .ok_or_else(|| RequestError::new(format!("{at}.function.name"), "is required"))?,
        description: said("description"),
        parameters: said("parameters"),
        cache_control: cached.filter(|it| it.is_object()),
    }))
}

/// The calls of an assistant's message. `at` names it in errors.
pub(crate) fn tool_calls<'a>(
    message: &'a Value,
    at: &str,
) -> Result<Vec<ToolCall<'a>>, RequestError> {
    let calls = message.get("tool_calls").and_then(Value::as_array).into_iter().flatten();
    let numbered = calls.enumerate();
    numbered.map(|(number, it)| tool_call(it, &format!("{at}.tool_calls[{number}]"))).collect()
}

fn tool_call<'a>(call: &'a Value, at: &str) -> Result<ToolCall<'a>, RequestError> {
    let said = |field: &str| call.get("function")?.get(field)?.as_str();
    let missing = |field: &str| RequestError::new(format!("{at}.{field}"), "is required");
    let text = said("arguments").unwrap_or_default().trim();
    // Some clients say nothing where there are none.
    let read = json::parse_lenient(if text.is_empty() { b"{}" } else { text.as_bytes() });
    let Ok(Value::Object(arguments)) = read else {
        let at = format!("{at}.function.arguments");
        return Err(RequestError::new(at, "must be the text of a JSON object"));
    };
    Ok(ToolCall {
        id: call.get("id").and_then(Value::as_str).ok_or_else(|| missing("id"))?,
        name: said("name").ok_or_else(|| missing("function.name"))?,
        arguments,
        said: call,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(fields: &Value) -> ChatRequest {
        let mut body = json!({"model": "a/b", "messages": [{"role": "user", "content": "hi"}]});
        let object = body.as_object_mut().expect("an object");
        object.extend(fields.as_object().expect("an object").clone());
        ChatRequest::parse(body).expect("a request")
    }

    #[test]
    fn choices_are_read_in_both_forms() {
        let choice = |said: Value| {
            let request = request(&json!({"tool_choice": said}));
            format!("{:?}", request.tool_choice())
        };
        assert_eq!(choice(json!("required")), "Ok(Some(Required))");
        let named = json!({"type": "function", "function": {"name": "f"}});
        assert_eq!(choice(named), r#"Ok(Some(Function("f")))"#);
        assert_eq!(choice(Value::Null), "Ok(None)");
        assert!(choice(json!("odd")).starts_with("Err"));
    }

    #[test]
    fn arguments_have_to_be_an_object() {
        let call = |arguments: &str| {
            let function = json!({"name": "f", "arguments": arguments});
            let message = json!({"tool_calls": [{"id": "1", "function": function}]});
            tool_calls(&message, "m").map(|calls| Value::Object(calls[0].arguments.clone()))
        };
        assert_eq!(call(""), Ok(json!({})));
        assert_eq!(call(r#"{"a": 1.50}"#).expect("valid").to_string(), r#"{"a":1.50}"#);
        for wrong in ["[]", "{", "1"] {
            let error = call(wrong).expect_err(wrong);
            assert_eq!(error.field, "m.tool_calls[0].function.arguments");
        }
    }

    #[test]
    fn other_tools_are_left_to_those_who_know_them() {
        let search = json!({"type": "web_search_20250305", "name": "web_search"});
        let asked = request(&json!({"tools": [search]}));
        assert!(matches!(asked.tools().expect("valid")[..], [Tool::Other(_)]));
        let nameless = request(&json!({"tools": [{"type": "function", "function": {}}]}));
        assert_eq!(nameless.tools().expect_err("no name").field, "tools[0].function.name");
    }
}
