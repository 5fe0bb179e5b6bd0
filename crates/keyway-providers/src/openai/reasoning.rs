//! How servers of OpenAI's dialect are asked to think.

use serde_json::{Value, json};

use super::draft::Draft;
use crate::chat::{ChatRequest, Effort, Reasoning};

/// How a server is asked to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// As the client did.
    Said,
    /// It cannot be asked.
    Nothing,
    /// `reasoning_effort`, one of these, least first.
    Effort(&'static [Effort]),
    /// `thinking: {"type": "enabled"}` or `"disabled"`.
    Thinking,
    /// An argument of the model's template.
    Template,
}

/// Puts what the request says about thinking into `body` as the server wants it.
pub(super) fn ask(how: Ask, request: &ChatRequest, body: &mut Draft<'_>) {
    if how == Ask::Said {
        return;
    }
    for field in ["reasoning", "reasoning_effort"] {
        body.remove(field);
    }
    let Some(asked) = request.reasoning() else { return };
    match how {
        Ask::Said | Ask::Nothing => {}
        Ask::Effort(words) => {
            body.insert("reasoning_effort", nearest(asked.effort, words));
        }
        Ask::Thinking => {
            let kind = if asked.is_off() { "disabled" } else { "enabled" };
            body.insert("thinking", json!({"type": kind}));
        }
        Ask::Template => template(asked, body),
    }
}

fn template(asked: Reasoning, body: &mut Draft<'_>) {
    if let Value::Object(arguments) = body.get_or_insert("chat_template_kwargs", json!({})) {
        arguments.entry("enable_thinking").or_insert_with(|| (!asked.is_off()).into());
    }
}

/// The word for an effort; one that the server does not know becomes the nearest, the lesser of two.
fn nearest(effort: Effort, words: &[Effort]) -> &'static str {
    let distance = |word: &&Effort| (**word as u8).abs_diff(effort as u8);
    words.iter().min_by_key(distance).copied().unwrap_or(effort).word()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_efforts_become_the_nearest() {
        let words = [Effort::Low, Effort::Medium, Effort::High];
        for (effort, word) in [
            (Effort::None, "low"),
            (Effort::Minimal, "low"),
            (Effort::Medium, "medium"),
            (Effort::XHigh, "high"),
            (Effort::Max, "high"),
        ] {
            assert_eq!(nearest(effort, &words), word);
        }
    }
}
