//! What of a request is passed on, and what it is known again by.

use std::io;

use serde_json::{Map, Value};

use super::ChatRequest;

impl ChatRequest {
    /// Writes the first instruction and the first message that is none: what all turns of a conversation
    /// begin with.
    pub fn write_beginning(&self, out: &mut impl io::Write) -> io::Result<()> {
        let instructs = |role: Option<&str>| matches!(role, Some("system" | "developer"));
        for wanted in [true, false] {
            let is_it = |role: Option<&str>| instructs(role) == wanted;
            if let Some(verbatim) = &self.verbatim {
                verbatim.first(is_it).map_or(Ok(()), |message| message.write(out))?;
                continue;
            }
            let role = |message: &Value| is_it(message.get("role").and_then(Value::as_str));
            let first = self.messages().iter().find(|message| role(message));
            first.map_or(Ok(()), |message| serde_json::to_writer(&mut *out, message))?;
        }
        Ok(())
    }

    /// The messages as the client wrote them, for a provider that reads them so and knows none of
    /// `foreign`, the fields of a message or its parts.
    pub(crate) fn messages_without(&self, foreign: &[&str]) -> Option<&str> {
        let verbatim = self.verbatim.as_ref()?;
        (foreign.is_empty() || !verbatim.has_field(foreign)).then(|| verbatim.raw())
    }

    /// The whole request as it came.
    #[cfg(test)]
    pub(crate) fn body(&self) -> Map<String, Value> {
        let mut body = self.body.clone();
        if let Some(verbatim) = &self.verbatim {
            body.insert(crate::chat::MESSAGES.to_owned(), verbatim.tree().clone());
        }
        body
    }

    /// The request as it came, without what [`ChatRequest::messages_without`] tells.
    pub(crate) const fn body_beside(&self) -> &Map<String, Value> {
        &self.body
    }
}
