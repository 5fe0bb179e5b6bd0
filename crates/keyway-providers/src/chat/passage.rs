//! A whole answer as it came, in the form in the middle already: it is passed on around what is replaced,
//! and never becomes a tree. What it means, and what clients get, is what a tree of it would give.

use serde_json::{Map, Value};

use super::choice::{self, Form, said_reason};
use super::{Envelope, Receipt, is_own, source};
use crate::json::Text;
use crate::json::scan::{Node, Spot};
use crate::json::write::{self, Object};

const CHOICES: &str = "choices";
const ERROR: &str = "error";
const FINGERPRINT: &str = "system_fingerprint";
const FINISH: &str = "finish_reason";
const ID: &str = "id";
const INDEX: &str = "index";
const LOGPROBS: &str = "logprobs";
const MESSAGE: &str = "message";
const NATIVE_FINISH: &str = "native_finish_reason";
const SERVICE_TIER: &str = "service_tier";
const USAGE: &str = "usage";
/// Fields of a choice that are written in this order.
const FIELDS: [&str; 5] = [INDEX, MESSAGE, FINISH, NATIVE_FINISH, LOGPROBS];
/// Bytes that are written beside what came, about.
const ADDED_BYTES: usize = 1_024;

/// An answer with a list of choices.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Passage {
    text: Text,
    /// Where it says what is asked for more than once.
    id: Option<Spot>,
    service_tier: Option<Spot>,
    fingerprint: Option<Spot>,
    choices: Option<Spot>,
    usage: Option<Spot>,
}

impl Passage {
    /// `None` where it has to be read as a tree, or is no answer.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let text = Text::scan(body)?;
        let [id, service_tier, fingerprint, choices, usage, error] =
            text.root().pick([ID, SERVICE_TIER, FINGERPRINT, CHOICES, USAGE, ERROR]);
        let choices = choices.filter(|it| it.is_array())?;
        // They are told with the choices.
        let sources = text.root().pick(source::FIELDS);
        let has_sources = sources.into_iter().flatten().any(Node::is_array);
        // What failed says so in words that may repeat what must not be passed on.
        let fails = |error: Option<Node<'_>>| error.is_some_and(|error| !error.is_null());
        let has_failed = fails(error) || choices.items().any(|it| fails(it.get(ERROR)));
        if has_sources || has_failed {
            return None;
        }
        let spots = [id, service_tier, fingerprint, Some(choices), usage];
        let [id, service_tier, fingerprint, choices, usage] = spots.map(|it| it.map(Node::spot));
        Some(Self { text, id, service_tier, fingerprint, choices, usage })
    }

    pub(super) fn to_tree(&self) -> Map<String, Value> {
        self.text.root().to_map()
    }

    /// What the provider counted.
    pub(super) fn counted(&self) -> Option<Node<'_>> {
        self.at(self.usage)
    }

    pub(super) fn choices(&self) -> Option<Node<'_>> {
        self.at(self.choices)
    }

    /// What the provider calls it.
    pub(super) fn id(&self) -> Option<Node<'_>> {
        self.at(self.id)
    }

    pub(super) fn service_tier(&self) -> Option<Node<'_>> {
        self.at(self.service_tier)
    }

    fn at(&self, spot: Option<Spot>) -> Option<Node<'_>> {
        spot.map(|spot| self.text.node(spot))
    }

    /// The answer as clients get it, as text.
    pub(super) fn write(&self, envelope: &Envelope, receipt: &Receipt) -> Vec<u8> {
        let root = self.text.root();
        let fingerprint = self.at(self.fingerprint).filter(|it| it.is_string());
        let mut out = Vec::with_capacity(root.raw().len() + ADDED_BYTES);
        let mut answer = Object::begin(&mut out);
        envelope.write_head("chat.completion", &mut answer);
        answer.copy_or_null(FINGERPRINT, fingerprint);
        write_choices(answer.key(CHOICES), self.choices());
        let stays = |key: Node<'_>, value: Node<'_>| !value.is_null() && !key.is_any(is_replaced);
        answer.copy_where(Some(root), stays);
        receipt.write_around(answer.key(USAGE), self.counted());
        answer.end();
        out
    }
}

