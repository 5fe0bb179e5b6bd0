//! Who sent a request, as its record keeps it.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, header};
use keyway_core::ledger::{ApiType, Origin};
use keyway_providers::chat::{ChatRequest, scrub};
use keyway_providers::face::Face;
use serde_json::Value;

use super::route::Asker;
use crate::http::redact::redact;

/// Where OpenRouter's clients say what page they are.
static HTTP_REFERER: HeaderName = HeaderName::from_static("http-referer");
/// Characters of each text that a record keeps.
const TEXT_MAX: usize = 256;

/// What `headers` and `request` say of `asker`, who sent it.
pub(super) fn of(
    face: Face,
    headers: &HeaderMap,
    request: &ChatRequest,
    asker: &Asker<'_>,
) -> Origin {
    let said = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    // Some send the header under the name that browsers use.
    let referer = said(&HTTP_REFERER).or_else(|| said(&header::REFERER));
    let (media, audio) = request.media();
    Origin {
        catalogue_version: Some(Arc::clone(asker.catalogue.version())),
        api_type: Some(api_type(face)),
        http_referer: referer.map(page).and_then(|it| kept(&it)),
        user_agent: said(&header::USER_AGENT).and_then(kept),
        external_user: request.field("user").and_then(Value::as_str).and_then(kept),
        session_id: asker.conversation.session().and_then(kept),
        media_prompt: Some(media),
        audio_prompt: Some(audio),
    }
}

const fn api_type(face: Face) -> ApiType {
    match face {
        Face::Chat | Face::Completions | Face::Messages | Face::Responses => ApiType::Completions,
        Face::Embeddings => ApiType::Embeddings,
        Face::Rerank => ApiType::Rerank,
    }
}

/// Where a page is. Behind that there may be anything, a session, a search, a token; and before it a
/// password.
fn page(referer: &str) -> String {
    let place = referer.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = match place.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), place),
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}{host}{path}")
}

/// A text of a client or a provider as a record keeps it: without what looks like a key, without control
/// characters, which no store has to take, and cut with a mark.
pub(super) fn kept(text: &str) -> Option<String> {
    let scrubbed = scrub(text, None);
    let masked = redact(&scrubbed);
    // No text has more characters than bytes.
    let kept = if masked.len() <= TEXT_MAX || masked.chars().nth(TEXT_MAX).is_none() {
        masked.into_owned()
    } else {
        masked.chars().take(TEXT_MAX - 1).chain(['…']).collect()
    };
    (!kept.is_empty()).then_some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_page_its_place_is_kept() {
        for (said, kept) in [
            ("https://me:secret@host.example:8443/a/@b?c=d#e", "https://host.example:8443/a/@b"),
            ("https://a@b@host.example", "https://host.example"),
            ("me:secret@host.example/a", "host.example/a"),
            ("https://host.example/?token=x", "https://host.example/"),
            ("My App", "My App"),
        ] {
            assert_eq!(page(said), kept);
        }
    }

    #[test]
    fn texts_are_masked_and_cut() {
        assert_eq!(kept(" client/1 sk-or-v1-abc "), Some("client/1 [masked]".to_owned()));
        assert_eq!(kept(" a\0b\n\u{7f} "), Some("a b".to_owned()));
        for key in ["AIzaSyD-9abc", "gsk_0123456", "xai-0123456"] {
            assert_eq!(kept(&format!("me ({key})")), Some("me ([masked])".to_owned()));
        }
        assert_eq!(kept("  "), None);
        let long = kept(&"é".repeat(TEXT_MAX + 1)).expect("a text");
        assert_eq!((long.chars().count(), long.ends_with("é…")), (TEXT_MAX, true));
        let whole = "é".repeat(TEXT_MAX);
        assert_eq!(kept(&whole), Some(whole));
    }
}
