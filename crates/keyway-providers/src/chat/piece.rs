//! A chunk as its provider said it: looked through, but not read into a tree.
//!
//! Most of a stream are pieces of a word or two, in which everything else is the same each time. A client
//! of the same words gets them with what is about the answer replaced, and the rest copied.

use memchr::memchr2;
use serde_json::{Map, Value};

use super::chunk::OBJECT;
use super::splice::write_choices;
use super::{Envelope, is_own, source};
use crate::json::Text;
use crate::json::scan::Node;
use crate::json::write::Object;

/// Bytes that are written beside what was said: the fields about the answer without the names in them,
/// and the reasons that are there from the start.
const BESIDE_BYTES: usize = 192;

/// The text of a chunk, looked through.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Piece(Text);

impl Piece {
    /// Takes the data of an event where nothing beside its choices has to be understood, as errors,
    /// counts and sources have; gives it back where something has.
    pub(super) fn of(data: String) -> Result<Self, String> {
        // A line end would break the event that it is copied into.
        if memchr2(b'\n', b'\r', data.as_bytes()).is_some() {
            return Err(data);
        }
        let text = Text::of(data)?;
        if is_plain(text.root()) { Ok(Self(text)) } else { Err(text.into_string()) }
    }

    pub(super) const fn root(&self) -> Node<'_> {
        self.0.root()
    }

    pub(super) fn choices(&self) -> Option<Node<'_>> {
        self.root().get("choices")
    }

    /// The same as a tree.
    pub(super) fn to_tree(&self) -> Map<String, Value> {
        self.root().to_map()
    }

    /// How long it is when it is written, about.
    pub(super) fn written_bytes(&self, envelope: &Envelope) -> usize {
        let Envelope { id, model, provider, created: _ } = envelope;
        self.0.as_str().len() + id.len() + model.len() + provider.len() + BESIDE_BYTES
    }

    /// Writes the chunk as clients get it.
    pub(super) fn write(&self, envelope: &Envelope, hides_reasoning: bool, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        envelope.write_head(OBJECT, &mut object);
        write_choices(self.choices(), hides_reasoning, object.key("choices"));
        let stays = |key: Node<'_>, value: Node<'_>| !value.is_null() && !key.is_any(is_own);
        object.copy_where(Some(self.root()), stays);
        object.end();
    }
}

