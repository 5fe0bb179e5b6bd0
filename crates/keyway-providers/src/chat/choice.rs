//! The choices of an answer or a chunk: who said what, and why it ended.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::about::Finish;
use crate::json::Json;

/// Where the choices stand.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Form {
    Answer,
    Chunk,
}

impl Form {
    /// The field of a choice that holds what is said.
    pub(super) const fn field(self) -> &'static str {
        match self {
            Self::Answer => "message",
            Self::Chunk => "delta",
        }
    }
}

pub(super) fn are_any<'a, J: Json<'a>>(choices: Option<J>) -> bool {
    each(choices).next().is_some()
}

/// UTF-8 bytes of what the choices say.
pub(super) fn output_bytes<'a, J: Json<'a>>(choices: Option<J>, form: Form) -> u64 {
    each(choices).filter_map(|choice| choice.get(form.field())).map(said_bytes).sum()
}

/// Why each choice ended, in the provider's words; blank is none.
pub(super) fn finish_reasons<'a, J: Json<'a>>(
    choices: Option<J>,
) -> impl Iterator<Item = Option<Cow<'a, str>>> {
    each(choices).map(|choice| said_reason(choice.get("finish_reason")))
}

/// The place of each choice, and why it ended.
pub(super) fn ends<'a, J: Json<'a>>(
    choices: Option<J>,
) -> impl Iterator<Item = (u64, Option<Cow<'a, str>>)> {
    places(choices).zip(finish_reasons(choices))
}

/// Why the first choice ended that did.
pub(super) fn finish<'a, J: Json<'a>>(choices: Option<J>) -> Option<Finish> {
    each(choices).find_map(|choice| {
        let [reason, native] = choice.pick(["finish_reason", "native_finish_reason"]);
        let (reason, native) = (said_reason(reason)?, said_reason(native));
        let native = native.map_or_else(|| reason.clone().into_owned(), Cow::into_owned);
        Some(Finish { reason: translated(&reason).to_owned(), native })
    })
}

/// What each choice says, with its number.
pub(super) fn said<'a, J: Json<'a>>(
    choices: Option<J>,
    form: Form,
) -> impl Iterator<Item = (u64, J)> {
    let numbered = places(choices).zip(each(choices));
    numbered.filter_map(move |(place, choice)| Some((place, choice.get(form.field())?)))
}

/// Images that the choices hold.
pub(super) fn images<'a, J: Json<'a>>(choices: Option<J>, form: Form) -> u64 {
    let said = each(choices).filter_map(|choice| choice.get(form.field())?.get("images"));
    said.map(|images| images.items().count() as u64).sum()
}

/// The place of each choice among those of its answer.
pub(super) fn places<'a, J: Json<'a>>(choices: Option<J>) -> impl Iterator<Item = u64> {
    let told = |choice: J| choice.get("index").and_then(J::as_u64);
    each(choices).zip(0..).map(move |(choice, place)| told(choice).unwrap_or(place))
}

/// The choices as clients take them. What is not an object is none.
pub(super) fn complete(choices: Value, form: Form) -> Value {
    let Value::Array(choices) = choices else { return Value::Array(Vec::new()) };
    let objects = choices.into_iter().filter(Value::is_object).zip(0_u64..);
    objects.map(|(choice, index)| complete_choice(choice, index, form)).collect()
}

fn each<'a, J: Json<'a>>(choices: Option<J>) -> impl Iterator<Item = J> {
    choices.into_iter().flat_map(J::items)
}

fn said_bytes<'a, J: Json<'a>>(said: J) -> u64 {
    let [content, reasoning, alias, refusal, calls, call] = said.pick([
        "content",
        "reasoning",
        "reasoning_content",
        "refusal",
        "tool_calls",
        "function_call",
    ]);
    let parts = content.into_iter().flat_map(J::items);
    let parts = parts.filter_map(|part| part.get("text")?.as_str());
    // Some providers say the same reasoning under both names.
    let reasoning = text(reasoning).or_else(|| text(alias));
    let calls = calls.into_iter().flat_map(J::items);
    let functions = calls.filter_map(|call| call.get("function")).chain(call);
    let called = functions.flat_map(|function| function.pick(["name", "arguments"]));
    let texts = [text(content), reasoning, text(refusal)].into_iter().flatten();
    let called = called.filter_map(text);
    texts.chain(parts).chain(called).map(|text| text.len() as u64).sum()
}

fn text<'a, J: Json<'a>>(value: Option<J>) -> Option<Cow<'a, str>> {
    value.and_then(J::as_str)
}

pub(super) fn said_reason<'a, J: Json<'a>>(reason: Option<J>) -> Option<Cow<'a, str>> {
    text(reason).filter(|reason| !reason.is_empty())
}

/// A reason in OpenRouter's words; one that is unknown is passed on.
pub(super) fn translated(native: &str) -> &str {
    match native {
        "eos" | "end_turn" | "stop_sequence" => "stop",
        "max_tokens" => "length",
        "function_call" | "tool_use" => "tool_calls",
        known => known,
    }
}

