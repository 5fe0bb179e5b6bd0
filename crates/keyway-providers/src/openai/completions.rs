//! OpenAI's first completions, where the client speaks them too: what it says is sent, and what comes
//! back is passed on beside what it means.

use serde_json::{Map, Value, json};

use super::draft::Draft;
use super::{FOR_THE_GATEWAY, Quirks, ask_for_usage};
use crate::chat::{Answer, AnswerError, ChatRequest, Chunk, StreamEvent, stream_event};
use crate::json::parse_lenient;

/// The body of `request`, which was `said` in this dialect, for a server that calls the model
/// `upstream_model`.
pub(super) fn request_body<'a>(
    request: &ChatRequest,
    said: &'a Map<String, Value>,
    upstream_model: &str,
    quirks: &Quirks,
) -> Draft<'a> {
    let stays = |field: &str| !FOR_THE_GATEWAY.contains(&field) && !quirks.refuses.contains(&field);
    let mut body = Draft::of(said, stays);
    body.insert("model", upstream_model);
    if let Some(most) = request.max_tokens {
        body.insert("max_tokens", most);
    }
    if request.stream && quirks.stream_options {
        ask_for_usage(&mut body);
    } else {
        body.remove("stream_options");
    }
    body
}

/// Reads a whole answer.
pub(crate) fn answer(body: &[u8]) -> Result<Answer, AnswerError> {
    let malformed = |error: String| AnswerError::Malformed(error);
    let read = parse_lenient(body).map_err(|error| malformed(error.to_string()))?;
    let Value::Object(native) = read else { return Err(malformed("is not an object".to_owned())) };
    let mut meant = native.clone();
    translate(&mut meant, "message");
    let meant = Answer::parse(Value::Object(meant).to_string().as_bytes())?;
    Ok(meant.with_native(native))
}

/// Reads the data of one event of a streamed answer.
pub(crate) fn event(data: &str) -> Result<StreamEvent, AnswerError> {
    let event = stream_event(data)?;
    Ok(match event {
        StreamEvent::Chunk(chunk) => StreamEvent::Chunk(spoken(chunk)),
        other => other,
    })
}

fn spoken(chunk: Chunk) -> Chunk {
    chunk.reread(|body| translate(body, "delta"))
}

/// Puts what the choices say to where the form in the middle has it.
fn translate(body: &mut Map<String, Value>, field: &str) {
    let choices = body.get_mut("choices").and_then(Value::as_array_mut);
    for choice in choices.into_iter().flatten().filter_map(Value::as_object_mut) {
        let text = choice.shift_remove("text").unwrap_or_default();
        choice.insert(field.to_owned(), json!({"content": text}));
        choice.shift_remove("logprobs");
    }
}
