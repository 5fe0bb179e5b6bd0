//! What is to be embedded or ranked, read for dialects that write it in another way.

use serde_json::{Value, json};

use super::part::{Part, parts};
use super::{Answer, ChatRequest, RequestError};

/// What one vector is asked for.
#[derive(Debug, PartialEq)]
pub(crate) enum Input<'a> {
    Text(&'a str),
    Parts(Vec<Part<'a>>),
}

/// What a request for embeddings asks vectors for. Tokens are refused: to another model they are
/// another text.
pub(crate) fn inputs(request: &ChatRequest) -> Result<Vec<Input<'_>>, RequestError> {
    match request.field("input") {
        Some(Value::Array(items)) => items.iter().enumerate().map(input).collect(),
        Some(Value::String(text)) => Ok(vec![Input::Text(text)]),
        _ => Err(RequestError::new("input", "is required")),
    }
}

fn input((number, item): (usize, &Value)) -> Result<Input<'_>, RequestError> {
    match item {
        Value::String(text) => Ok(Input::Text(text)),
        Value::Object(_) => parts(item, &format!("input[{number}]")).map(Input::Parts),
        _ => Err(RequestError::new("input", "must be text: models count tokens in different ways")),
    }
}

/// The same, where a model reads nothing but text.
pub(crate) fn texts(request: &ChatRequest) -> Result<Vec<&str>, RequestError> {
    let text = |(number, input)| match input {
        Input::Text(text) => Ok(text),
        Input::Parts(_) => Err(RequestError::new(
            format!("input[{number}]"),
            "must be text: the model is asked for nothing else at this provider",
        )),
    };
    inputs(request)?.into_iter().enumerate().map(text).collect()
}

/// The documents of a ranking, where a provider ranks nothing but text.
pub(crate) fn documents(request: &ChatRequest) -> Result<Vec<&str>, RequestError> {
    let documents = request.field("documents").and_then(Value::as_array).into_iter().flatten();
    documents.enumerate().map(document).collect()
}

fn document((number, document): (usize, &Value)) -> Result<&str, RequestError> {
    let is_shown = document.get("image").is_some_and(|image| !image.is_null());
    let text = document.as_str().or_else(|| document.get("text")?.as_str());
    text.filter(|_| !is_shown).ok_or_else(|| {
        let why = "must be text: this provider ranks nothing else";
        RequestError::new(format!("documents[{number}]"), why)
    })
}

/// An answer of vectors, in their order; `usage` is what was counted, in the form in the middle.
pub(crate) fn vectors(vectors: Vec<Value>, usage: Value) -> Answer {
    let data: Vec<Value> = vectors
        .into_iter()
        .zip(0_u64..)
        .map(|(vector, index)| json!({"object": "embedding", "index": index, "embedding": vector}))
        .collect();
    errand("data", data.into(), usage)
}

/// An answer to an errand, under the field that it has in the form in the middle.
pub(crate) fn errand(field: &str, items: Value, usage: Value) -> Answer {
    let mut body = serde_json::Map::new();
    body.insert(field.to_owned(), items);
    if !usage.is_null() {
        body.insert("usage".to_owned(), usage);
    }
    Answer::to_errand(body)
}
