//! How much a request gives the model to read.

use keyway_core::pricing::{Kind, Usage, Uses};
use serde_json::{Map, Value};

use super::media;
use super::verbatim::Verbatim;
use crate::json::{self, written_bytes};

/// Tokens that a template may put around each message, at most.
pub(super) const TOKENS_PER_MESSAGE: u64 = 16;
/// Tokens that a provider may put around the whole prompt, at most: some begin it with words of their
/// own.
const TOKENS_PER_REQUEST: u64 = 128;
/// And beside it where there are tools or a schema: providers explain in words how to use them.
const TOKENS_FOR_TOOLS: u64 = 1_024;
/// Fields of a request that add to the prompt what nobody can count beforehand.
const UNBOUNDED_FIELDS: [&str; 3] = ["plugins", "web_search_options", "search_parameters"];
/// Fields of a message that stand for pictures and sounds of an earlier answer.
const UNBOUNDED_MESSAGE_FIELDS: [&str; 2] = ["images", "audio"];
/// Fields besides the messages that models read.
const COUNTED_FIELDS: [&str; 2] = ["tools", "response_format"];
/// Bytes of a token in an estimate. English has more; this errs to the side of too many tokens.
pub(super) const BYTES_PER_TOKEN: u64 = 3;
/// Parts of a message that are as long as they look.
const TEXT_PARTS: [&str; 2] = ["text", "refusal"];
/// Parts of a message that are pictures.
const IMAGE_PARTS: [&str; 2] = ["image_url", "input_image"];
/// What says how long something is to be cached.
const TTL: &str = "ttl";
/// How long a provider caches where a request says that it shall, but not how long.
const DEFAULT_TTL: &str = "5m";
/// Tools that run at the client; others add to the prompt what they find.
pub(super) const CLIENT_TOOLS: [&str; 2] = ["function", "custom"];

/// The most tokens that a prompt can have, or the field that no bound is known for.
pub(super) fn tokens_bound(
    body: &Map<String, Value>,
    messages: &Messages<'_>,
) -> Result<u64, String> {
    if let Some(field) = unbounded_field(body, messages) {
        return Err(field);
    }
    Ok(bytes_bound(body, messages.count).saturating_add(messages.bytes_beside()))
}

/// The messages of a request.
#[derive(Clone, Debug)]
pub(super) struct Messages<'a> {
    pub(super) count: usize,
    /// Those that are in the tree of the body, which may all be more than text,
    tree: &'a [Value],
    /// or all of them, where they are not.
    verbatim: Option<&'a Verbatim>,
}

impl<'a> Messages<'a> {
    pub(super) fn in_tree(messages: &'a [Value]) -> Self {
        Self { count: messages.len(), tree: messages, verbatim: None }
    }

    pub(super) fn verbatim(verbatim: &'a Verbatim) -> Self {
        Self { count: verbatim.count, tree: &[], verbatim: Some(verbatim) }
    }

    fn odd(&self) -> impl Iterator<Item = &'a Value> {
        self.numbered_odd().map(|(_, message)| message)
    }

    /// What may be more than text, with the number of each.
    fn numbered_odd(&self) -> impl Iterator<Item = (usize, &'a Value)> {
        let verbatim = self.verbatim.map_or(&[][..], |it| &it.odd);
        let verbatim = verbatim.iter().map(|(number, message)| (*number, message));
        self.tree.iter().enumerate().chain(verbatim)
    }

    /// UTF-8 bytes of those that are not odd.
    fn text_bytes(&self) -> u64 {
        self.verbatim.map_or(0, |it| it.text_bytes)
    }

    /// How long those are as JSON that are not in the tree.
    fn bytes_beside(&self) -> u64 {
        self.verbatim.map_or(0, Verbatim::compact_bytes)
    }

    /// Whether something in those is to be cached for longer than by default.
    fn keeps_long(&self) -> bool {
        self.verbatim.is_some_and(|it| it.holds(TTL, |ttl| is_long(ttl.as_deref())))
    }
}

/// The most tokens of what is only text. Any field may end up in the prompt: tools and schemas do, and
/// templates take arguments.
pub(super) fn bytes_bound(body: &Map<String, Value>, messages: usize) -> u64 {
    let bytes: u64 = body.values().map(written_bytes).sum();
    let explains =
        COUNTED_FIELDS.iter().any(|field| json::field(body, field).is_some_and(is_given));
    let around = TOKENS_PER_REQUEST + if explains { TOKENS_FOR_TOOLS } else { 0 };
    let messages = TOKENS_PER_MESSAGE.saturating_mul(messages as u64);
    bytes.saturating_add(messages).saturating_add(around)
}