/// Whether a field of an answer does not stay as it came.
fn is_replaced(field: &str) -> bool {
    is_own(field) || matches!(field, FINGERPRINT | USAGE)
}

fn write_choices(out: &mut Vec<u8>, choices: Option<Node<'_>>) {
    out.push(b'[');
    let choices = choices.into_iter().flat_map(Node::items);
    for (choice, position) in choices.filter(|it| it.is_object()).zip(0_u64..) {
        if position > 0 {
            out.push(b',');
        }
        write_choice(out, choice, position);
    }
    out.push(b']');
}

/// Whether something else is said than texts. What it is is for a tree to tell.
fn is_odd(message: Node<'_>) -> bool {
    let [calls, call, content] = message.pick(["tool_calls", "function_call", "content"]);
    let calls = [calls, call].into_iter().flatten().any(|it| !it.is_null());
    calls || content.is_some_and(Node::is_array)
}

fn write_choice(out: &mut Vec<u8>, choice: Node<'_>, position: u64) {
    let told = choice.pick(FIELDS);
    let [index, message, finish, native_finish, logprobs] = told;
    if message.is_some_and(is_odd) {
        let choice = choice::complete_choice(choice.to_value(), position, Form::Answer);
        return write::value(out, &choice);
    }
    let native = said_reason(finish);
    let raw = said_reason(native_finish).or_else(|| native.clone());
    let mut written = Object::begin(out);
    written.put(INDEX, &index.and_then(Node::as_u64).unwrap_or(position));
    write_message(written.key(MESSAGE), message);
    written.text_or_null(FINISH, native.as_deref().map(choice::translated));
    written.text_or_null(NATIVE_FINISH, raw.as_deref());
    written.copy_or_null(LOGPROBS, logprobs);
    written.copy_where(Some(choice), |_, value| !value.is_one_of(&told));
    written.end();
}

fn write_message(out: &mut Vec<u8>, message: Option<Node<'_>>) {
    let fields = ["role", "content", "refusal", "reasoning", "reasoning_content"];
    let [role, content, refusal, reasoning, alias] =
        message.map_or([None; 5], |it| it.pick(fields));
    let mut written = Object::begin(out);
    written.word("role", "assistant");
    written.copy_or_null("content", content);
    written.copy_or_null("refusal", refusal);
    // OpenRouter has one name for reasoning.
    let has_alias = !reasoning.is_some_and(Node::is_string) && alias.is_some();
    let told = alias.filter(|it| has_alias && it.is_string());
    written.copy_or_null("reasoning", told.or(reasoning));
    let told = [role, content, refusal, reasoning, alias.filter(|_| has_alias)];
    written.copy_where(message, |_, value| !value.is_null() && !value.is_one_of(&told));
    written.end();
}

#[cfg(test)]
mod tests {
    use keyway_core::money::Nanos;
    use keyway_core::pricing::{Cost, Usage};
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::Answer;
    use super::*;

    fn envelope() -> Envelope {
        Envelope { id: "gen-1".into(), model: "a/b".into(), provider: "A \"B\"".into(), created: 7 }
    }

    fn receipt(usage: Usage) -> Receipt {
        let cost = Cost {
            prompt: Nanos::new(5),
            completion: Nanos::new(1_000_000_001),
            ..Cost::default()
        };
        Receipt { usage, cost, charge: Nanos::new(18_000), byok: Some(Nanos::new(3)) }
    }

    /// That a text is understood and written as its tree is.
    fn compare(text: &str) {
        let tree = Answer::parse_tree(text.as_bytes());
        let Some(passage) = Answer::parse_passage(text.as_bytes()) else { return };
        let tree = tree.unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(passage.usage(), tree.usage(), "{text}");
        assert_eq!(passage.provider_cost(), tree.provider_cost(), "{text}");
        assert_eq!(passage.output_bytes(), tree.output_bytes(), "{text}");
        assert_eq!(passage.is_uncharged(), tree.is_uncharged(), "{text}");
        assert_eq!(passage.about(), tree.about(), "{text}");
        let receipt = receipt(passage.usage().unwrap_or_default());
        let written = passage.render(&envelope(), &receipt);
        let written: Value = serde_json::from_slice(&written).unwrap_or_else(|error| {
            panic!("{text} became {}: {error}", String::from_utf8_lossy(&written))
        });
        assert_eq!(written, Value::Object(tree.complete(&envelope(), &receipt)), "{text}");
    }

