//! Turns of a conversation, for dialects that want two speakers to take them.

use serde_json::{Value, json};

/// Messages, each of which holds all that one side says in a row. Answers of tools have to stand in one
/// message, right behind the calls.
#[derive(Debug)]
pub(crate) struct Turns {
    /// The field of a message that holds what is said.
    field: &'static str,
    messages: Vec<Value>,
}

impl Turns {
    pub(crate) const fn new(field: &'static str) -> Self {
        Self { field, messages: Vec::new() }
    }

    pub(crate) fn say(&mut self, role: &str, said: Vec<Value>) {
        if said.is_empty() {
            return;
        }
        match self.messages.last_mut().filter(|last| last["role"] == role) {
            Some(last) => {
                last[self.field].as_array_mut().expect("it was made here").extend(said);
            }
            None => self.messages.push(json!({"role": role, self.field: said})),
        }
    }

    pub(crate) fn messages(&self) -> &[Value] {
        &self.messages
    }

    pub(crate) fn into_messages(self) -> Vec<Value> {
        self.messages
    }
}
