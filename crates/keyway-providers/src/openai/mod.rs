//! The OpenAI-compatible dialect: what is sent. What comes back is the form in the middle already.

mod completions;
mod draft;
mod quirks;
mod reasoning;
mod responses;

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use self::draft::Draft;
use self::quirks::{Bound, Messages, Path, When};
use crate::chat::{ChatRequest, Errand, MESSAGES, RequestError, Tongue};
use crate::dialect::in_path;

pub(crate) use self::completions::{answer as continuation, event as continued_event};
pub use self::quirks::Quirks;
pub(crate) use self::responses::{Events as ResponseEvents, answer as response};

/// What clients say to the gateway. OpenAI-compatible servers refuse fields that they do not know.
const FOR_THE_GATEWAY: [&str; 16] = [
    // Which provider and model to choose: chosen by now.
    "provider",
    "models",
    "fallbacks",
    "route",
    "preset",
    // What to do with the prompt before and the answer after: work of the gateway.
    "plugins",
    "transforms",
    "image_config",
    "stop_server_tools_when",
    // Which cache to use: a hint for routing. (Those inside of messages are the provider's.)
    "cache_control",
    "session_id",
    // What to tell besides the answer: told by the gateway, or without effect for years.
    "usage",
    "include_reasoning",
    "trace",
    "debug",
    // To keep the answer in the operator's account, out of its clients' sight and reach.
    "store",
];
/// Bytes of a request beside its messages, about.
const BYTES_BESIDE: usize = 512;
/// Two names of one bound.
const TOKEN_BOUNDS: [&str; 2] = ["max_tokens", "max_completion_tokens"];

/// Fields of messages and their parts that OpenAI does not have.
const FOREIGN: [&str; 4] = ["reasoning", "reasoning_content", "reasoning_details", "cache_control"];
/// Fields of `provider` that name providers of this gateway, chosen by now.
const OWN_PROVIDERS: [&str; 4] = ["order", "only", "ignore", "allow_fallbacks"];

/// Where under a provider's address a request goes; `model` is its name there.
pub(crate) fn path(request: &ChatRequest, quirks: &Quirks, model: &str) -> Cow<'static, str> {
    let route = match request.errand {
        None if responds(request, quirks).is_some() => "/responses",
        None if continues(request, quirks).is_some() => quirks.completions.1,
        None => "/chat/completions",
        Some(Errand::Embed) => "/embeddings",
        Some(Errand::Rerank) => "/rerank",
    };
    match quirks.path {
        Path::Plain => Cow::Borrowed(route),
        Path::Deployment { api_version } => {
            let model = in_path(model);
            Cow::Owned(format!("/deployments/{model}{route}?api-version={api_version}"))
        }
    }
}

/// What the client said in the words of the Responses API, where the server has them too.
pub(crate) fn responds<'a>(
    request: &'a ChatRequest,
    quirks: &Quirks,
) -> Option<&'a Map<String, Value>> {
    request.native(Tongue::Responses).filter(|_| quirks.responses)
}

/// What the client said in the words of the first completions, where the server is to be told them.
pub(crate) fn continues<'a>(
    request: &'a ChatRequest,
    quirks: &Quirks,
) -> Option<&'a Map<String, Value>> {
    let tells = match quirks.completions.0 {
        When::Never => false,
        When::Needed => request.untranslated().is_some(),
        When::Always => true,
    };
    request.native(Tongue::Completions).filter(|_| tells)
}

/// The request's body for a server that calls the model `upstream_model`. What the client said besides
/// keeps its text and order.
///
/// # Errors
/// It names what the server has no word for.
pub(crate) fn request_body(
    request: &ChatRequest,
    upstream_model: &str,
    quirks: &Quirks,
) -> Result<Vec<u8>, RequestError> {
    if let Some(said) = responds(request, quirks) {
        return Ok(written(&responses::request_body(request, said, upstream_model, quirks)));
    }
    if let Some(said) = continues(request, quirks) {
        return Ok(written(&completions::request_body(request, said, upstream_model, quirks)));
    }
    if let Some(error) = request.untranslated() {
        return Err(error.clone());
    }
    let messages = verbatim(request, quirks);
    let body = chat_body(request, messages.is_some(), upstream_model, quirks);
    Ok(messages.map_or_else(|| written(&body), |messages| with_messages(&body, messages)))
}

