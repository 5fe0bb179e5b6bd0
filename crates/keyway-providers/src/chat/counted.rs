//! What a provider counted, put into the `usage` block of the form in the middle.

use serde_json::{Value, json};

/// Tokens as OpenAI counts them: the details are parts of the two sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) prompt: u64,
    /// Of the prompt: read from a cache.
    pub(crate) cached: u64,
    /// Of the prompt: written to a cache, for whatever time.
    pub(crate) cache_write: u64,
    /// Of those: written to stay for an hour.
    pub(crate) cache_write_1h: u64,
    /// Of the prompt: pictures and sounds.
    pub(crate) images: u64,
    pub(crate) audio: u64,
    pub(crate) completion: u64,
    /// Of the completion: thoughts.
    pub(crate) reasoning: u64,
    pub(crate) images_out: u64,
    pub(crate) audio_out: u64,
}

impl Counted {
    pub(crate) fn block(self) -> Value {
        let of_prompt = [
            ("cache_write_tokens", self.cache_write),
            ("cache_write_1h_tokens", self.cache_write_1h),
            ("image_tokens", self.images),
            ("audio_tokens", self.audio),
        ];
        let of_completion = [("image_tokens", self.images_out), ("audio_tokens", self.audio_out)];
        json!({
            "prompt_tokens": self.prompt,
            "completion_tokens": self.completion,
            "total_tokens": self.prompt.saturating_add(self.completion),
            "prompt_tokens_details": details(("cached_tokens", self.cached), &of_prompt),
            "completion_tokens_details":
                details(("reasoning_tokens", self.reasoning), &of_completion),
        })
    }
}

/// The first is always told, of the others what there is.
fn details(first: (&str, u64), others: &[(&str, u64)]) -> Value {
    let told = others.iter().copied().filter(|(_, tokens)| *tokens > 0);
    let told = [first].into_iter().chain(told);
    Value::Object(told.map(|(kind, tokens)| (kind.to_owned(), tokens.into())).collect())
}
