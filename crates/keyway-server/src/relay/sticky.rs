//! Conversations stay at the endpoint whose cache has their prompt (contract, C.1: sticky routing).

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::{HeaderMap, HeaderName};
use keyway_core::clock::Timestamp;
use keyway_core::id::KeyId;
use keyway_core::pricing::{Kind, Pricing};
use keyway_core::routing::Attempt;
use keyway_providers::chat::{ChatRequest, RequestError};
use quick_cache::sync::Cache;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::admit::invalid;
use crate::app::App;
use crate::http::error::ApiError;

/// Conversations that are remembered; the ones that were asked for longest ago make room.
const CONVERSATIONS_MAX: usize = 65_536;
/// How long one is remembered after its last answer.
const INACTIVITY: Duration = Duration::from_mins(10);
/// Bytes of its first messages that a conversation is told by: they may hold images.
const BEGINNING_BYTES_MAX: usize = 64 * 1024;
/// Characters of a session's id.
const SESSION_MAX: usize = 256;
static SESSION_HEADER: HeaderName = HeaderName::from_static("x-session-id");

type Digest = [u8; 32];

/// Which endpoint answered which conversation last, on this node.
#[derive(Debug)]
pub struct Sticky {
    endpoints: Cache<Digest, Remembered>,
}

#[derive(Clone, Debug)]
struct Remembered {
    /// The endpoint's own slug, and what its provider calls the model.
    endpoint: (String, String),
    until: Timestamp,
}

/// A conversation of one key.
#[derive(Clone, Debug)]
pub(super) struct Conversation {
    key: KeyId,
    /// What the client calls it, where it does and wants it to stay whether or not that saves anything.
    session: Option<Arc<str>>,
    /// What it is told by; nothing as long as there is no endpoint that it would stay at.
    digest: OnceLock<Digest>,
}

/// Takes as much as a conversation is told by.
struct Beginning<'a> {
    hash: &'a mut Sha256,
    left: usize,
}

impl io::Write for Beginning<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.left);
        self.hash.update(&bytes[..taken]);
        self.left -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Default for Sticky {
    fn default() -> Self {
        Self { endpoints: Cache::new(CONVERSATIONS_MAX) }
    }
}

impl Sticky {
    /// Whether `attempt` is where the conversation was last.
    pub(super) fn is_at(
        &self,
        conversation: &Conversation,
        request: &ChatRequest,
        attempt: &Attempt,
        now: Timestamp,
    ) -> bool {
        if conversation.session.is_none() && !saves(attempt) {
            return false;
        }
        let digest = with(conversation.digest(request), attempt);
        let remembered = self.endpoints.get(&digest);
        remembered.is_some_and(|it| it.until > now && it.endpoint == endpoint(attempt))
    }

    /// It was answered there, `cached_tokens` of it out of the provider's cache.
    pub(super) fn remember(
        &self,
        conversation: &Conversation,
        attempt: &Attempt,
        cached_tokens: u64,
        now: Timestamp,
    ) {
        let Some(digest) = conversation.digest.get() else { return };
        if conversation.session.is_some() || cached_tokens > 0 {
            let micros = i64::try_from(INACTIVITY.as_micros()).unwrap_or(i64::MAX);
            let until = Timestamp::from_micros(now.as_micros().saturating_add(micros));
            let remembered = Remembered { endpoint: endpoint(attempt), until };
            self.endpoints.insert(with(digest, attempt), remembered);
        }
    }
}

fn endpoint(attempt: &Attempt) -> (String, String) {
    (attempt.endpoint().tag(), attempt.endpoint().upstream_model.clone())
}

/// Whether what is read from the cache costs less than what is not.
fn saves(attempt: &Attempt) -> bool {
    let cheaper = |it: &Pricing| it.kinds.get(Kind::CacheRead).is_some_and(|rate| rate < it.prompt);
    attempt.endpoint().pricing.as_ref().is_some_and(cheaper)
}

/// A conversation about one model.
fn with(conversation: &Digest, attempt: &Attempt) -> Digest {
    let mut hash = Sha256::new();
    hash.update(conversation);
    hash.update(&attempt.model().id);
    hash.finalize().into()
}

