//! The choices of a chunk as clients take them, copied out of the provider's text.
//!
//! What is written means what [`super::choice::complete`] makes of the same text as a tree: that is the
//! meaning, and this is the short way to it. A test holds both against each other.

use super::choice::{may_be_null, said_reason, translated};
use crate::json::scan::Node;
use crate::json::write::Object;

/// Writes what is an object of `choices`; nothing else is a choice. Without what was thought, where that is
/// hidden.
pub(super) fn write_choices(choices: Option<Node<'_>>, hides_reasoning: bool, out: &mut Vec<u8>) {
    let choices = choices.into_iter().flat_map(Node::items).filter(|it| it.is_object());
    write_array(choices, out, |choice, place, out| {
        write_choice(choice, place, hides_reasoning, out);
    });
}

fn write_choice(choice: Node<'_>, place: u64, hides_reasoning: bool, out: &mut Vec<u8>) {
    let told = choice.pick(["index", "delta", "finish_reason", "native_finish_reason"]);
    let [index, delta, finish, native_finish] = told;
    let reason = said_reason(finish);
    let native = said_reason(native_finish).or_else(|| reason.clone());
    let mut written = Object::begin(out);
    written.put("index", &index.and_then(Node::as_u64).unwrap_or(place));
    write_delta(delta, hides_reasoning, written.key("delta"));
    // Both keys are there from the start of a stream, null until its end.
    written.text_or_null("finish_reason", reason.as_deref().map(translated));
    written.text_or_null("native_finish_reason", native.as_deref());
    written.copy_where(Some(choice), |_, value| !value.is_one_of(&told));
    written.end();
}

fn write_delta(delta: Option<Node<'_>>, hides_reasoning: bool, out: &mut Vec<u8>) {
    let mut written = Object::begin(out);
    // OpenRouter has one name for reasoning.
    let said = |field: &str| delta.and_then(|it| it.get(field)).filter(|it| it.is_string());
    let alias = said("reasoning_content").filter(|_| said("reasoning").is_none());
    for (key, value) in delta.into_iter().flat_map(Node::entries) {
        match key.as_str().as_deref() {
            Some("reasoning") if hides_reasoning || alias.is_some() => {}
            Some("reasoning_content") if said("reasoning").is_none() => {}
            Some("reasoning_details") if hides_reasoning => {}
            Some("role") if !value.is_null() => written.word("role", "assistant"),
            Some("tool_calls") if value.is_array() => write_calls(value, written.key("tool_calls")),
            Some("tool_calls") => {}
            Some(field) if value.is_null() && !may_be_null(field) => {}
            _ => written.copy(key, value),
        }
    }
    if let Some(alias) = alias.filter(|_| !hides_reasoning) {
        written.copy_or_null("reasoning", Some(alias));
    }
    written.end();
}

/// Calls of tools have no nulls, and each says which call it continues.
fn write_calls(calls: Node<'_>, out: &mut Vec<u8>) {
    write_array(calls.items().filter(|it| it.is_object()), out, |call, place, out| {
        let mut written = Object::begin(out);
        written.put("index", &call.get("index").and_then(Node::as_u64).unwrap_or(place));
        for (key, value) in call.entries().filter(|(key, _)| !key.is("index")) {
            if key.is("function") && value.is_object() {
                write_function(value, written.key("function"));
            } else if !value.is_null() {
                written.copy(key, value);
            }
        }
        written.end();
    });
}

fn write_function(function: Node<'_>, out: &mut Vec<u8>) {
    let mut written = Object::begin(out);
    written.copy_where(Some(function), |_, value| !value.is_null());
    written.end();
}

/// Each item with its place.
fn write_array<'a>(
    items: impl Iterator<Item = Node<'a>>,
    out: &mut Vec<u8>,
    mut write: impl FnMut(Node<'a>, u64, &mut Vec<u8>),
) {
    out.push(b'[');
    for (item, place) in items.zip(0..) {
        if place > 0 {
            out.push(b',');
        }
        write(item, place, out);
    }
    out.push(b']');
}
