//! What Gemini says. A whole answer and an event of a streamed one have the same form.

use serde_json::{Value, json};

use super::FORMAT;
use crate::chat::{
    Answer, AnswerError, Counted, Reason, Said, Source, answer_of, ended, message_of,
};
use crate::json::parse_lenient;

/// Of one answer.
const CITATIONS_MAX: usize = 256;

/// Reads a whole answer.
pub(crate) fn answer(body: &[u8]) -> Result<Answer, AnswerError> {
    let malformed = |why: &str| AnswerError::Malformed(why.to_owned());
    let read = parse_lenient(body).map_err(|error| malformed(&error.to_string()))?;
    let mut choices = Vec::new();
    for (candidate, index) in candidates(&read).zip(0..) {
        let (mut said, mut calls) = (Said::default(), 0);
        take(candidate, &Named { response: &read, index }, &mut calls, &mut said);
        let text = said.content().to_owned();
        cite(candidate, &text, &mut said);
        choices.push(said.into_choice(index, reason(candidate, calls > 0).as_ref()));
    }
    if choices.is_empty() {
        let Some(blocked) = blocked(&read) else {
            let failed = read.get("error").and_then(|_| message_of(body));
            let failed = failed.map(AnswerError::Failed);
            return Err(failed.unwrap_or_else(|| malformed("has no candidates")));
        };
        choices.push(Said::default().into_choice(0, Some(&blocked)));
    }
    Ok(answer_of(id(&read), choices, counted(&read)))
}

/// What Google calls the answer.
pub(super) fn id(response: &Value) -> Option<&str> {
    response.get("responseId")?.as_str()
}

/// As many as were asked for, or one of them at a time in a stream.
pub(super) fn candidates(response: &Value) -> impl Iterator<Item = &Value> {
    response.get("candidates").and_then(Value::as_array).into_iter().flatten()
}

/// What names the calls of a candidate that have no names.
pub(super) struct Named<'a> {
    pub(super) response: &'a Value,
    /// The candidate's.
    pub(super) index: u64,
}

/// Adds what a candidate says to `said`; `calls` counts the calls of all of it.
pub(super) fn take(candidate: &Value, named: &Named<'_>, calls: &mut u64, said: &mut Said) {
    let parts = candidate.get("content").and_then(|content| content.get("parts")?.as_array());
    for part in parts.into_iter().flatten() {
        take_part(part, named, calls, said);
    }
}

/// Adds what a candidate refers to. `text` is all of it so far: places in it are told in bytes.
pub(super) fn cite(candidate: &Value, text: &str, said: &mut Said) {
    let Some(grounding) = candidate.get("groundingMetadata") else { return };
    let list = |field: &str| grounding.get(field).and_then(Value::as_array);
    let Some(chunks) = list("groundingChunks") else { return };
    let supports = list("groundingSupports").into_iter().flatten();
    let places = supports.flat_map(|support| {
        let segment = support.get("segment");
        let at = |field: &str| {
            let bytes = segment.and_then(|it| it.get(field)?.as_u64()).unwrap_or(0);
            text.get(..usize::try_from(bytes).ok()?).map(|before| before.chars().count())
        };
        let span = at("startIndex").zip(at("endIndex")).unwrap_or_default();
        let content = segment.and_then(|it| it.get("text")?.as_str());
        let numbers = support.get("groundingChunkIndices").and_then(Value::as_array);
        let numbers = numbers.into_iter().flatten().filter_map(Value::as_u64);
        numbers.map(move |number| (usize::try_from(number).ok(), span, content))
    });
    let mut places: Vec<_> = places.take(CITATIONS_MAX).collect();
    if places.is_empty() {
        let all = (0..chunks.len()).map(|number| (Some(number), (0, 0), None));
        places = all.take(CITATIONS_MAX).collect();
    }
    for (number, span, content) in places {
        let web = number.and_then(|number| chunks.get(number)?.get("web"));
        let text = |field: &str| web.and_then(|web| web.get(field)?.as_str());
        if let Some(url) = text("uri") {
            said.cite(&Source { url, title: text("title"), content }, span);
        }
    }
}

