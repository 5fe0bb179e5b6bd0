//! Searching the web for an answer, which nothing here does.

use serde_json::{Map, Value};

use super::RequestError;
use crate::json;

const WHY: &str = "asks for a search of the web, and none is configured here";

/// Refuses a request for a search: an answer without one would not be what was asked for.
pub(super) fn refuse(body: &Map<String, Value>, model: &str) -> Result<(), RequestError> {
    let asked = |model: &str| model.ends_with(":online");
    if asked(model) {
        return Err(RequestError::new("model", format!("{model} {WHY}; leave :online out")));
    }
    let models = json::field(body, "models").and_then(Value::as_array).into_iter().flatten();
    if models.filter_map(Value::as_str).any(asked) {
        return Err(RequestError::new("models", format!("an entry {WHY}; leave :online out")));
    }
    let plugins = json::field(body, "plugins").and_then(Value::as_array).into_iter().flatten();
    let searches = |plugin: &Value| {
        plugin.get("id").and_then(Value::as_str) == Some("web")
            && plugin.get("enabled") != Some(&Value::Bool(false))
    };
    match plugins.enumerate().find(|(_, plugin)| searches(plugin)) {
        Some((number, _)) => Err(RequestError::new(format!("plugins[{number}]"), WHY)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_asks_for_a_search_is_told_that_there_is_none() {
        let refuse = |model: &str, body: Value| {
            refuse(body.as_object().expect("an object"), model).map_err(|error| error.field)
        };
        assert_eq!(refuse("a/b:online", json!({})), Err("model".to_owned()));
        assert_eq!(refuse("a/b", json!({"models": ["c/d:online"]})), Err("models".to_owned()));
        let plugins = json!({"plugins": [{"id": "web", "enabled": false}, {"id": "web"}]});
        assert_eq!(refuse("a/b", plugins), Err("plugins[1]".to_owned()));
        assert_eq!(refuse("a/b:free", json!({"plugins": [{"id": "moderation"}]})), Ok(()));
    }
}