fn written(body: &Draft<'_>) -> Vec<u8> {
    let mut text = Vec::with_capacity(BYTES_BESIDE);
    body.write_open(&mut text);
    text.push(b'}');
    text
}

/// Whether a field that the client said is neither for the gateway nor refused by the server.
fn stays(field: &str, quirks: &Quirks) -> bool {
    let is_ours = FOR_THE_GATEWAY.contains(&field) && !quirks.keeps.contains(&field);
    !is_ours && !quirks.refuses.contains(&field)
}

/// What was said, without what does not stay, of the model by its name there.
fn without_ours<'a>(
    said: &'a Map<String, Value>,
    upstream_model: &str,
    quirks: &Quirks,
) -> Draft<'a> {
    let mut body = Draft::of(said, |field| stays(field, quirks));
    if body.get("provider").is_some()
        && let Some(Value::Object(provider)) = body.get_mut("provider")
    {
        provider.retain(|field, _| !OWN_PROVIDERS.contains(&field.as_str()));
    }
    body.insert("model", upstream_model);
    body
}

/// The messages as the client wrote them, where nothing is to be taken out of them.
fn verbatim<'a>(request: &'a ChatRequest, quirks: &Quirks) -> Option<&'a str> {
    let foreign: &[&str] = if quirks.messages == Messages::Kept { &[] } else { &FOREIGN };
    request.messages_without(foreign)
}

/// A body that is not empty, as text, and its messages.
fn with_messages(body: &Draft<'_>, messages: &str) -> Vec<u8> {
    const FIELD: &[u8] = b",\"messages\":";
    let mut text = Vec::with_capacity(messages.len() + BYTES_BESIDE);
    body.write_open(&mut text);
    text.extend_from_slice(FIELD);
    text.extend_from_slice(messages.as_bytes());
    text.push(b'}');
    text
}

/// What is sent of `request`, with its messages unless they are written beside it.
fn chat_body<'a>(
    request: &'a ChatRequest,
    are_beside: bool,
    upstream_model: &str,
    quirks: &Quirks,
) -> Draft<'a> {
    let mut body = without_ours(request.body_beside(), upstream_model, quirks);
    if request.errand.is_some() {
        // It has no answer that could be too long, and no stream.
        return body;
    }
    if !are_beside && let Some(messages) = request.field(MESSAGES) {
        body.lend(MESSAGES, messages);
    }
    bound_tokens(&mut body, request.max_tokens, quirks.bound);
    reasoning::ask(quirks.reasoning, request, &mut body);
    strip(&mut body, quirks.messages);
    for (field, theirs) in quirks.renames {
        if let Some(value) = body.remove(field) {
            body.insert(theirs, value.into_owned());
        }
    }
    if request.stream && quirks.stream_options {
        ask_for_usage(&mut body);
    } else {
        // OpenAI refuses it where nothing streams.
        body.remove("stream_options");
    }
    body
}

/// Without it most servers stream no usage, and the charge would be an estimate.
fn ask_for_usage(body: &mut Draft<'_>) {
    match body.get_or_insert("stream_options", Value::Null) {
        Value::Object(options) => {
            options.insert("include_usage".into(), true.into());
        }
        options => *options = json!({"include_usage": true}),
    }
}

/// What is reserved for is the most that is asked for. A provider may follow either name. Where the
/// client said neither, the gateway bounds the answer to what can be paid.
fn bound_tokens(body: &mut Draft<'_>, most: Option<u64>, bound: Bound) {
    let field = match bound {
        Bound::Said => return most.map_or((), |most| bound_as_said(body, most)),
        Bound::MaxTokens => "max_tokens",
        Bound::MaxCompletionTokens => "max_completion_tokens",
    };
    for said in TOKEN_BOUNDS.into_iter().filter(|said| *said != field) {
        body.remove(said);
    }
    if let Some(most) = most {
        body.insert(field, most);
    }
}

