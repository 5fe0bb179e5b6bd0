//! Requests that are no conversation: embeddings and rankings.
//!
//! They are bounded, reserved, sent and settled as conversations are, and answered with tokens of the
//! prompt alone. Their bodies stay as clients say them: there is one form of each.

use serde_json::{Map, Value};

use super::prompt::TOKENS_PER_MESSAGE;
use super::{ChatRequest, RequestError, model_id, place};
use crate::json::written_bytes;

/// Texts in one request, at most: what OpenAI takes.
const INPUTS_MAX: usize = 2_048;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// A vector for each text.
    Embed,
    /// The documents in the order in which they answer a query.
    Rerank,
}

impl Errand {
    /// Reads a request. Null counts as absent; unknown fields are kept and not looked at.
    pub fn read(self, body: Value) -> Result<ChatRequest, RequestError> {
        let Value::Object(mut body) = body else {
            return Err(RequestError::new("The request's body", "must be a JSON object"));
        };
        let model = match body.get("model") {
            None | Some(Value::Null) => return Err(RequestError::new("model", "is required")),
            Some(said) => model_id(said, "model")?.to_owned(),
        };
        match self {
            Self::Embed => check_input(body.get("input").unwrap_or(&Value::Null))?,
            Self::Rerank => check_ranking(&body)?,
        }
        check_places(&body)?;
        // Neither has anything to stream.
        body.shift_remove("stream");
        Ok(ChatRequest::of_errand(self, model, body))
    }

    /// How many texts the model reads on its own.
    pub(super) fn prompts(self, body: &Map<String, Value>) -> u64 {
        let field = match self {
            Self::Embed => "input",
            Self::Rerank => "documents",
        };
        match body.get(field) {
            Some(Value::Array(items)) if !items.iter().all(Value::is_number) => items.len() as u64,
            _ => 1,
        }
    }

    /// The most tokens that all of them have together, or the field that no bound is known for.
    pub(super) fn tokens_bound(self, body: &Map<String, Value>) -> Result<u64, String> {
        if pictures(body) > 0 || has_other_parts(body) {
            return Err("input".to_owned());
        }
        let prompts = self.prompts(body);
        // Each document is read together with the query.
        let query = match self {
            Self::Embed => 0,
            Self::Rerank => body.get("query").map_or(0, written_bytes),
        };
        let around = query.saturating_add(TOKENS_PER_MESSAGE).saturating_mul(prompts);
        Ok(body.values().map(written_bytes).sum::<u64>().saturating_add(around))
    }
}

/// Documents that make a search unit, at most.
const DOCUMENTS_PER_UNIT: u64 = 100;
/// Bytes of a document that count as another: it is cut into pieces of 500 tokens with the query among
/// them, which has 256 of them at most, and a token has at least a byte.
const PIECE_BYTES: u64 = 244;

/// The same in an estimate, where 500 tokens are of three bytes each.
const PIECE_BYTES_ESTIMATE: u64 = 1_500;

/// The most search units that a ranking can be, where its provider charges by them.
pub(super) fn search_units_bound(body: &Map<String, Value>) -> u64 {
    search_units(body, PIECE_BYTES)
}

/// How many search units a ranking is that nobody counted.
pub(super) fn search_units_estimate(body: &Map<String, Value>) -> u64 {
    search_units(body, PIECE_BYTES_ESTIMATE)
}

fn search_units(body: &Map<String, Value>, piece_bytes: u64) -> u64 {
    let documents = body.get("documents").and_then(Value::as_array).into_iter().flatten();
    let pieces = documents.map(|it| written_bytes(it).div_ceil(piece_bytes));
    pieces.fold(0, u64::saturating_add).div_ceil(DOCUMENTS_PER_UNIT)
}

/// Pictures among what is read.
pub(super) fn pictures(body: &Map<String, Value>) -> u64 {
    let documents = body.get("documents").and_then(Value::as_array).into_iter().flatten();
    let shown = documents.filter(|document| document["image"].is_string()).count();
    (parts(body).filter(|part| part["type"] == "image_url").count() + shown) as u64
}

fn has_other_parts(body: &Map<String, Value>) -> bool {
    parts(body).any(|part| part["type"] != "text")
}

fn parts(body: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    let inputs = body.get("input").and_then(Value::as_array).into_iter().flatten();
    inputs.filter_map(|input| input.get("content")?.as_array()).flatten()
}

/// Pictures are fetched by the provider.
fn check_places(body: &Map<String, Value>) -> Result<(), RequestError> {
    let mut parts = parts(body).filter_map(Value::as_object);
    parts.try_for_each(|part| place::check(part, "input"))?;
    let documents = body.get("documents").and_then(Value::as_array).into_iter().flatten();
    let mut images = documents.filter_map(|document| document.get("image")?.as_str());
    images.try_for_each(|image| place::check_address(image, "documents"))
}