/// An estimate of the tokens that a prompt has: of what is text by its bytes, of the rest by its kind.
pub(super) fn tokens_estimate(body: &Map<String, Value>, messages: &Messages<'_>) -> Usage {
    let texts = messages.text_bytes().saturating_add(messages.odd().map(text_bytes).sum());
    let calls = messages.odd().filter_map(|message| message.get("tool_calls"));
    let further = COUNTED_FIELDS.iter().filter_map(|field| json::field(body, field)).chain(calls);
    let bytes = texts.saturating_add(further.map(written_bytes).sum());
    let texts = Usage::of(bytes.div_ceil(BYTES_PER_TOKEN), 0);
    messages.odd().map(media::estimate).fold(texts, media::plus)
}

/// The text of a message, its text parts joined.
pub(crate) fn text_of(message: &Value) -> String {
    texts(message).collect()
}

/// UTF-8 bytes of a message's text.
pub(crate) fn text_bytes(message: &Value) -> u64 {
    texts(message).map(|text| text.len() as u64).sum()
}

fn texts(message: &Value) -> impl Iterator<Item = &str> {
    let content = message.get("content");
    let parts = content.and_then(Value::as_array).into_iter().flatten();
    let parts = parts.filter_map(|part| part.get("text")?.as_str());
    content.and_then(Value::as_str).into_iter().chain(parts)
}

/// What else than text a request may use. What is not understood may use everything; and what an
/// endpoint has a price for it may answer with, whether or not it was asked to.
pub(super) fn uses(
    body: &Map<String, Value>,
    messages: &Messages<'_>,
    native: Option<&Map<String, Value>>,
) -> Uses {
    let foreign = unbounded_field(body, messages).is_some();
    // What a client said in its own dialect may be sent as it is, with marks that its translation lost.
    let said = || body.values().chain(native.into_iter().flat_map(Map::values));
    Uses::beside_text(|kind| match kind {
        Kind::ImageOutput | Kind::AudioOutput => true,
        Kind::CacheWriteHour => messages.keeps_long() || said().any(keeps_long),
        _ => foreign,
    })
}

/// Whether something is to be cached for longer than by default: `{"ttl": "1h"}`, anywhere.
fn keeps_long(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields
            .iter()
            .any(|(name, value)| (name == TTL && is_long(value.as_str())) || keeps_long(value)),
        Value::Array(items) => items.iter().any(keeps_long),
        _ => false,
    }
}

/// Whether what a request says of how long something is cached is not the default.
fn is_long(ttl: Option<&str>) -> bool {
    ttl != Some(DEFAULT_TTL)
}

/// Parts of messages that are images, files or videos, and those that are audio.
pub(super) fn media(messages: &Messages<'_>) -> (u64, u64) {
    let parts = messages.odd().filter_map(|message| message.get("content")?.as_array()).flatten();
    let types = parts.filter_map(|part| part.get("type").and_then(Value::as_str));
    types.fold((0, 0), |(media, audio), it| match it {
        "image_url" | "file" | "video_url" => (media + 1, audio),
        "input_audio" => (media, audio + 1),
        _ => (media, audio),
    })
}

/// Parts of messages that are images.
pub(super) fn images(messages: &Messages<'_>) -> u64 {
    let parts = messages.odd().filter_map(|message| message.get("content")?.as_array()).flatten();
    let types = parts.filter_map(|part| part.get("type").and_then(Value::as_str));
    types.filter(|it| IMAGE_PARTS.contains(it)).count() as u64
}

fn unbounded_field(body: &Map<String, Value>, messages: &Messages<'_>) -> Option<String> {
    let given = |field: &&&str| json::field(body, field).is_some_and(is_given);
    if let Some(field) = UNBOUNDED_FIELDS.iter().find(given) {
        return Some((*field).to_owned());
    }
    let tools = json::field(body, "tools").and_then(Value::as_array);
    let foreign = tools.and_then(|tools| first_of_another_type(tools, &CLIENT_TOOLS));
    if let Some(tool) = foreign {
        return Some(format!("tools[{tool}]"));
    }
    let in_message = |(number, message): (usize, &Value)| {
        unbounded_message_field(message).map(|field| format!("messages[{number}].{field}"))
    };
    messages.numbered_odd().find_map(in_message)
}

fn unbounded_message_field(message: &Value) -> Option<String> {
    let given = |field: &&&str| message.get(**field).is_some_and(is_given);
    if let Some(field) = UNBOUNDED_MESSAGE_FIELDS.iter().find(given) {
        return Some((*field).to_owned());
    }
    let parts = message.get("content")?.as_array()?;
    first_of_another_type(parts, &TEXT_PARTS).map(|part| format!("content[{part}]"))
}

fn first_of_another_type(items: &[Value], types: &[&str]) -> Option<usize> {
    let known = |item: &Value| {
        item.get("type").and_then(Value::as_str).is_some_and(|it| types.contains(&it))
    };
    items.iter().position(|item| !known(item))
}

/// Null and an empty list ask for nothing; an empty object may ask for the defaults.
pub(super) fn is_given(value: &Value) -> bool {
    !value.is_null() && value.as_array().is_none_or(|items| !items.is_empty())
}

