//! OpenAI's first completions: a prompt in, text out (contract, C.8).

use bytes::{Bytes, BytesMut};
use serde_json::{Map, Value, json};

use super::{ROUTING, StreamError};
use crate::chat::{ChatRequest, Envelope, Native, Receipt, RequestError, Tongue};
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
    let Prompts { texts, count, foreign } = prompts(said.get("prompt").unwrap_or(&Value::Null))?;
    let best_of = best_of(&said)?;
    let mut chat = said.clone();
    for field in NOT_SHARED {
        chat.shift_remove(field);
    }
    let message = |text: &String| json!({"role": "user", "content": text});
    chat.insert("messages".to_owned(), texts.iter().map(message).collect());
    if let Some(most) = said.get("logprobs").and_then(Value::as_u64) {
        chat.insert("logprobs".to_owned(), true.into());
        chat.insert("top_logprobs".to_owned(), most.into());
    }
    let echoes = said.get("echo") == Some(&Value::Bool(true));
    let echo = texts.into_iter().next().filter(|_| echoes);
    let request = ChatRequest::parse(Value::Object(chat))?;
    let suffix = said.get("suffix").and_then(Value::as_str).filter(|suffix| !suffix.is_empty());
    let untranslated = if let Some(why) = foreign {
        Some(RequestError::new("prompt", why))
    } else if suffix.is_some() {
        Some(RequestError::new("suffix", SUFFIX))
    } else if best_of > request.choices {
        Some(RequestError::new("best_of", BEST_OF))
    } else if echoes && request.choices > 1 {
        // A small request would get an answer that is longer than anything that is allowed to be sent.
        Some(RequestError::new("echo", ECHO))
    } else {
        None
    };
    let native = Native { tongue: Tongue::Completions, said, untranslated, left_out: None };
    Ok((request.continuing(count, best_of)?.with_native(native), Completions { echo }))
}

const SUFFIX: &str = "is taken by no provider of the model that may answer: they continue a prompt";
const BEST_OF: &str =
    "must not be above n: no provider of the model that may answer chooses the best";
const ECHO: &str = "must not be true where n is above 1";
const ONE: &str = "must be one prompt for this model; send further ones as requests of their own";
const TEXT: &str = "must be text for this model: models count tokens in different ways";

/// What is to be continued.
struct Prompts {
    /// As text; where they are tokens, one of nothing.
    texts: Vec<String>,
    count: u64,
    /// Why the form in the middle has no word for it.
    foreign: Option<&'static str>,
}

fn prompts(said: &Value) -> Result<Prompts, RequestError> {
    let wrong = |why: &str| Err(RequestError::new("prompt", why));
    let tokens = |count| Prompts { texts: vec![String::new()], count, foreign: Some(TEXT) };
    let is_tokens =
        |it: &Value| it.as_array().is_some_and(|it| !it.is_empty() && it.iter().all(Value::is_u64));
    match said {
        Value::Null => wrong("is required"),
        Value::String(text) => Ok(Prompts { texts: vec![text.clone()], count: 1, foreign: None }),
        said if is_tokens(said) => Ok(tokens(1)),
        Value::Array(prompts) if prompts.is_empty() => wrong("must not be empty"),
        Value::Array(prompts) => {
            let texts: Option<Vec<String>> =
                prompts.iter().map(|prompt| prompt.as_str().map(str::to_owned)).collect();
            let count = prompts.len() as u64;
            match texts {
                Some(texts) => Ok(Prompts { texts, count, foreign: (count > 1).then_some(ONE) }),
                None if prompts.iter().all(is_tokens) => Ok(tokens(count)),
                None => wrong(
                    "must be a string, or an array of strings, of tokens, or of arrays of tokens",
                ),
            }
        }
        _ => wrong("must be a string"),
    }
}

/// How many answers are made of each prompt, for the best to be chosen: all of them are billed.
fn best_of(said: &Map<String, Value>) -> Result<u64, RequestError> {
    match said.get("best_of").filter(|it| !it.is_null()) {
        None => Ok(1),
        Some(best_of) => best_of
            .as_u64()
            .filter(|it| *it > 0)
            .ok_or_else(|| RequestError::new("best_of", "must be a whole number above zero")),
    }
}

impl Completions {
    /// From a whole answer of the form in the middle, or as the provider said it in this dialect.
    pub(super) fn whole(
        &self,
        mut said: Map<String, Value>,
        native: Option<Map<String, Value>>,
    ) -> Map<String, Value> {
        if let Some(mut body) = native {
            let usage = said.shift_remove("usage").unwrap_or_default();
            named(&mut body, &said);
            body.insert("usage".to_owned(), usage);
            return body;
        }
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

    /// Passes events on as they came, but for their names and the usage, which waits for the charge.
    pub(super) fn pass_on(natives: Vec<Map<String, Value>>, said: &Map<String, Value>) -> Bytes {
        let mut events = BytesMut::new();
        for mut event in natives {
            named(&mut event, said);
            event.shift_remove("usage");
            events.extend_from_slice(&sse::data(&Value::Object(event).to_string()));
        }
        events.freeze()
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

/// Puts our names for the answer into what came from its provider.
fn named(body: &mut Map<String, Value>, said: &Map<String, Value>) {
    for field in ["id", "model", "provider"] {
        body.insert(field.to_owned(), said.get(field).cloned().unwrap_or_default());
    }
    body.insert("object".to_owned(), "text_completion".into());
    // Text or absent, as above.
    if body.get("system_fingerprint").is_some_and(Value::is_null) {
        body.shift_remove("system_fingerprint");
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
        assert_eq!(Value::Object(request.body()), expected);
        for (fields, told) in [
            (json!({"prompt": null}), "prompt: is required"),
            (json!({"prompt": {}}), "prompt: must be a string"),
            (json!({"prompt": []}), "prompt: must not be empty"),
            (json!({"best_of": 0}), "best_of: must be a whole number above zero"),
        ] {
            assert_eq!(read(&fields).expect_err(told).to_string(), told);
        }
        let many = read(&json!({"prompt": vec!["a"; 100], "n": 2})).expect_err("too many");
        assert_eq!(many.field, "prompt");
    }

    #[test]
    fn what_is_no_message_is_for_who_continues_prompts() {
        for (fields, field, choices) in [
            (json!({"prompt": ["a", "b"], "n": 2}), Some("prompt"), 4),
            (json!({"prompt": [1, 2]}), Some("prompt"), 1),
            (json!({"prompt": [[1, 2], [3]], "best_of": 3}), Some("prompt"), 6),
            (json!({"suffix": "the end"}), Some("suffix"), 1),
            (json!({"best_of": 2}), Some("best_of"), 2),
            (json!({"echo": true, "n": 2}), Some("echo"), 2),
            (json!({"echo": false, "n": 2, "suffix": ""}), None, 2),
            (json!({"echo": true, "n": 1, "best_of": null}), None, 1),
        ] {
            let (request, _) = read(&fields).expect("a request");
            let untranslated = request.untranslated().map(|error| error.field.as_str());
            assert_eq!((untranslated, request.choices), (field, choices), "{fields}");
            assert!(request.prompt_tokens_bound().is_ok(), "{fields}");
        }
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
        let whole = Value::Object(voice.whole(said.as_object().expect("an object").clone(), None));
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
