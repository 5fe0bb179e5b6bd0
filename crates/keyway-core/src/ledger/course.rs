//! What is known of a metered request beside its money: who sent it, and the course that it took. Nothing
//! is charged by it.
//!
//! Texts in it come from clients and providers. Whoever fills it in has cut them to a length, masked what
//! looks like a key, and left no control character in: not every store takes those.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::money::Nanos;

/// Failed attempts that are kept of one request; a plan rarely has more.
pub const TRIED_MAX: usize = 16;

/// What kind of work was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ApiType {
    /// Whatever says something: chat, completions, messages, responses.
    Completions,
    Embeddings,
    Rerank,
}

impl ApiType {
    pub const ALL: [Self; 3] = [Self::Completions, Self::Embeddings, Self::Rerank];

    /// The contract's word, which the store uses too.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completions => "completions",
            Self::Embeddings => "embeddings",
            Self::Rerank => "rerank",
        }
    }
}

/// Who sent a request, and what it was, as is known when it is admitted. Absent is what was not said, or
/// not kept yet when the request was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The catalogue that it was routed and priced by.
    pub catalogue_version: Option<Arc<str>>,
    pub api_type: Option<ApiType>,
    pub http_referer: Option<String>,
    pub user_agent: Option<String>,
    /// What the client calls its own user.
    pub external_user: Option<String>,
    pub session_id: Option<String>,
    /// Images, files and videos of the prompt,
    pub media_prompt: Option<u64>,
    /// and its pieces of audio.
    pub audio_prompt: Option<u64>,
}

impl Origin {
    pub(super) fn without_texts(&self) -> Self {
        let Self { api_type, media_prompt, audio_prompt, .. } = *self;
        Self { api_type, media_prompt, audio_prompt, ..Self::default() }
    }
}

/// How a request was answered, as is known when it ends. Absent is what nobody said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Course {
    /// The endpoint that answered; `None` where none did.
    pub endpoint: Option<String>,
    /// What the provider calls the answer.
    pub upstream_id: Option<String>,
    /// In OpenRouter's words, and in the provider's.
    pub finish_reason: Option<String>,
    pub native_finish_reason: Option<String>,
    /// The tier that the provider says that it served it in.
    pub service_tier: Option<String>,
    /// From its admission until the provider began to answer.
    pub first_ms: Option<u64>,
    /// From its admission to the end of the answer.
    pub generation_ms: Option<u64>,
    /// Images of the answer.
    pub media_completion: Option<u64>,
    /// What reading from the cache saved; negative where writing to it cost more than that.
    pub cache_discount: Option<Nanos>,
    /// The endpoints that failed before, in their order; [`TRIED_MAX`] at most.
    pub tried: Vec<Tried>,
}

impl Course {
    pub(super) fn without_texts(&self) -> Self {
        let Self { first_ms, generation_ms, media_completion, cache_discount, .. } = *self;
        Self { first_ms, generation_ms, media_completion, cache_discount, ..Self::default() }
    }
}

/// An endpoint that did not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// By its slug.
    pub provider: String,
    pub model: String,
    pub endpoint: String,
    /// What it answered; `None` where it did not.
    pub status: Option<u16>,
    pub is_byok: bool,
    /// How long that took.
    pub ms: u64,
}

impl Tried {
    /// Attempts as a store keeps them: one a line, fields apart by tabs. `None` where there are none.
    pub fn to_text(tried: &[Self]) -> Option<String> {
        let mut text = String::new();
        for it in tried.iter().take(TRIED_MAX) {
            let status = it.status.unwrap_or(0);
            for field in [&it.provider, &it.model, &it.endpoint] {
                text.extend(field.chars().map(|it| if it.is_control() { ' ' } else { it }));
                text.push('\t');
            }
            writeln!(text, "{status}\t{}\t{}", u8::from(it.is_byok), it.ms).expect("memory");
        }
        (!text.is_empty()).then_some(text)
    }

    /// The attempts that were kept as `text`; `None` where it is no such text.
    pub fn parse_all(text: &str) -> Option<Vec<Self>> {
        text.lines().map(Self::parse).collect()
    }

    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split('\t');
        let mut next = || fields.next();
        let (provider, model, endpoint) = (next()?, next()?, next()?);
        let (status, byok, ms) = (next()?.parse().ok()?, next()?, next()?.parse().ok()?);
        Some(Self {
            provider: provider.to_owned(),
            model: model.to_owned(),
            endpoint: endpoint.to_owned(),
            status: Some(status).filter(|status| *status > 0),
            is_byok: byok == "1",
            ms,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_kept_as_text() {
        let tried = |endpoint: &str, status, is_byok| Tried {
            provider: "openai".to_owned(),
            model: "openai/gpt-4o".to_owned(),
            endpoint: endpoint.to_owned(),
            status,
            is_byok,
            ms: 1_200,
        };
        let all = vec![tried("openai", Some(429), false), tried("azure/eu", None, true)];
        let text = Tried::to_text(&all).expect("two");
        assert_eq!(Tried::parse_all(&text), Some(all.clone()), "{text}");
        assert_eq!(Tried::to_text(&[]), None);
        assert_eq!(Tried::parse_all("nothing"), None);
        let torn = Tried::to_text(&[tried("a\tb\nc", None, false)]).expect("one");
        assert_eq!(Tried::parse_all(&torn), Some(vec![tried("a b c", None, false)]));
        let many = vec![all[0].clone(); TRIED_MAX + 1];
        let kept = Tried::parse_all(&Tried::to_text(&many).expect("many")).expect("attempts");
        assert_eq!(kept.len(), TRIED_MAX);
    }
}