#[cfg(test)]
mod tests {
    use keyway_core::money::Rate;
    use keyway_core::pricing::{Pricing, Rates};
    use proptest::prelude::*;
    use serde_json::json;

    use crate::chat::ChatRequest;
    use crate::chat::native::{Native, Tongue};

    use super::*;

    fn bound(mut body: Value) -> Result<u64, String> {
        body["model"] = "a/b".into();
        if body.get("messages").is_none() {
            body["messages"] = json!([{"role": "user", "content": "hi"}]);
        }
        ChatRequest::parse(body).expect("a request").prompt_tokens_bound()
    }

    #[test]
    fn what_cannot_be_counted_is_named() {
        let image =
            json!([{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {}}]);
        let spoken = json!({"role": "assistant", "content": null, "audio": {"id": "a"}});
        let cases = [
            (json!({"plugins": [{"id": "file-parser"}]}), "plugins"),
            (json!({"web_search_options": {}}), "web_search_options"),
            (json!({"search_parameters": {}}), "search_parameters"),
            (
                json!({"tools": [{"type": "function"}, {"type": "openrouter:web_search"}]}),
                "tools[1]",
            ),
            (json!({"messages": [{"role": "user", "content": image}]}), "messages[0].content[1]"),
            (json!({"messages": [{"role": "user", "content": "hi"}, spoken]}), "messages[1].audio"),
        ];
        for (body, field) in cases {
            assert_eq!(bound(body), Err(field.to_owned()));
        }
        assert!(bound(json!({"plugins": [], "web_search_options": null})).is_ok());
        let refused = json!([{"type": "refusal", "refusal": "no"}]);
        assert!(bound(json!({"messages": [{"role": "assistant", "content": refused}]})).is_ok());
    }

    #[test]
    fn pictures_and_sounds_may_come_unasked() {
        let body = json!({"model": "a/b", "messages": [{"role": "user", "content": "hi"}]});
        let request = ChatRequest::parse(body).expect("a request");
        let cheap = Rate::parse("0.000001").expect("a price");
        let dear = Rate::parse("0.00004").expect("a price");
        for kind in [Kind::ImageOutput, Kind::AudioOutput] {
            let mut pricing = Pricing::per_token(cheap, cheap);
            pricing.kinds = Rates::from_fn(|it| (it == kind).then_some(dear));
            assert_eq!(pricing.worst(10, request.uses()).completion, dear, "{kind:?}");
        }
    }

    #[test]
    fn a_mark_that_a_translation_lost_is_found_where_the_client_said_it() {
        let body = json!({"model": "a/b", "messages": [{"role": "user", "content": "hi"}]});
        let said = json!({"messages": [{"role": "user", "content": [{"type": "new",
            "cache_control": {"type": "ephemeral", "ttl": "1h"}}]}]});
        let cheap = Rate::parse("0.000001").expect("a price");
        let dear = Rate::parse("0.000002").expect("a price");
        let mut pricing = Pricing::per_token(cheap, cheap);
        pricing.kinds = Rates::from_fn(|it| (it == Kind::CacheWriteHour).then_some(dear));
        let request = ChatRequest::parse(body).expect("a request");
        assert_eq!(pricing.worst(10, request.uses()).prompt, cheap);
        let Value::Object(said) = said else { unreachable!("it is an object") };
        let (untranslated, left_out) = (None, None);
        let native = Native { tongue: Tongue::Messages, said, untranslated, left_out };
        assert_eq!(pricing.worst(10, request.with_native(native).uses()).prompt, dear);
    }

    #[test]
    fn what_providers_add_is_covered() {
        let plain = bound(json!({})).expect("only text");
        assert!(plain >= TOKENS_PER_REQUEST + TOKENS_PER_MESSAGE);
        for said in [
            json!({"tools": [{"type": "function", "function": {"name": "f"}}]}),
            json!({"response_format": {"type": "json_object"}}),
        ] {
            assert!(bound(said).expect("only text") > plain + TOKENS_FOR_TOOLS);
        }
        assert!(bound(json!({"tools": [], "response_format": null})).expect("text") < plain + 100);
    }

    proptest! {
        #[test]
        fn the_bound_covers_a_token_a_byte(
            texts in prop::collection::vec("\\PC{0,30}", 1..5),
            description in "\\PC{0,30}",
        ) {
            let messages: Vec<Value> = texts
                .iter()
                .map(|text| json!({"role": "user", "content": [{"type": "text", "text": text}]}))
                .collect();
            let bytes: usize = texts.iter().map(String::len).sum();
            prop_assert_eq!(messages.iter().map(text_bytes).sum::<u64>(), bytes as u64);
            let around = TOKENS_PER_MESSAGE * texts.len() as u64;
            let tools = json!([{"type": "function", "function": {"description": description}}]);
            let bound = bound(json!({"messages": messages, "tools": tools})).expect("only text");
            prop_assert!(bound >= (bytes + description.len()) as u64 + around);
        }
    }
}
