//! Rankings: documents in the order in which they answer a query (contract, C.8).

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::chat::{Answer, ChatRequest, Envelope, Errand, Receipt, RequestError};

/// Says one answer.
#[derive(Clone, Debug)]
pub(super) struct Rerank {
    /// As they were sent: not every provider says them again, and clients demand them.
    documents: Arc<Vec<Value>>,
}

/// Reads a request, and who will say its answer.
pub(super) fn read(body: Value) -> Result<(ChatRequest, Rerank), RequestError> {
    let documents = body.get("documents").and_then(Value::as_array).cloned().unwrap_or_default();
    let request = Errand::Rerank.read(body)?;
    Ok((request, Rerank { documents: Arc::new(documents) }))
}

impl Rerank {
    pub(super) fn whole(
        &self,
        answer: Answer,
        envelope: &Envelope,
        receipt: &Receipt,
    ) -> Map<String, Value> {
        let mut said = answer.complete_errand("list", envelope, receipt);
        said.shift_remove("object");
        if let Some(usage) = said.get_mut("usage").and_then(Value::as_object_mut) {
            usage.shift_remove("prompt_tokens_details");
        }
        let results = said.get_mut("results").and_then(Value::as_array_mut);
        for result in results.into_iter().flatten().filter(|result| result.is_object()) {
            let document = match result.get("document") {
                Some(document @ Value::Object(_)) => document.clone(),
                Some(text @ Value::String(_)) => json!({"text": text}),
                _ => self.document(result["index"].as_u64()),
            };
            result["document"] = document;
        }
        said
    }

    fn document(&self, index: Option<u64>) -> Value {
        let sent = index.and_then(|index| self.documents.get(usize::try_from(index).ok()?));
        match sent {
            Some(text @ Value::String(_)) => json!({"text": text}),
            Some(document) => document.clone(),
            None => json!({}),
        }
    }
}

#[cfg(test)]
mod tests {
    use keyway_core::money::Nanos;
    use keyway_core::pricing::Cost;

    use super::*;

    #[test]
    fn every_result_has_its_document() {
        let documents = json!(["one", {"text": "two"}, "three"]);
        let body = json!({"model": "a/b", "query": "q", "documents": documents, "top_n": 3});
        let (_, voice) = read(body).expect("a request");
        let answer = json!({
            "results": [
                {"index": 1, "relevance_score": 0.9},
                {"index": 0, "relevance_score": 0.5, "document": "one"},
                {"index": 2, "relevance_score": 0.1, "document": {"text": "3"}},
            ],
            "usage": {"total_tokens": 8, "search_units": 1},
        });
        let answer = Answer::of_errand(Errand::Rerank, answer.to_string().as_bytes());
        let answer = answer.expect("an answer");
        let usage = answer.usage().expect("it was counted");
        assert_eq!(usage.prompt_tokens, 8);
        let envelope =
            Envelope { id: "gen-1".into(), model: "a/b".into(), provider: "A".into(), created: 7 };
        let receipt = Receipt { usage, cost: Cost::default(), charge: Nanos::new(9), byok: None };
        let said = Value::Object(voice.whole(answer, &envelope, &receipt));
        let found = [0, 1, 2].map(|at| said["results"][at]["document"]["text"].clone());
        assert_eq!(found, ["two", "one", "3"]);
        let usage = &said["usage"];
        assert_eq!((&usage["total_tokens"], &usage["search_units"]), (&json!(8), &json!(1)));
        assert_eq!(usage["cost"].to_string(), "0.000000009");
    }
}