impl Conversation {
    /// The one that `request` goes on with.
    pub(super) fn of(
        headers: &HeaderMap,
        request: &ChatRequest,
        key: KeyId,
    ) -> Result<Self, ApiError> {
        let session = session(headers, request)?.map(Arc::from);
        Ok(Self { key, session, digest: OnceLock::new() })
    }

    /// It is named by `session_id`, by the header, by `prompt_cache_key`, or told by its first messages.
    fn digest(&self, request: &ChatRequest) -> &Digest {
        self.digest.get_or_init(|| {
            let mut hash = Sha256::new();
            hash.update(self.key.0.to_be_bytes());
            if let Some(name) = self.session().or_else(|| text(request, "prompt_cache_key")) {
                hash.update([1]);
                hash.update(name);
            } else {
                hash.update([2]);
                let mut beginning = Beginning { hash: &mut hash, left: BEGINNING_BYTES_MAX };
                // Where it is too long, the writer stops.
                let _ = request.write_beginning(&mut beginning);
            }
            hash.finalize().into()
        })
    }

    /// What the client calls it.
    pub(super) fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    /// Remembers where it was answered.
    pub(super) fn was_at(&self, app: &App, attempt: &Attempt, cached_tokens: u64, now: Timestamp) {
        app.sticky.remember(self, attempt, cached_tokens, now);
    }
}

/// What the client calls the conversation; the body beats the header.
fn session(headers: &HeaderMap, request: &ChatRequest) -> Result<Option<String>, ApiError> {
    let wrong = |field: &str| {
        let message = format!("must be a text of at most {SESSION_MAX} characters");
        invalid(RequestError { field: field.to_owned(), message })
    };
    let fits = |text: &&str| text.chars().count() <= SESSION_MAX;
    if let Some(said) = request.field("session_id") {
        let said = said.as_str().filter(fits).ok_or_else(|| wrong("session_id"))?;
        return Ok((!said.is_empty()).then(|| said.to_owned()));
    }
    let Some(said) = headers.get(&SESSION_HEADER) else { return Ok(None) };
    let said = said.to_str().ok().filter(fits).ok_or_else(|| wrong(SESSION_HEADER.as_str()))?;
    Ok((!said.is_empty()).then(|| said.to_owned()))
}

fn text<'a>(request: &'a ChatRequest, field: &str) -> Option<&'a str> {
    request.field(field).and_then(Value::as_str).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What it is told by, and whether the client named it.
    fn conversation(header: Option<&str>, fields: &Value) -> (Digest, bool) {
        let mut body = json!({"model": "a/b", "messages": [
            {"role": "system", "content": "be kind"}, {"role": "user", "content": "hi"},
        ]});
        let fields = fields.as_object().expect("an object").clone();
        body.as_object_mut().expect("an object").extend(fields);
        let request = ChatRequest::parse(body).expect("a request");
        let mut headers = HeaderMap::new();
        if let Some(header) = header {
            headers.insert(&SESSION_HEADER, header.parse().expect("a header"));
        }
        let conversation = Conversation::of(&headers, &request, KeyId(1)).expect("a conversation");
        (*conversation.digest(&request), conversation.session().is_some())
    }

    #[test]
    fn a_conversation_is_known_by_its_name_or_by_how_it_begins() {
        let by = |fields: Value| conversation(None, &fields);
        let begun = by(json!({}));
        let longer = by(json!({"messages": [
            {"role": "system", "content": "be kind"}, {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "hello"}, {"role": "user", "content": "more"},
        ]}));
        assert_eq!(begun, longer);
        assert_ne!(begun, by(json!({"messages": [{"role": "user", "content": "hi"}]})));
        let named = by(json!({"session_id": "s"}));
        assert!(named.1 && !begun.1);
        assert_eq!(named, conversation(Some("s"), &json!({})));
        assert_eq!(named, conversation(Some("t"), &json!({"session_id": "s"})), "the body beats");
        let cached = by(json!({"prompt_cache_key": "s"}));
        assert_eq!(cached, (named.0, false));
        assert_ne!(cached, by(json!({"prompt_cache_key": "t"})));
    }
}