fn take_part(part: &Value, named: &Named<'_>, calls: &mut u64, said: &mut Said) {
    let text = part.get("text").and_then(Value::as_str);
    let mut signed = None;
    if let Some(call) = part.get("functionCall") {
        let id = call_id(call, named, *calls);
        let name = call.get("name").and_then(Value::as_str).unwrap_or_default();
        let arguments = call.get("args").filter(|it| it.is_object());
        let arguments = arguments.map_or_else(|| "{}".to_owned(), Value::to_string);
        said.call(*calls, &id, name, &arguments);
        *calls += 1;
        signed = Some(id);
    } else if part.get("thought") == Some(&Value::Bool(true)) {
        let text = text.unwrap_or_default();
        let detail = json!({"type": "reasoning.text", "text": text, "format": FORMAT, "index": 0});
        said.think(text, detail);
    } else if let Some(text) = text {
        said.text(text);
    } else if let Some(url) = data_url(part) {
        said.image(&url);
    }
    if let Some(signature) = part.get("thoughtSignature").and_then(Value::as_str) {
        said.detail(signature_of(signature, signed));
    }
}

/// A signature, so that it can be given back; under a call it has the call's id.
fn signature_of(signature: &str, call: Option<String>) -> Value {
    let mut detail =
        json!({"type": "reasoning.encrypted", "data": signature, "format": FORMAT, "index": 0});
    if let Some(id) = call {
        detail["id"] = id.into();
    }
    detail
}

/// Gemini often has none; then the answer's own id makes one that no other answer has.
fn call_id(call: &Value, named: &Named<'_>, number: u64) -> String {
    if let Some(given) = call.get("id").and_then(Value::as_str) {
        return given.to_owned();
    }
    let of = id(named.response).unwrap_or("call");
    match named.index {
        0 => format!("{of}_{number}"),
        index => format!("{of}_{index}_{number}"),
    }
}

fn data_url(part: &Value) -> Option<String> {
    let data = part.get("inlineData")?;
    let (media_type, base64) = (data.get("mimeType")?.as_str()?, data.get("data")?.as_str()?);
    Some(format!("data:{media_type};base64,{base64}"))
}

/// Why a candidate ended, where it says so. Google ends an answer that calls tools like any other.
pub(super) fn reason(candidate: &Value, calls: bool) -> Option<Reason<'_>> {
    let native = candidate.get("finishReason")?.as_str()?;
    Some(ended(if native == "STOP" && calls { "tool_calls" } else { word(native) }, native))
}

/// Why there is no answer at all: the prompt was refused.
pub(super) fn blocked(response: &Value) -> Option<Reason<'_>> {
    let native = response.get("promptFeedback")?.get("blockReason")?.as_str()?;
    Some(ended("content_filter", native))
}

fn word(native: &str) -> &'static str {
    match native {
        "MAX_TOKENS" => "length",
        "SAFETY"
        | "RECITATION"
        | "LANGUAGE"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION" => "content_filter",
        "MALFORMED_FUNCTION_CALL" | "UNEXPECTED_TOOL_CALL" | "TOO_MANY_TOOL_CALLS" => "error",
        _ => "stop",
    }
}

/// Thoughts are billed as output, and counted apart from it.
pub(super) fn counted(response: &Value) -> Option<Counted> {
    let usage = response.get("usageMetadata")?;
    let said = |field: &str| usage.get(field).and_then(Value::as_u64);
    let count = |field: &str| said(field).unwrap_or(0);
    let of = |details: &str, kind: &str| {
        let details = usage.get(details).and_then(Value::as_array).into_iter().flatten();
        let counts = details.filter(|it| it.get("modality").and_then(Value::as_str) == Some(kind));
        counts.filter_map(|it| it.get("tokenCount")?.as_u64()).fold(0, u64::saturating_add)
    };
    let reasoning = count("thoughtsTokenCount");
    Some(Counted {
        prompt: said("promptTokenCount")?.saturating_add(count("toolUsePromptTokenCount")),
        cached: count("cachedContentTokenCount"),
        completion: count("candidatesTokenCount").saturating_add(reasoning),
        reasoning,
        images: of("promptTokensDetails", "IMAGE"),
        audio: of("promptTokensDetails", "AUDIO"),
        images_out: of("candidatesTokensDetails", "IMAGE"),
        audio_out: of("candidatesTokensDetails", "AUDIO"),
        ..Counted::default()
    })
}