fn check_input(input: &Value) -> Result<(), RequestError> {
    let wrong = |why: &str| Err(RequestError::new("input", why));
    match input {
        Value::Null => wrong("is required"),
        Value::String(text) if text.is_empty() => wrong("must not be empty"),
        Value::String(_) => Ok(()),
        Value::Array(items) if items.is_empty() => wrong("must not be empty"),
        Value::Array(items) if items.iter().all(Value::is_u64) => Ok(()),
        Value::Array(items) if items.len() > INPUTS_MAX => wrong("must be at most 2048 texts"),
        Value::Array(items) => items.iter().enumerate().try_for_each(check_one),
        _ => wrong("must be a string or an array of strings, tokens or contents"),
    }
}

fn check_one((number, item): (usize, &Value)) -> Result<(), RequestError> {
    let said = match item {
        Value::String(text) => !text.is_empty(),
        Value::Array(tokens) => !tokens.is_empty() && tokens.iter().all(Value::is_u64),
        Value::Object(fields) => {
            let parts = fields.get("content").and_then(Value::as_array);
            parts.is_some_and(|parts| !parts.is_empty() && parts.iter().all(Value::is_object))
        }
        _ => false,
    };
    let why = "must be a text that is not empty, an array of tokens, or an object with content";
    if said { Ok(()) } else { Err(RequestError::new(format!("input[{number}]"), why)) }
}

fn check_ranking(body: &Map<String, Value>) -> Result<(), RequestError> {
    let query = body.get("query").and_then(Value::as_str).filter(|query| !query.is_empty());
    if query.is_none() {
        return Err(RequestError::new("query", "must be a text that is not empty"));
    }
    let documents = body.get("documents").and_then(Value::as_array);
    let documents = documents.filter(|all| (1..=INPUTS_MAX).contains(&all.len()));
    let documents = documents
        .ok_or_else(|| RequestError::new("documents", "must be an array of 1 to 2048 documents"))?;
    let is_document = |document: &Value| {
        document.is_string() || document["text"].is_string() || document["image"].is_string()
    };
    match documents.iter().position(|document| !is_document(document)) {
        Some(number) => {
            let why = "must be a string, or an object with text or image";
            Err(RequestError::new(format!("documents[{number}]"), why))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn embed(input: &Value) -> Result<ChatRequest, RequestError> {
        Errand::Embed.read(json!({"model": "a/b", "input": input}))
    }

    #[test]
    fn mistakes_name_their_field() {
        for (input, field) in [
            (json!(null), "input"),
            (json!(""), "input"),
            (json!([]), "input"),
            (json!(vec!["x"; INPUTS_MAX + 1]), "input"),
            (json!(["a", ""]), "input[1]"),
            (json!([[1], ["a"]]), "input[1]"),
            (json!([{"content": []}]), "input[0]"),
            (
                json!([{"content": [{"type": "image_url", "image_url": {"url": "gs://a"}}]}]),
                "input",
            ),
        ] {
            assert_eq!(embed(&input).expect_err(field).field, field);
        }
        for (fields, field) in [
            (json!({"model": "a/b", "documents": ["x"]}), "query"),
            (json!({"model": "a/b", "query": "q", "documents": []}), "documents"),
            (json!({"model": "a/b", "query": "q", "documents": [{}]}), "documents[0]"),
            (json!({"query": "q", "documents": ["x"]}), "model"),
            (
                json!({"model": "a/b", "query": "q", "documents": [{"image": "http://10.0.0.1"}]}),
                "documents",
            ),
            (json!({"model": "x".repeat(257), "query": "q", "documents": ["x"]}), "model"),
        ] {
            assert_eq!(Errand::Rerank.read(fields).expect_err(field).field, field);
        }
    }

    #[test]
    fn a_batch_is_as_many_prompts_as_it_has_texts() {
        for (input, prompts) in
            [(json!("a"), 1), (json!(["a", "b"]), 2), (json!([1, 2, 3]), 1), (json!([[1], [2]]), 2)]
        {
            let request = embed(&input).expect("a request");
            assert_eq!((request.prompts(), request.max_tokens), (prompts, Some(0)), "{input}");
        }
        let picture = json!([{"content": [{"type": "image_url", "image_url": {"url": "x"}}]}]);
        let request = embed(&picture).expect("a request");
        assert_eq!((request.images(), request.prompt_tokens_bound()), (1, Err("input".to_owned())));
    }

    proptest! {
        #[test]
        fn the_bound_covers_a_token_a_byte_and_the_query_with_each_document(
            query in "\\PC{1,30}",
            documents in prop::collection::vec("\\PC{0,30}", 1..5),
        ) {
            let read: usize = documents.iter().map(|text| text.len() + query.len()).sum();
            let body = json!({"model": "a/b", "query": query, "documents": documents});
            let request = Errand::Rerank.read(body).expect("a request");
            prop_assert!(request.prompt_tokens_bound().expect("only text") >= read as u64);
        }
    }
}