/// Whether nothing beside the choices says more than itself.
fn is_plain(root: Node<'_>) -> bool {
    let is_plain = |(key, value): (Node<'_>, Node<'_>)| match key.as_str().as_deref() {
        Some("error" | "usage") => value.is_null(),
        Some("object") => !value.is("error"),
        // They are told once more at the end, in the words that clients know.
        Some(field) if source::FIELDS.contains(&field) => !value.is_array(),
        _ => true,
    };
    root.is_object() && root.entries().all(is_plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::chunk::read_event;
    use super::super::{About, Chunk, StreamEvent, Words, stream_event};
    use super::*;
    use crate::face::hide_reasoning;
    use crate::sse;

    fn envelope() -> Envelope {
        Envelope { id: "gen-1".into(), model: "a/b".into(), provider: "A \"B\"".into(), created: 7 }
    }

    fn chunk(event: StreamEvent) -> Chunk {
        match event {
            StreamEvent::Chunk(chunk) => chunk,
            other => panic!("{other:?} is no chunk"),
        }
    }

    /// What a client hears of it.
    fn heard(chunk: Chunk, hides_reasoning: bool) -> Result<Value, Chunk> {
        let event = chunk.event(&envelope(), hides_reasoning)?;
        let mut events = sse::Decoder::new(usize::MAX);
        events.feed(&event);
        let said = events.next().expect("an event").expect("a whole one").data;
        Ok(serde_json::from_str(&said).unwrap_or_else(|error| panic!("{said}: {error}")))
    }

    /// That a text is understood and written as its tree is. Answers whether it is passed on as it came.
    fn compare(text: &str, hides_reasoning: bool) -> bool {
        let Ok(piece) = Piece::of(text.to_owned()) else { return false };
        assert!(matches!(stream_event(text), Ok(StreamEvent::Chunk(_))), "{text}");
        let piece = chunk(stream_event(piece.0.into_string()).expect("an event"));
        let tree = chunk(read_event(text).unwrap_or_else(|error| panic!("{text}: {error}")));
        assert_eq!(piece.usage(), tree.usage(), "{text}");
        assert_eq!(piece.provider_cost(), tree.provider_cost(), "{text}");
        assert_eq!(piece.output_bytes(), tree.output_bytes(), "{text}");
        assert_eq!(piece.carries_choices(), tree.carries_choices(), "{text}");
        assert_eq!(
            piece.choices().collect::<Vec<_>>(),
            tree.choices().collect::<Vec<_>>(),
            "{text}"
        );
        let (mut about, mut words) =
            ([About::default(), About::default()], [(); 2].map(|()| Words::new(9)));
        for (place, chunk) in [&piece, &tree].into_iter().enumerate() {
            chunk.tell(&mut about[place]);
            words[place].hear_chunk(chunk);
        }
        assert_eq!(about[0], about[1], "{text}");
        let words = words.map(|words| (words.completion(), words.reasoning()));
        assert_eq!(words[0], words[1], "{text}");
        let as_tree = piece.clone().complete(&envelope());
        let mut expected = tree.complete(&envelope());
        assert_eq!(as_tree, expected, "{text}");
        if hides_reasoning {
            hide_reasoning(&mut expected);
        }
        assert_eq!(heard(piece, hides_reasoning), Ok(Value::Object(expected)), "{text}");
        true
    }

    #[test]
    fn what_providers_stream_is_passed_on_as_it_came() {
        for text in [
            r#"{"id":"x","object":"chat.completion.chunk","created":1,"model":"m","system_fingerprint":null,"choices":[{"index":0,"delta":{"role":"assistant","content":"h\u0069 \ud83d\ude00"},"logprobs":null,"finish_reason":null}],"usage":null}"#,
            r#"{"choices":[{"delta":{"reasoning_content":"hm","content":null},"finish_reason":"end_turn"}],"service_tier":"default"}"#,
            r#"{"choices":[{"index":1,"delta":{"tool_calls":[{"index":0,"id":null,"function":{"name":null,"arguments":"{\""}}]}}], "x" : 1.50}"#,
            r#"{"choices":[{"text":"a","logprobs":{"tokens":[{"a":null}]},"delta":{"token_id":7,"role":"user","tool_calls":null}}]}"#,
            "{}",
        ] {
            assert!(compare(text, false), "{text}");
            assert!(compare(text, true), "{text}");
        }
    }

    #[test]
    fn what_has_to_be_understood_is_read_as_a_tree() {
        for text in [
            r#"{"choices":[],"usage":{"prompt_tokens":1}}"#,
            r#"{"choices":[],"citations":["https://a.example"]}"#,
            r#"{"error":{"message":"no"}}"#,
            r#"{"object":"error","message":"no"}"#,
            r#"{"object":"\u0065rror","message":"no"}"#,
            r#"{"choices":[],"choices":[{}]}"#,
            "{\"choices\":\n[]}",
            "[DONE]",
            "[]",
            "",
        ] {
            assert_eq!(Piece::of(text.to_owned()), Err(text.to_owned()), "{text}");
        }
    }

    /// Values under the names that chunks have, the likely ones more often.
    fn any_chunk() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            4 => "(stop|end_turn|error|assistant|text|a\"é\n|😀|)".prop_map(Value::from),
            2 => (0..9_u64).prop_map(Value::from),
            2 => Just(Value::Null), 1 => any::<bool>().prop_map(Value::from),
            1 => Just(json!(1.5)), 1 => Just(json!(-1)), 1 => Just(json!({})), 1 => Just(json!([])),
            1 => Just(json!([{"type": "text", "text": "part"}, {"text": 1}])),
            1 => Just(json!({"name": "f", "arguments": null})),
        ];
        let fields = |names: &'static str, inner: BoxedStrategy<Value>| {
            let entries = prop::collection::vec((names, inner), 0..6);
            entries.prop_map(|entries| Value::Object(entries.into_iter().collect())).boxed()
        };
        let function = fields("name|arguments|x", leaf.clone().boxed());
        let call = fields("index|id|type|function|x", prop_oneof![leaf.clone(), function].boxed());
        let calls = prop::collection::vec(prop_oneof![4 => call, 1 => leaf.clone()], 0..3);
        let said = prop_oneof![3 => leaf.clone(), 1 => calls.prop_map(Value::from)];
        let delta = fields(
            "role|content|refusal|reasoning|reasoning_content|reasoning_details|tool_calls|function_call|\
             images|x",
            said.boxed(),
        );
        let choice = fields(
            "index|delta|finish_reason|native_finish_reason|logprobs|x",
            prop_oneof![leaf.clone(), delta].boxed(),
        );
        let choices = prop::collection::vec(prop_oneof![9 => choice, 1 => leaf.clone()], 0..3);
        let rest = fields(
            "id|object|created|model|provider|system_fingerprint|service_tier|error|usage|citations|x",
            leaf.boxed(),
        );
        (choices, rest, any::<bool>()).prop_map(|(choices, mut rest, escaped)| {
            rest["choices"] = choices.into();
            let text = rest.to_string();
            let words =
                |text: String| text.replace("tru\\u0065", "true").replace("fals\\u0065", "false");
            if escaped { words(text.replace('e', "\\u0065")) } else { text }
        })
    }

    proptest! {
        #[test]
        fn a_piece_is_passed_on_as_its_tree_would_be(text in any_chunk(), hides_reasoning in any::<bool>()) {
            compare(&text, hides_reasoning);
        }
    }
}