pub(super) fn complete_choice(mut choice: Value, position: u64, form: Form) -> Value {
    let native = said_reason(choice.get("finish_reason")).map(Cow::into_owned);
    let raw = said_reason(choice.get("native_finish_reason")).map(Cow::into_owned);
    let raw = raw.or_else(|| native.clone());
    if !choice["index"].is_u64() {
        choice["index"] = position.into();
    }
    // Both keys are there from the start of a stream, null until its end.
    choice["finish_reason"] = native.as_deref().map(translated).into();
    choice["native_finish_reason"] = raw.into();
    if form == Form::Answer && choice.get("logprobs").is_none() {
        choice["logprobs"] = Value::Null;
    }
    let said = &mut choice[form.field()];
    if !said.is_object() {
        *said = json!({});
    }
    if let Value::Object(said) = said {
        complete_said(said, form);
    }
    choice
}

fn complete_said(said: &mut Map<String, Value>, form: Form) {
    // OpenRouter has one name for reasoning.
    if !said.get("reasoning").is_some_and(Value::is_string)
        && let Some(text @ Value::String(_)) = said.shift_remove("reasoning_content")
    {
        said.insert("reasoning".into(), text);
    }
    said.retain(|field, value| !value.is_null() || may_be_null(field));
    if form == Form::Answer || said.contains_key("role") {
        said.insert("role".into(), "assistant".into());
    }
    if form == Form::Answer {
        for field in ["content", "refusal", "reasoning"] {
            said.entry(field).or_insert(Value::Null);
        }
    }
    match said.get_mut("tool_calls") {
        Some(Value::Array(calls)) => complete_tool_calls(calls, form),
        _ => drop(said.shift_remove("tool_calls")),
    }
}

/// Of what is said clients take only these as null (contract, D.5).
pub(super) fn may_be_null(field: &str) -> bool {
    matches!(field, "content" | "refusal" | "reasoning")
}

/// Calls of tools have no nulls; in a stream each says which call it continues.
fn complete_tool_calls(calls: &mut Vec<Value>, form: Form) {
    calls.retain(Value::is_object);
    for (call, position) in calls.iter_mut().zip(0_u64..) {
        let Value::Object(call) = call else { continue };
        call.retain(|_, value| !value.is_null());
        if let Some(Value::Object(function)) = call.get_mut("function") {
            function.retain(|_, value| !value.is_null());
        }
        match form {
            Form::Answer => {
                call.entry("id").or_insert_with(|| format!("keyway_call_{position}").into());
                call.entry("type").or_insert_with(|| "function".into());
                if let Some(Value::Object(function)) = call.get_mut("function") {
                    function.entry("arguments").or_insert_with(|| "".into());
                }
            }
            Form::Chunk if !call.get("index").is_some_and(Value::is_u64) => {
                call.insert("index".into(), position.into());
            }
            Form::Chunk => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(choice: &Value, form: Form) -> Value {
        complete(json!([choice]), form)[0].clone()
    }

    #[test]
    fn reasons_are_translated_and_kept_as_they_were() {
        let cases = [
            (json!("stop"), json!("stop"), json!("stop")),
            (json!("end_turn"), json!("stop"), json!("end_turn")),
            (json!("max_tokens"), json!("length"), json!("max_tokens")),
            (json!("function_call"), json!("tool_calls"), json!("function_call")),
            (json!("new_reason"), json!("new_reason"), json!("new_reason")),
            (json!(""), json!(null), json!(null)),
            (json!(null), json!(null), json!(null)),
            (json!(7), json!(null), json!(null)),
        ];
        for (reason, finish, native) in cases {
            let choice = completed(&json!({"delta": {}, "finish_reason": reason}), Form::Chunk);
            assert_eq!(
                (&choice["finish_reason"], &choice["native_finish_reason"]),
                (&finish, &native)
            );
        }
        let both = json!({"finish_reason": "stop", "native_finish_reason": "STOP"});
        assert_eq!(completed(&both, Form::Chunk)["native_finish_reason"], "STOP");
    }

    #[test]
    fn calls_of_tools_lose_their_nulls() {
        let continued = json!({"delta": {"role": null, "tool_calls": [
            {"index": 3, "id": null, "type": null, "function": {"name": null, "arguments": "{"}},
            {"function": {"arguments": "}"}},
        ]}});
        let expected = json!({"tool_calls": [
            {"index": 3, "function": {"arguments": "{"}},
            {"function": {"arguments": "}"}, "index": 1},
        ]});
        assert_eq!(completed(&continued, Form::Chunk)["delta"], expected);
        let whole = json!({"message": {"tool_calls": [{"id": null, "function": {"name": "f"}}]}});
        let expected = json!([
            {"id": "keyway_call_0", "type": "function", "function": {"name": "f", "arguments": ""}},
        ]);
        assert_eq!(completed(&whole, Form::Answer)["message"]["tool_calls"], expected);
        let none = completed(&json!({"message": {"tool_calls": null}}), Form::Answer);
        assert!(none["message"].get("tool_calls").is_none());
    }

    #[test]
    fn reasoning_has_one_name() {
        let alias = json!({"delta": {"content": null, "reasoning_content": "hm"}});
        assert_eq!(
            completed(&alias, Form::Chunk)["delta"],
            json!({"content": null, "reasoning": "hm"})
        );
    }

    #[test]
    fn everything_that_is_said_counts_once() {
        let said = json!({
            "content": "1", "reasoning": "22", "reasoning_content": "22", "refusal": "333",
            "tool_calls": [{"function": {"name": "4444", "arguments": "55555"}}],
            "function_call": {"name": "666666"},
        });
        assert_eq!(said_bytes(&said), 1 + 2 + 3 + 4 + 5 + 6);
        assert_eq!(said_bytes(&json!({"content": [{"type": "text", "text": "é"}]})), 2);
    }
}
