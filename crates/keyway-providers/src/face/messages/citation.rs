//! What an answer refers to, as Anthropic's clients know it from a search on the web.

use serde_json::{Value, json};

/// The citations of a message or of a delta: places on the web, of which Anthropic alone could say where its
/// search found them.
pub(super) fn citations(said: &Value) -> impl Iterator<Item = Value> {
    let annotations = said["annotations"].as_array().into_iter().flatten();
    annotations.filter_map(|annotation| {
        let source = annotation.get("url_citation")?;
        let content = source["content"].as_str().unwrap_or_default();
        Some(json!({
            "type": "web_search_result_location", "url": source["url"].as_str()?,
            "title": source["title"].as_str(), "cited_text": content, "encrypted_index": "",
        }))
    })
}
