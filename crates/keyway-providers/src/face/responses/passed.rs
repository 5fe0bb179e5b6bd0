//! A response that its provider said in this dialect: it is passed on under our names, with the charge
//! in its usage, and else as it came.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::stream::Events;
use super::{Frame, Responses, State};

/// What a response says of itself, whoever said it.
const NAMES: [&str; 2] = ["model", "provider"];

impl Responses {
    /// Passes events on as they came: under our names, and without the end, which waits for the charge.
    pub(in crate::face) fn pass_on(
        &mut self,
        natives: Vec<Map<String, Value>>,
        said: &Map<String, Value>,
    ) -> Bytes {
        let mut events = Events::default();
        for mut event in natives {
            match event.get("type").and_then(Value::as_str) {
                Some("response.completed" | "response.incomplete") => {
                    self.end = Some(event);
                    continue;
                }
                Some("response.failed" | "error") | None => continue,
                Some(kind) => self.stream.overhear(kind, &event),
            }
            if let Some(Value::Object(response)) = event.get_mut("response") {
                self.complete(response, said);
            }
            self.stream.passed(event.get("sequence_number").and_then(Value::as_u64));
            events.push(&[Value::Object(event)]);
        }
        events.freeze()
    }

    /// Puts our names into a response of the provider's, and what clients want to be there.
    pub(super) fn complete(&self, response: &mut Map<String, Value>, said: &Map<String, Value>) {
        response.insert("id".into(), said.get("id").cloned().unwrap_or_default());
        for field in NAMES {
            response.insert(field.into(), said.get(field).cloned().unwrap_or_default());
        }
        for (field, value) in Frame::new(&self.asked, said).response(&State::InProgress, &[], None)
        {
            response.entry(field).or_insert(value);
        }
    }
}

/// The event and the response of an event about the whole.
pub(super) fn response(mut event: Map<String, Value>) -> Option<(String, Map<String, Value>)> {
    let kind = event.get("type")?.as_str()?.to_owned();
    match event.shift_remove("response")? {
        Value::Object(response) => Some((kind, response)),
        _ => None,
    }
}

/// Puts what was counted and charged here over what the provider says, whose further counts stay.
pub(super) fn count(response: &mut Map<String, Value>, counted: Value) {
    let (Value::Object(counted), theirs) =
        (counted, response.entry("usage").or_insert(Value::Null))
    else {
        return;
    };
    let mut usage = theirs.as_object_mut().map(std::mem::take).unwrap_or_default();
    for (field, value) in counted {
        match (usage.get_mut(&field), value) {
            (Some(Value::Object(details)), Value::Object(ours)) => details.extend(ours),
            (_, value) => drop(usage.insert(field, value)),
        }
    }
    *theirs = Value::Object(usage);
}