    #[test]
    fn an_answer_that_needs_no_tree_is_passed_on() {
        let text = r#"{"id":"x", "choices":[{"message":{"content":"h\u0069"}, "finish_reason":"end_turn"}],
            "service_tier":null, "x":1.50, "usage":{"prompt_tokens":1,"completion_tokens":2}}"#;
        let passage = Passage::read(text.as_bytes()).expect("an answer");
        assert_eq!(choice::output_bytes(passage.choices(), Form::Answer), 2);
        compare(text);
        let written = Answer::parse(text.as_bytes()).expect("an answer");
        let written = written.render(&envelope(), &receipt(Usage::default()));
        let written = String::from_utf8(written).expect("text");
        assert!(
            written.contains(r#""content":"h\u0069""#) && written.contains(r#""x":1.50"#),
            "{written}"
        );
        assert!(
            written.contains(r#""finish_reason":"stop","native_finish_reason":"end_turn""#),
            "{written}"
        );
    }

    #[test]
    fn what_needs_a_tree_is_read_as_one() {
        for text in [
            r#"{"choices":[],"citations":["https://a.example"]}"#,
            r#"{"choices":[],"choices":[{}]}"#,
            r#"{"choices":null,"error":{"message":"no"}}"#,
            "[]",
            "",
        ] {
            assert_eq!(Passage::read(text.as_bytes()), None, "{text}");
        }
    }

    /// Values under the names that answers have, the likely ones more often.
    fn any_answer() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            4 => "(stop|end_turn|error|length|assistant|text|a\"é\n|)".prop_map(Value::from),
            2 => (0..9_u64).prop_map(Value::from),
            1 => Just(Value::Null), 1 => any::<bool>().prop_map(Value::from),
            1 => Just(json!(1.5)), 1 => Just(json!(-1)), 1 => Just(json!({})), 1 => Just(json!([])),
            1 => Just(json!([{"type": "text", "text": "part"}, {"text": 1}])),
            1 => Just(json!([{"id": null, "function": {"name": "f", "arguments": "{}"}}, 1])),
        ];
        let fields = |names: &'static str, inner: BoxedStrategy<Value>| {
            let entries = prop::collection::vec((names, inner), 0..7);
            entries.prop_map(|entries| Value::Object(entries.into_iter().collect())).boxed()
        };
        let details = fields(
            "cached_tokens|reasoning_tokens|cache_write_tokens|audio_tokens|x",
            leaf.clone().boxed(),
        );
        let usage = fields(
            "prompt_tokens|completion_tokens|total_tokens|cost|is_byok|cost_details|cached_tokens|queue|\
             prompt_tokens_details|completion_tokens_details",
            prop_oneof![3 => leaf.clone(), 1 => details].boxed(),
        );
        let message = fields(
            "role|content|refusal|reasoning|reasoning_content|tool_calls|function_call|images|annotations|x",
            leaf.clone().boxed(),
        );
        let choice = fields(
            "index|message|finish_reason|native_finish_reason|logprobs|x",
            prop_oneof![leaf.clone(), message].boxed(),
        );
        let choices = prop::collection::vec(prop_oneof![9 => choice, 1 => leaf.clone()], 0..3);
        let rest = fields(
            "id|object|created|model|provider|system_fingerprint|service_tier|citations|x|y",
            leaf.boxed(),
        );
        (choices, usage, rest, any::<bool>()).prop_map(|(choices, usage, mut rest, pretty)| {
            rest["choices"] = choices.into();
            rest["usage"] = usage;
            if pretty { format!("{rest:#}") } else { rest.to_string() }
        })
    }

    proptest! {
        #[test]
        fn an_answer_is_passed_on_as_its_tree_would_be(text in any_answer()) {
            compare(&text);
        }
    }
}