fn bound_as_said(body: &mut Draft<'_>, most: u64) {
    let mut said = false;
    for field in TOKEN_BOUNDS {
        if body.get(field).is_some_and(|bound| !bound.is_null()) {
            body.insert(field, most);
            said = true;
        }
    }
    if !said {
        body.insert("max_tokens", most);
    }
}

/// Takes out of messages and tools what the server does not know.
fn strip(body: &mut Draft<'_>, how: Messages) {
    if how == Messages::Kept {
        return;
    }
    for field in [MESSAGES, "tools"] {
        let items = body.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten();
        for item in items.filter_map(Value::as_object_mut) {
            let thought = item.get("reasoning").or_else(|| item.get("reasoning_content"));
            let thought =
                thought.filter(|it| it.is_string() && how == Messages::Reasoning).cloned();
            item.retain(|field, _| !FOREIGN.contains(&field.as_str()));
            if let Some(thought) = thought {
                item.insert("reasoning_content".into(), thought);
            }
            let parts = item.get_mut("content").and_then(Value::as_array_mut);
            for part in parts.into_iter().flatten().filter_map(Value::as_object_mut) {
                part.shift_remove("cache_control");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(body: &str) -> String {
        let body = crate::json::parse(body.as_bytes()).expect("JSON");
        let request = ChatRequest::parse(body).expect("a request");
        let sent = request_body(&request, "theirs", Quirks::at("http://a")).expect("a body");
        String::from_utf8(sent).expect("text")
    }

    #[test]
    fn the_model_is_replaced_and_the_rest_kept() {
        let sent = sent(
            r#"{"x":1.50,"model":"a/b","provider":{},"messages":[{"role":"user","content":"hi"}],
                "stream":true,"usage":{"include":true},"store":true,"temperature":0.70,"reasoning":{"effort":"low"}}"#,
        );
        let expected = concat!(
            r#"{"x":1.50,"model":"theirs","messages":[{"role":"user","content":"hi"}],"stream":true,"#,
            r#""temperature":0.70,"reasoning":{"effort":"low"},"stream_options":{"include_usage":true}}"#
        );
        assert_eq!(sent, expected);
    }

    #[test]
    fn usage_is_asked_for_where_a_stream_has_it() {
        let with = |fields: &str| {
            let body = r#"{"model":"a/b","messages":[{"role":"user"}],"#;
            sent(&format!("{body}{fields}}}")).split_once("}],").expect("messages").1.to_owned()
        };
        assert_eq!(
            with(r#""stream_options":{"include_usage":false,"x":1},"stream":true"#),
            r#""stream_options":{"include_usage":true,"x":1},"stream":true}"#
        );
        assert_eq!(
            with(r#""stream_options":null,"stream":true"#),
            r#""stream_options":{"include_usage":true},"stream":true}"#
        );
        assert_eq!(with(r#""stream_options":{"include_usage":true},"n":1"#), r#""n":1}"#);
    }

    #[test]
    fn no_bound_on_tokens_exceeds_the_one_that_is_reserved_for() {
        let sent = sent(
            r#"{"model":"a/b","max_tokens":10.0,"messages":[{"role":"user"}],"max_completion_tokens":9000}"#,
        );
        let expected = concat!(
            r#"{"model":"theirs","max_tokens":10,"messages":[{"role":"user"}],"#,
            r#""max_completion_tokens":10}"#
        );
        assert_eq!(sent, expected);
    }

    #[test]
    fn a_bound_that_the_client_did_not_say_is_sent() {
        let body = r#"{"model":"a/b","messages":[{"role":"user"}],"max_completion_tokens":null}"#;
        let body = crate::json::parse(body.as_bytes()).expect("JSON");
        let mut request = ChatRequest::parse(body).expect("a request");
        request.max_tokens = Some(7);
        let sent = request_body(&request, "theirs", Quirks::at("http://a")).expect("a body");
        let sent: Value = serde_json::from_slice(&sent).expect("JSON");
        assert_eq!(
            (&sent["max_tokens"], &sent["max_completion_tokens"]),
            (&json!(7), &Value::Null)
        );
    }
}
