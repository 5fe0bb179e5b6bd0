//! Messages as their client wrote them, which are passed on so where the provider reads them as they are.
//! Most are a few long texts: of those no tree is made.

use std::borrow::Cow;
use std::sync::OnceLock;

use serde_json::{Map, Value};

use super::request::is_role;
use crate::json::Text;
use crate::json::scan::{Node, Spot};

pub(crate) const MESSAGES: &str = "messages";

/// The messages of a request. Its other fields are in a tree.
#[derive(Clone, Debug)]
pub(super) struct Verbatim {
    text: Text,
    /// Where they stand in it.
    list: Spot,
    /// How many there are.
    pub(super) count: usize,
    /// UTF-8 bytes of those that are only text.
    pub(super) text_bytes: u64,
    /// The others, with their numbers.
    pub(super) odd: Vec<(usize, Value)>,
    /// All of them, once somebody asks.
    tree: OnceLock<Value>,
}

impl Verbatim {
    /// The messages of the body `text`, and its other fields; the text again where something about them is
    /// not as it has to be. The odd ones are still to be checked.
    pub(super) fn of(text: Text) -> Result<(Self, Map<String, Value>), Text> {
        let root = text.root();
        let Some(messages) = root.get(MESSAGES).filter(|it| it.is_array()) else {
            return Err(text);
        };
        let (mut count, mut text_bytes, mut odd) = (0, 0, Vec::new());
        for message in messages.items() {
            match plain_bytes(message) {
                Some(bytes) => text_bytes += bytes,
                None => odd.push((count, message.to_value())),
            }
            count += 1;
        }
        if count == 0 {
            return Err(text);
        }
        let rest = root.entries().filter(|(key, _)| !key.is(MESSAGES));
        let rest =
            rest.filter_map(|(key, value)| Some((key.as_str()?.into_owned(), value.to_value())));
        let (list, rest) = (messages.spot(), rest.collect());
        Ok((Self { text, list, count, text_bytes, odd, tree: OnceLock::new() }, rest))
    }

    /// The list as it came.
    pub(super) fn raw(&self) -> &str {
        self.list().raw()
    }

    /// How long it is without blanks.
    pub(super) fn compact_bytes(&self) -> u64 {
        self.list().compact_bytes()
    }

    pub(super) fn tree(&self) -> &Value {
        self.tree.get_or_init(|| self.list().to_value())
    }

    /// The first message whose role is one of those that `is_it` says.
    pub(super) fn first(&self, is_it: impl Fn(Option<&str>) -> bool) -> Option<Node<'_>> {
        self.list().items().find(|message| {
            let role = message.get("role").and_then(Node::as_str);
            is_it(role.as_deref())
        })
    }

    /// Whether any object in it has at `key` what `is_it` says.
    pub(super) fn holds(
        &self,
        key: &str,
        is_it: impl Fn(Option<Cow<'_, str>>) -> bool + Copy,
    ) -> bool {
        holds(self.list(), key, is_it)
    }

    /// Whether any message, or a part of its content, has one of these fields.
    pub(super) fn has_field(&self, fields: &[&str]) -> bool {
        let has =
            |it: Node<'_>| it.entries().any(|(key, _)| fields.iter().any(|field| key.is(field)));
        let mut messages = self.list().items();
        messages.any(|it| has(it) || it.get("content").into_iter().flat_map(Node::items).any(has))
    }

    const fn list(&self) -> Node<'_> {
        self.text.node(self.list)
    }
}

/// Bytes of a message's text; `None` where it is more than that, or none that is allowed.
fn plain_bytes(message: Node<'_>) -> Option<u64> {
    let mut has_role = false;
    let mut bytes = 0;
    if !message.is_object() {
        return None;
    }
    for (key, value) in message.entries() {
        if key.is("role") {
            has_role = is_role(&value.as_str()?);
        } else if key.is("content") {
            bytes = if value.is_null() { 0 } else { value.as_str()?.len() as u64 };
        } else if ["tool_calls", "images", "audio"].iter().any(|field| key.is(field)) {
            return None;
        }
    }
    has_role.then_some(bytes)
}

