//! What Google says, at either of its addresses.

use serde_json::{Value, json};

use super::super::price::Count;
use super::Deed;

/// Gemini counts in every piece, up to there, and reasoning beside what is said.
pub(super) fn piece(deed: Deed, text: &str, ends: bool) -> Value {
    let mut candidate =
        json!({"content": {"role": "model", "parts": [{"text": text}]}, "index": 0});
    if ends {
        candidate["finishReason"] = json!("STOP");
    }
    let mut body = json!({"candidates": [candidate]});
    if let Deed::Sold(count) = deed {
        body["usageMetadata"] = json!({
            "promptTokenCount": count.prompt,
            "cachedContentTokenCount": count.cached,
            "candidatesTokenCount": count.completion - count.reasoning,
            "thoughtsTokenCount": count.reasoning,
            "totalTokenCount": count.prompt + count.completion,
        });
    }
    body
}

pub(super) fn stream(deed: Deed) -> Vec<String> {
    let begun = match deed {
        Deed::Sold(count) => Deed::Sold(Count { completion: count.reasoning, ..count }),
        deed => deed,
    };
    let mut pieces = vec![piece(begun, "hel", false), piece(begun, "l", false)];
    if deed != Deed::BrokeOff {
        pieces.push(piece(deed, "o", true));
    }
    pieces.iter().map(|piece| format!("data: {piece}\r\n\r\n")).collect()
}
