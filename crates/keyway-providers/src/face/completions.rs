//! OpenAI's first completions: a prompt in, text out (contract, C.8).

use bytes::{Bytes, BytesMut};
use serde_json::{Map, Value, json};

use super::{ROUTING, StreamError};
use crate::chat::{ChatRequest, Envelope, Receipt, RequestError};
use crate::sse;

/// Fields that mean something else in the form in the middle, or nothing.
const NOT_SHARED: [&str; 5] = ["prompt", "logprobs", "echo", "best_of", "suffix"];

/// Says one answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Completions {
    /// What is repeated before the answer, where the client asked for that.
    echo: Option<String>,
}

/// Reads a request, and who will say its answer.
pub(super) fn read(body: Value) -> Result<(ChatRequest, Completions), RequestError> {
    let Value::Object(said) = body else {
        return Err(RequestError::new("The request's body", "must be a JSON object"));
    };
    let prompt = prompt(said.get("prompt").unwrap_or(&Value::Null))?;
    if said.get("suffix").and_then(Value::as_str).is_some_and(|suffix| !suffix.is_empty()) {
        return Err(RequestError::new("suffix", "is not supported: models here continue a prompt"));
    }
    let mut chat = said.clone();
    for field in NOT_SHARED {
        chat.shift_remove(field);
    }
    chat.insert("messages".to_owned(), json!([{"role": "user", "content": prompt}]));
    if let Some(most) = said.get("logprobs").and_then(Value::as_u64) {
        chat.insert("logprobs".to_owned(), true.into());
        chat.insert("top_logprobs".to_owned(), most.into());
    }
    let echo = (said.get("echo") == Some(&Value::Bool(true))).then_some(prompt);
    let request = ChatRequest::parse(Value::Object(chat))?;
    if echo.is_some() && request.choices > 1 {
        // A small request would get an answer that is longer than anything that is allowed to be sent.
        return Err(RequestError::new("echo", "must not be true where n is above 1"));
    }
    Ok((request, Completions { echo }))
}

/// One prompt, as text.
fn prompt(said: &Value) -> Result<String, RequestError> {
    let wrong = |why: &str| Err(RequestError::new("prompt", why));
    match said {
        Value::Null => wrong("is required"),
        Value::String(text) => Ok(text.clone()),
        Value::Array(prompts) => match prompts.as_slice() {
            [Value::String(text)] => Ok(text.clone()),
            [Value::Number(_) | Value::Array(_), ..] => {
                wrong("must be text: models count tokens in different ways")
            }
            _ => wrong("must be one prompt; send further ones as requests of their own"),
        },
        _ => wrong("must be a string"),
    }
}

impl Completions {
    /// From a whole answer of the form in the middle.
    pub(super) fn whole(&self, mut said: Map<String, Value>) -> Map<String, Value> {
        said.insert("object".to_owned(), "text_completion".into());
        // A fingerprint is text or absent here: clients of the time refuse `null`.
        if said.get("system_fingerprint").is_some_and(Value::is_null) {
            said.remove("system_fingerprint");
        }
        let choices = said.get_mut("choices").and_then(Value::as_array_mut);
        for choice in choices.into_iter().flatten() {
            let text = choice["message"]["content"].as_str().unwrap_or_default();
            let text = format!("{}{text}", self.echo.as_deref().unwrap_or_default());
            *choice = completed(choice, &choice["message"], &text);
        }
        said
    }

    pub(super) fn chunk(&mut self, mut said: Map<String, Value>) -> Bytes {
        said.insert("object".to_owned(), "text_completion".into());
        let choices = said.get_mut("choices").and_then(Value::as_array_mut);
        for choice in choices.into_iter().flatten() {
            let text = choice["delta"]["content"].as_str().unwrap_or_default();
            let text = format!("{}{text}", self.echo.take().unwrap_or_default());
            *choice = completed(choice, &choice["delta"], &text);
        }
        sse::data(&Value::Object(said).to_string())
    }

    /// The chunk with the usage, and the last word.
    pub(super) fn closing(envelope: &Envelope, receipt: &Receipt, routing: Option<Value>) -> Bytes {
        let mut chunk = envelope.head("text_completion");
        chunk.insert("choices".to_owned(), Value::Array(Vec::new()));
        chunk.insert("usage".to_owned(), receipt.block());
        if let Some(routing) = routing {
            chunk.insert(ROUTING.to_owned(), routing);
        }
        let mut last = BytesMut::new();
        last.extend_from_slice(&sse::data(&Value::Object(chunk).to_string()));
        last.extend_from_slice(&sse::data(sse::DONE));
        last.freeze()
    }

    pub(super) fn cut_short(envelope: &Envelope, why: Map<String, Value>) -> Bytes {
        let mut chunk = ended(envelope, "length");
        chunk.insert("keyway_metadata".to_owned(), Value::Object(why));
        sse::data(&Value::Object(chunk).to_string())
    }

    pub(super) fn failure(envelope: &Envelope, error: &StreamError<'_>) -> Bytes {
        let mut chunk = ended(envelope, "error");
        let metadata = json!({"error_type": error.error_type});
        let error = json!({"code": error.code, "message": error.message, "metadata": metadata});
        chunk.insert("error".to_owned(), error);
        sse::data(&Value::Object(chunk).to_string())
    }
}