fn holds(node: Node<'_>, key: &str, is_it: impl Fn(Option<Cow<'_, str>>) -> bool + Copy) -> bool {
    let mut entries = node.entries();
    entries.any(|(name, value)| (name.is(key) && is_it(value.as_str())) || holds(value, key, is_it))
        || node.items().any(|item| holds(item, key, is_it))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::ChatRequest;
    use super::*;
    use crate::openai::{Quirks, request_body};

    fn read(text: &str) -> Result<ChatRequest, String> {
        let text = Text::read(text).expect("JSON");
        ChatRequest::read(text).map_err(|error| error.to_string())
    }

    /// That a request is understood, and sent to every server, as its tree is.
    fn compare(text: &str) {
        let tree = ChatRequest::parse(crate::json::parse(text.as_bytes()).expect("JSON"));
        let (mut tree, mut request) = match (tree.map_err(|error| error.to_string()), read(text)) {
            (Ok(tree), Ok(request)) => (tree, request),
            (tree, request) => return assert_eq!(tree.err(), request.err(), "{text}"),
        };
        let understood = |it: &ChatRequest| {
            let mut beginning = Vec::new();
            it.write_beginning(&mut beginning).expect("memory takes all");
            let lengths = (
                it.prompt_tokens_bound(),
                it.prompt_estimate(),
                it.uses(),
                it.media(),
                it.images(),
            );
            let fields =
                (it.model.clone(), it.stream, it.max_tokens, it.choices, it.hides_reasoning());
            (lengths, fields, beginning, it.field(MESSAGES).cloned(), Value::Object(it.body()))
        };
        let (told, expected) = (understood(&request), understood(&tree));
        assert_eq!(told, expected, "{text}");
        let held = (request.hold_to_bound(), tree.hold_to_bound());
        assert_eq!(held.0, held.1, "{text}");
        for quirks in Quirks::NAMES.iter().filter_map(|name| Quirks::named(name)) {
            let sent = |it| request_body(it, "theirs", quirks).expect("a body");
            let sent =
                [sent(&request), sent(&tree)].map(|sent| crate::json::parse(&sent).expect("JSON"));
            assert_eq!(sent[0], sent[1], "{text} to {}", quirks.name);
        }
    }

    #[test]
    fn messages_go_to_their_provider_as_they_came() {
        let messages = r#"[ {"role":"user", "content":"h\u0069", "x":1.50} ]"#;
        let text = format!(r#"{{"messages":{messages},"model":"a/b","store":true,"seed":1.0}}"#);
        let sent = request_body(&read(&text).expect("a request"), "theirs", Quirks::at("http://a"));
        let sent = String::from_utf8(sent.expect("a body")).expect("text");
        assert_eq!(sent, format!(r#"{{"model":"theirs","seed":1.0,"messages":{messages}}}"#));
        compare(&text);
    }

    #[test]
    fn of_what_is_only_text_there_is_no_tree() {
        let text = r#"{"model":"a/b","messages":[{"role":"user","content":"hi"},
            {"role":"assistant","tool_calls":[]},{"role":"tool","content":null,"tool_call_id":"1"}]}"#;
        let request = Verbatim::of(Text::read(text).expect("JSON"));
        let (verbatim, rest) = request.expect("messages");
        assert_eq!((verbatim.count, verbatim.text_bytes, rest.len()), (3, 2, 1));
        assert_eq!(verbatim.odd, [(1, json!({"role": "assistant", "tool_calls": []}))]);
        assert!(verbatim.tree.get().is_none());
    }

    fn fields(
        names: &'static str,
        values: impl Strategy<Value = Value> + 'static,
    ) -> BoxedStrategy<Value> {
        let entries = prop::collection::vec((names, values), 0..6);
        entries.prop_map(|entries| Value::Object(entries.into_iter().collect())).boxed()
    }

    /// Bodies of requests, most of them allowed.
    fn any_request() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            6 => "(hi|text|low|5m|1h|a\"é\n|)".prop_map(Value::from),
            1 => Just(Value::Null), 1 => any::<bool>().prop_map(Value::from), 1 => Just(json!(7)),
            1 => Just(json!(0.50)), 1 => Just(json!([])), 1 => Just(json!({"include": true})),
        ];
        let cached = leaf.clone().prop_map(|ttl| json!({"type": "ephemeral", "ttl": ttl}));
        let part = fields(
            "text|cache_control|image_url|input_audio|reasoning|x",
            prop_oneof![leaf.clone(), cached.clone()],
        );
        let part = (part, "text|image_url|refusal|input_audio").prop_map(|(mut part, kind)| {
            part["type"] = kind.into();
            part
        });
        let calls =
            json!([{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]);
        let value = prop_oneof![
            4 => leaf.clone(), 2 => prop::collection::vec(part, 0..3).prop_map(Value::from),
            1 => Just(calls), 1 => cached,
        ];
        let names = "content|content|tool_calls|images|audio|reasoning|reasoning_details|cache_control|name|x";
        let message = (fields(names, value), "system|developer|user|assistant|tool|robot")
            .prop_map(|(mut message, role)| {
                message["role"] = role.into();
                message
            });
        let messages = prop::collection::vec(prop_oneof![19 => message, 1 => leaf.clone()], 0..5);
        let messages = prop_oneof![19 => messages.prop_map(Value::from), 1 => leaf.clone()];
        let rest = fields(
            "max_tokens|max_completion_tokens|stream|stream_options|n|temperature|top_k|seed|provider|reasoning|\
             include_reasoning|reasoning_effort|tools|response_format|plugins|usage|store|prediction|user|prompt",
            leaf,
        );
        (messages, rest, any::<bool>()).prop_map(|(messages, mut rest, pretty)| {
            rest["messages"] = messages;
            rest["model"] = "a/b".into();
            if pretty { format!("{rest:#}") } else { rest.to_string() }
        })
    }

    proptest! {
        #[test]
        fn a_request_is_understood_and_sent_as_its_tree_is(text in any_request()) {
            compare(&text);
        }
    }
}
