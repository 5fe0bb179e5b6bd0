//! Embeddings: a vector for each text (contract, C.8).

use serde_json::{Map, Value};

use super::vectors;
use crate::chat::{Answer, ChatRequest, Envelope, Errand, Receipt, RequestError};

/// Says one answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Embeddings {
    /// As base64, in place of numbers.
    encodes: bool,
}

/// Reads a request, and who will say its answer.
pub(super) fn read(body: Value) -> Result<(ChatRequest, Embeddings), RequestError> {
    let encodes = match body.get("encoding_format").unwrap_or(&Value::Null) {
        Value::Null => false,
        format if format == "float" => false,
        format if format == "base64" => true,
        _ => return Err(RequestError::new("encoding_format", "must be float or base64")),
    };
    Ok((Errand::Embed.read(body)?, Embeddings { encodes }))
}

impl Embeddings {
    /// Some providers do not know the encoding that was asked for, and some clients read no other.
    pub(super) fn whole(
        self,
        answer: Answer,
        envelope: &Envelope,
        receipt: &Receipt,
    ) -> Map<String, Value> {
        let mut said = answer.complete_errand("list", envelope, receipt);
        let data = said.get_mut("data").and_then(Value::as_array_mut);
        for (item, index) in data.into_iter().flatten().zip(0_u64..) {
            let Value::Object(item) = item else { continue };
            item.entry("index").or_insert_with(|| index.into());
            item.insert("object".into(), "embedding".into());
            if let Some(vector) = item.get_mut("embedding") {
                vectors::put_into(vector, self.encodes);
            }
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use keyway_core::money::Nanos;
    use keyway_core::pricing::{Cost, Usage};
    use serde_json::json;

    use super::*;

    fn said(format: &Value, vector: &Value) -> Value {
        let body = json!({"model": "a/b", "input": "hi", "encoding_format": format});
        let (_, voice) = read(body).expect("a request");
        let body = json!({
            "object": "list", "model": "theirs", "data": [{"embedding": vector}],
            "usage": {"prompt_tokens": 3, "total_tokens": 3},
        });
        let answer =
            Answer::of_errand(Errand::Embed, body.to_string().as_bytes()).expect("an answer");
        assert!(!answer.is_uncharged());
        let usage = answer.usage().expect("it was counted");
        assert_eq!(usage, Usage::of(3, 0));
        let envelope =
            Envelope { id: "gen-1".into(), model: "a/b".into(), provider: "A".into(), created: 7 };
        let receipt = Receipt { usage, cost: Cost::default(), charge: Nanos::new(9), byok: None };
        Value::Object(voice.whole(answer, &envelope, &receipt))
    }

    #[test]
    fn vectors_come_in_the_encoding_that_was_asked_for() {
        let (numbers, text) = (json!([1.0, 0.5, -1.25]), json!("AACAPwAAAD8AAKC/"));
        for (format, from, to) in [
            (json!(null), &numbers, &numbers),
            (json!("float"), &text, &numbers),
            (json!("base64"), &numbers, &text),
            (json!("base64"), &text, &text),
        ] {
            let said = said(&format, from);
            assert_eq!(
                said["data"][0],
                json!({"embedding": to, "index": 0, "object": "embedding"})
            );
            assert_eq!((&said["object"], &said["model"]), (&json!("list"), &json!("a/b")));
            assert_eq!(said["usage"]["cost"].to_string(), "0.000000009");
            assert!(said["usage"].get("completion_tokens").is_none());
        }
        let wrong = read(json!({"model": "a/b", "input": "hi", "encoding_format": "int8"}));
        assert_eq!(wrong.expect_err("an encoding").field, "encoding_format");
    }
}
