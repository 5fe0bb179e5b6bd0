//! Embeddings and rankings, as Cohere has them at its own address and behind Amazon's.

use serde_json::{Map, Value, json};

use crate::chat::inputs::{Input, documents, errand, inputs, vectors};
use crate::chat::part::{Kind, Part};
use crate::chat::{Answer, AnswerError, ChatRequest, Errand, RequestError, message_of};
use crate::json::parse_lenient;

/// What texts are for, where the client does not say: to be found.
const INPUT_TYPE: &str = "search_document";

/// The request's body, without its model. An error names the field that Cohere cannot take.
pub(crate) fn body(
    request: &ChatRequest,
    asked: Errand,
) -> Result<Map<String, Value>, RequestError> {
    let mut body = Map::new();
    match asked {
        Errand::Embed => embed(request, &mut body)?,
        Errand::Rerank => {
            body.insert("query".into(), request.field("query").cloned().unwrap_or_default());
            body.insert("documents".into(), json!(documents(request)?));
            for field in ["top_n", "max_tokens_per_doc"] {
                body.extend(request.field(field).map(|it| (field.to_owned(), it.clone())));
            }
        }
    }
    Ok(body)
}

fn embed(request: &ChatRequest, body: &mut Map<String, Value>) -> Result<(), RequestError> {
    let asked = inputs(request)?;
    let text = |input: &Input<'_>| match input {
        Input::Text(text) => Some(Value::from(*text)),
        Input::Parts(_) => None,
    };
    let (field, said) = if let Some(texts) = asked.iter().map(text).collect() {
        ("texts", texts)
    } else {
        let mixed = asked.iter().enumerate().map(contents).collect::<Result<Vec<_>, _>>()?;
        ("inputs", Value::Array(mixed))
    };
    body.insert(field.into(), said);
    let input_type = match request.field("input_type").and_then(Value::as_str) {
        None | Some("document" | "passage") => INPUT_TYPE,
        Some("query") => "search_query",
        Some(said) => said,
    };
    body.insert("input_type".into(), input_type.into());
    // Numbers, which are put into whatever encoding the client wants.
    body.insert("embedding_types".into(), json!(["float"]));
    for (field, theirs) in [("dimensions", "output_dimension"), ("truncate", "truncate")] {
        body.extend(request.field(field).map(|it| (theirs.to_owned(), it.clone())));
    }
    Ok(())
}

fn contents((number, input): (usize, &Input<'_>)) -> Result<Value, RequestError> {
    let content = match input {
        Input::Text(text) => vec![json!({"type": "text", "text": text})],
        Input::Parts(parts) => {
            let at = |place: usize| format!("input[{number}].content[{place}]");
            let read = parts.iter().enumerate().map(|(place, it)| part(it, &at(place)));
            read.collect::<Result<_, _>>()?
        }
    };
    Ok(json!({"content": content}))
}

fn part(part: &Part<'_>, at: &str) -> Result<Value, RequestError> {
    match part.kind {
        Kind::Text(text) => Ok(json!({"type": "text", "text": text})),
        Kind::Image(media) => Ok(json!({"type": "image_url", "image_url": {"url": media.url()}})),
        Kind::File { .. } | Kind::Audio { .. } | Kind::Video(_) => {
            Err(RequestError::new(at, "is neither text nor an image; Cohere takes nothing else"))
        }
    }
}

/// Reads an answer. `counted` are the tokens of the prompt where they are told beside it.
pub(crate) fn errand_answer(
    asked: Errand,
    body: &[u8],
    counted: Option<u64>,
) -> Result<Answer, AnswerError> {
    let malformed = |why: &str| AnswerError::Malformed(why.to_owned());
    let mut read = parse_lenient(body).map_err(|error| malformed(&error.to_string()))?;
    let field = match asked {
        Errand::Embed => "embeddings",
        Errand::Rerank => "results",
    };
    let found = read.get_mut(field).map(Value::take);
    let failed = || match message_of(body) {
        Some(message) if read.is_object() => AnswerError::Failed(message),
        _ => malformed(&format!("has no {field}")),
    };
    match (asked, found) {
        // By type, or of the one type that was asked for.
        (Errand::Embed, Some(Value::Object(mut typed))) => match typed.get_mut("float") {
            Some(Value::Array(found)) => Ok(vectors(std::mem::take(found), usage(&read, counted))),
            _ => Err(failed()),
        },
        (Errand::Embed, Some(Value::Array(found))) => Ok(vectors(found, usage(&read, counted))),
        (Errand::Rerank, Some(found @ Value::Array(_))) => {
            Ok(errand(field, found, usage(&read, counted)))
        }
        _ => Err(failed()),
    }
}

/// What is billed, in the words of the form in the middle; null where nothing was counted.
fn usage(read: &Value, counted: Option<u64>) -> Value {
    let units = read.get("meta").and_then(|meta| meta.get("billed_units"));
    let count = |field: &str| units.and_then(|units| units.get(field)?.as_u64());
    let images = count("image_tokens");
    let tokens = match (count("input_tokens"), images) {
        (None, None) => counted,
        (texts, images) => Some(texts.unwrap_or(0).saturating_add(images.unwrap_or(0))),
    };
    let mut usage = Map::new();
    if let Some(tokens) = tokens {
        usage.insert("prompt_tokens".into(), tokens.into());
    }
    if let Some(images) = images {
        usage.insert("prompt_tokens_details".into(), json!({"image_tokens": images}));
    }
    if let Some(units) = count("search_units") {
        usage.insert("search_units".into(), units.into());
    }
    if usage.is_empty() { Value::Null } else { Value::Object(usage) }
}