/// A choice of this form, from one of the form in the middle that says `said`.
fn completed(choice: &Value, said: &Value, text: &str) -> Value {
    let mut completed = json!({
        "index": choice["index"],
        "text": text,
        "finish_reason": choice["finish_reason"],
        "native_finish_reason": choice["native_finish_reason"],
        "logprobs": logprobs(&choice["logprobs"]["content"]),
    });
    if let Some(reasoning) = said["reasoning"].as_str() {
        completed["reasoning"] = reasoning.into();
    }
    completed
}

/// A list for each thing that is known of a token.
fn logprobs(tokens: &Value) -> Value {
    let Some(tokens) = tokens.as_array() else { return Value::Null };
    let each = |field: &str| tokens.iter().map(|token| token[field].clone()).collect::<Vec<_>>();
    let top = |token: &Value| {
        let likely = token["top_logprobs"].as_array().into_iter().flatten();
        let pairs =
            likely.filter_map(|it| Some((it["token"].as_str()?.to_owned(), it["logprob"].clone())));
        Value::Object(pairs.collect())
    };
    let mut offset = 0;
    let offsets = tokens.iter().map(|token| {
        let here = offset;
        offset += token["token"].as_str().unwrap_or_default().chars().count();
        here
    });
    let offsets: Vec<usize> = offsets.collect();
    json!({
        "tokens": each("token"),
        "token_logprobs": each("logprob"),
        "top_logprobs": tokens.iter().map(top).collect::<Vec<_>>(),
        "text_offset": offsets,
    })
}

/// A chunk that says nothing but why it is the last.
fn ended(envelope: &Envelope, reason: &str) -> Map<String, Value> {
    let mut chunk = envelope.head("text_completion");
    let choice = json!({
        "index": 0, "text": "", "finish_reason": reason, "native_finish_reason": reason, "logprobs": null,
    });
    chunk.insert("choices".to_owned(), json!([choice]));
    chunk
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &Value) -> Result<(ChatRequest, Completions), RequestError> {
        let mut body = json!({"model": "a/b", "prompt": "once"});
        let object = body.as_object_mut().expect("an object");
        object.extend(fields.as_object().expect("an object").clone());
        super::read(body)
    }

    #[test]
    fn a_prompt_is_a_message() {
        let (request, _) =
            read(&json!({"prompt": ["once"], "logprobs": 2, "max_tokens": 3, "top_k": 1}))
                .expect("a request");
        let expected = json!({
            "model": "a/b", "max_tokens": 3, "top_k": 1, "logprobs": true, "top_logprobs": 2,
            "messages": [{"role": "user", "content": "once"}],
        });
        assert_eq!(Value::Object(request.body().clone()), expected);
        for (prompt, told) in [
            (json!(null), "prompt: is required"),
            (
                json!(["a", "b"]),
                "prompt: must be one prompt; send further ones as requests of their own",
            ),
            (json!([1, 2]), "prompt: must be text: models count tokens in different ways"),
            (json!({}), "prompt: must be a string"),
        ] {
            let refused = read(&json!({"prompt": prompt})).expect_err(told);
            assert_eq!(refused.to_string(), told);
        }
        let suffix = read(&json!({"suffix": "the end"})).expect_err("a suffix");
        assert_eq!(suffix.field, "suffix");
        let repeated = read(&json!({"echo": true, "n": 2})).expect_err("a prompt, twice");
        assert_eq!(repeated.field, "echo");
        assert!(read(&json!({"echo": false, "n": 2})).is_ok());
        assert!(read(&json!({"echo": true, "n": 1})).is_ok());
    }

    #[test]
    fn an_answer_is_text() {
        let (_, mut voice) = read(&json!({"echo": true})).expect("a request");
        let tokens = json!([
            {"token": "é", "logprob": -0.5, "top_logprobs": [{"token": "e", "logprob": -1}]},
            {"token": "!", "logprob": -2, "top_logprobs": []},
        ]);
        let choice = json!({"index": 0, "finish_reason": "stop", "native_finish_reason": "stop",
            "message": {"content": " é!"}, "logprobs": {"content": tokens}});
        let said = json!({"id": "gen-1", "choices": [choice]});
        let whole = Value::Object(voice.whole(said.as_object().expect("an object").clone()));
        let expected = json!({
            "index": 0, "text": "once é!", "finish_reason": "stop", "native_finish_reason": "stop",
            "logprobs": {
                "tokens": ["é", "!"], "token_logprobs": [-0.5, -2], "text_offset": [0, 1],
                "top_logprobs": [{"e": -1}, {}],
            },
        });
        assert_eq!(
            (&whole["object"], &whole["choices"][0]),
            (&json!("text_completion"), &expected)
        );
        let delta = json!({"choices": [{"index": 0, "delta": {"role": "assistant"}, "finish_reason": null}]});
        let delta = delta.as_object().expect("an object");
        let [first, second] = [(); 2].map(|()| voice.chunk(delta.clone()));
        let text = |event: &Bytes| String::from_utf8_lossy(event).contains(r#""text":"once""#);
        assert_eq!((text(&first), text(&second)), (true, false));
    }
}
