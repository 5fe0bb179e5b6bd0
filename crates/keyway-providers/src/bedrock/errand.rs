//! Embeddings and rankings behind Amazon, which hands each model's own form through.

use serde_json::{Map, Value, json};

use crate::chat::inputs::{texts, vectors};
use crate::chat::{Answer, AnswerError, ChatRequest, Errand, RequestError, message_of};
use crate::cohere;
use crate::dialect::Target;
use crate::json::parse_lenient;

/// The version of Cohere's rankings that is spoken here.
const RERANK_VERSION: u64 = 2;

/// Whose form a model has.
enum Maker {
    Cohere,
    /// Amazon's Titan, which embeds one text at a time.
    Titan,
}

impl Maker {
    /// `cohere.embed-…`, or behind a region: `us.cohere.embed-…`.
    fn of(model: &str) -> Option<Self> {
        if model.contains("cohere.") {
            Some(Self::Cohere)
        } else if model.contains("amazon.titan-embed-text") {
            Some(Self::Titan)
        } else {
            None
        }
    }
}

/// The body of an errand. An error names the field that the model cannot take.
pub(crate) fn errand_body(
    request: &ChatRequest,
    asked: Errand,
    target: &Target<'_>,
) -> Result<Map<String, Value>, RequestError> {
    match (Maker::of(target.model), asked) {
        (Some(Maker::Cohere), _) => {
            let mut body = cohere::errand_body(request, asked)?;
            if asked == Errand::Rerank {
                body.insert("api_version".into(), RERANK_VERSION.into());
            }
            Ok(body)
        }
        (Some(Maker::Titan), Errand::Embed) => titan(request),
        _ => {
            let why = "is at Amazon, where embeddings of Cohere and Titan and rankings of Cohere are spoken";
            Err(RequestError::new("model", why))
        }
    }
}

fn titan(request: &ChatRequest) -> Result<Map<String, Value>, RequestError> {
    let &[text] = texts(request)?.as_slice() else {
        return Err(RequestError::new("input", "must be one text: Titan embeds one at a time"));
    };
    let mut body = Map::new();
    body.insert("inputText".into(), text.into());
    for field in ["dimensions", "normalize"] {
        body.extend(request.field(field).map(|it| (field.to_owned(), it.clone())));
    }
    Ok(body)
}

/// Reads an answer. `counted` are the tokens of the prompt, which Amazon tells in a header.
pub(crate) fn errand_answer(
    asked: Errand,
    model: &str,
    body: &[u8],
    counted: Option<u64>,
) -> Result<Answer, AnswerError> {
    if !matches!(Maker::of(model), Some(Maker::Titan)) {
        return cohere::errand_answer(asked, body, counted);
    }
    let malformed = |why: &str| AnswerError::Malformed(why.to_owned());
    let mut read = parse_lenient(body).map_err(|error| malformed(&error.to_string()))?;
    let tokens = read.get("inputTextTokenCount").and_then(Value::as_u64).or(counted);
    match read.get_mut("embedding").map(Value::take) {
        Some(vector @ Value::Array(_)) => {
            let usage = tokens.map_or(Value::Null, |tokens| json!({"prompt_tokens": tokens}));
            Ok(vectors(vec![vector], usage))
        }
        _ => {
            Err(message_of(body).map_or_else(|| malformed("has no embedding"), AnswerError::Failed))
        }
    }
}
