//! The response object: what was asked, how it stands, and what came of it.

use serde_json::{Map, Value, json};

use crate::face::StreamError;

/// What a response repeats of its request, and what it says where that says nothing. Clients want
/// all of these, null or not (contract, D.16).
const REPEATED: [(&str, Absent); 15] = [
    ("instructions", Absent::Null),
    ("metadata", Absent::Null),
    ("parallel_tool_calls", Absent::True),
    ("tool_choice", Absent::Auto),
    ("tools", Absent::Empty),
    ("temperature", Absent::Null),
    ("top_p", Absent::Null),
    ("presence_penalty", Absent::Null),
    ("frequency_penalty", Absent::Null),
    ("max_output_tokens", Absent::Null),
    ("max_tool_calls", Absent::Null),
    ("reasoning", Absent::Null),
    ("prompt_cache_key", Absent::Null),
    ("safety_identifier", Absent::Null),
    ("user", Absent::Null),
];

#[derive(Clone, Copy)]
enum Absent {
    Null,
    True,
    Auto,
    Empty,
}

/// How a response stands.
pub(super) enum State<'a> {
    InProgress,
    Completed,
    /// Why it is not.
    Incomplete(&'static str),
    Failed(StreamError<'a>),
}

impl State<'_> {
    /// From the reason in the words of the form in the middle.
    pub(super) fn of(finish_reason: Option<&str>) -> Self {
        match finish_reason {
            Some("length") => Self::Incomplete("max_output_tokens"),
            Some("content_filter") => Self::Incomplete("content_filter"),
            _ => Self::Completed,
        }
    }

    /// The event that says so.
    pub(super) const fn event(&self) -> &'static str {
        match self {
            Self::InProgress => "response.in_progress",
            Self::Completed => "response.completed",
            Self::Incomplete(_) => "response.incomplete",
            Self::Failed(_) => "response.failed",
        }
    }

    const fn status(&self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete(_) => "incomplete",
            Self::Failed(_) => "failed",
        }
    }
}

/// What a response says, whatever came of it.
pub(super) struct Frame<'a> {
    asked: &'a Map<String, Value>,
    said: &'a Map<String, Value>,
}

impl<'a> Frame<'a> {
    /// `asked` is the request, `said` an answer or a chunk of the form in the middle.
    pub(super) const fn new(asked: &'a Map<String, Value>, said: &'a Map<String, Value>) -> Self {
        Self { asked, said }
    }

    pub(super) fn response(
        &self,
        state: &State<'_>,
        items: &[Value],
        usage: Option<Value>,
    ) -> Map<String, Value> {
        let said = |field: &str| self.said.get(field).cloned().unwrap_or_default();
        let mut response = Map::new();
        response.insert("id".into(), said("id"));
        response.insert("object".into(), "response".into());
        response.insert("created_at".into(), said("created"));
        let completed = matches!(state, State::Completed).then(|| said("created"));
        response.insert("completed_at".into(), completed.into());
        response.insert("status".into(), state.status().into());
        response.insert("background".into(), false.into());
        let (error, incomplete) = match state {
            State::Failed(error) => {
                (json!({"code": code(error.error_type), "message": error.message}), Value::Null)
            }
            State::Incomplete(reason) => (Value::Null, json!({"reason": reason})),
            State::InProgress | State::Completed => (Value::Null, Value::Null),
        };
        response.insert("error".into(), error);
        if let State::Failed(error) = state {
            response.insert("error_type".into(), error.error_type.into());
        }
        response.insert("incomplete_details".into(), incomplete);
        response.insert("model".into(), said("model"));
        response.insert("provider".into(), said("provider"));
        response.insert("output".into(), items.to_vec().into());
        for (field, absent) in REPEATED {
            response.insert(field.into(), self.repeated(field, absent));
        }
        let text = self.asked.get("text").filter(|text| text.is_object()).cloned();
        let text = text.unwrap_or_else(|| json!({"format": {"type": "text"}}));
        response.insert("text".into(), text);
        response.insert("truncation".into(), "disabled".into());
        response.insert("previous_response_id".into(), Value::Null);
        response.insert("store".into(), false.into());
        if let Some(tier) = self.said.get("service_tier") {
            response.insert("service_tier".into(), tier.clone());
        }
        if let Some(usage) = usage {
            response.insert("usage".into(), usage);
        }
        response
    }

    fn repeated(&self, field: &str, absent: Absent) -> Value {
        let asked = self.asked.get(field).filter(|value| !value.is_null());
        asked.cloned().unwrap_or_else(|| match absent {
            Absent::Null => Value::Null,
            Absent::True => true.into(),
            Absent::Auto => "auto".into(),
            Absent::Empty => Value::Array(Vec::new()),
        })
    }
}

/// The few codes that clients know, from a word of the contract's vocabulary (C.9).
fn code(error_type: &str) -> &'static str {
    match error_type {
        "rate_limit_exceeded" => "rate_limit_exceeded",
        "context_length_exceeded" | "invalid_request" | "invalid_prompt" => "invalid_prompt",
        "content_policy_violation" => "image_content_policy_violation",
        _ => "server_error",
    }
}
