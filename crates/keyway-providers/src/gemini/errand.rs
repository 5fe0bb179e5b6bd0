//! Embeddings, as AI Studio has them in one form and Vertex in another.

use serde_json::{Map, Value, json};

use super::answer::counted;
use super::content::part;
use crate::chat::inputs::{Input, inputs, texts, vectors};
use crate::chat::{Answer, AnswerError, ChatRequest, RequestError, message_of};
use crate::dialect::Target;
use crate::json::parse_lenient;

/// A batch in AI Studio's form: a request for each vector.
pub(super) fn batch(
    request: &ChatRequest,
    target: &Target<'_>,
) -> Result<Map<String, Value>, RequestError> {
    let mut each = Map::new();
    each.insert("model".into(), format!("models/{}", target.model).into());
    each.extend(task(request).map(|task| ("taskType".to_owned(), task.into())));
    each.extend(dimensions(request));
    let asked = inputs(request)?.into_iter().map(|input| {
        let parts = match input {
            Input::Text(text) => vec![json!({"text": text})],
            Input::Parts(parts) => parts.iter().map(part).collect(),
        };
        let mut one = each.clone();
        one.insert("content".into(), json!({"parts": parts}));
        Value::Object(one)
    });
    Ok([("requests".to_owned(), asked.collect())].into_iter().collect())
}

/// A prediction in Vertex's form.
pub(super) fn prediction(request: &ChatRequest) -> Result<Map<String, Value>, RequestError> {
    let task = task(request);
    let instance = |text: &str| {
        let mut instance = json!({"content": text});
        if let Some(task) = &task {
            instance["task_type"] = task.as_str().into();
        }
        instance
    };
    let mut body = Map::new();
    body.insert("instances".into(), texts(request)?.into_iter().map(instance).collect());
    if let Some((field, dimensions)) = dimensions(request) {
        body.insert("parameters".into(), json!({field: dimensions}));
    }
    Ok(body)
}

fn dimensions(request: &ChatRequest) -> Option<(String, Value)> {
    Some(("outputDimensionality".to_owned(), request.field("dimensions")?.clone()))
}

/// What texts are for, in Google's words.
fn task(request: &ChatRequest) -> Option<String> {
    let said = request.field("input_type")?.as_str()?;
    Some(match said {
        "query" | "search_query" => "RETRIEVAL_QUERY".to_owned(),
        "document" | "passage" | "search_document" => "RETRIEVAL_DOCUMENT".to_owned(),
        other => other.to_ascii_uppercase(),
    })
}

/// Reads the answer in either form. AI Studio counts only for some models, Vertex for each text.
pub(super) fn answer(body: &[u8]) -> Result<Answer, AnswerError> {
    let malformed = |why: &str| AnswerError::Malformed(why.to_owned());
    let mut read = parse_lenient(body).map_err(|error| malformed(&error.to_string()))?;
    if let Some(found) = values(read.get_mut("embeddings")) {
        let usage = counted(&read).map_or(Value::Null, crate::chat::Counted::block);
        return Ok(vectors(found, usage));
    }
    let usage = predicted(&read);
    if let Some(found) = values(read.get_mut("predictions")) {
        return Ok(vectors(found, usage));
    }
    let failed = read.get("error").and_then(|_| message_of(body));
    Err(failed.map_or_else(|| malformed("has no embeddings"), AnswerError::Failed))
}

/// The vectors of all items; `None` where one has none.
fn values(items: Option<&mut Value>) -> Option<Vec<Value>> {
    let vector = |item: &mut Value| {
        let place =
            if item.get("embeddings").is_some() { item.get_mut("embeddings")? } else { item };
        place.get_mut("values").map(Value::take).filter(Value::is_array)
    };
    items?.as_array_mut()?.iter_mut().map(vector).collect()
}

/// The tokens of all texts; null where one has no count.
fn predicted(read: &Value) -> Value {
    let predictions = read.get("predictions").and_then(Value::as_array).into_iter().flatten();
    let counts = predictions.map(|it| {
        let count = it.get("embeddings")?.get("statistics")?.get("token_count")?;
        // Some are written with a fraction: 4.0.
        let text = count.to_string();
        text.strip_suffix(".0").unwrap_or(&text).parse::<u64>().ok()
    });
    let sum = counts.sum::<Option<u64>>();
    sum.map_or(Value::Null, |tokens| json!({"prompt_tokens": tokens}))
}
