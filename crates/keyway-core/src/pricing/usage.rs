//! The tokens of a request, by kind.

use super::rates::Kind;

/// Tokens of one request. The API's `usage` fields are money; this is not.
///
/// `prompt_tokens` and `completion_tokens` count everything of their side; the others say how much of
/// it was of which kind, as OpenAI's `*_details` do. A provider that counts otherwise (Anthropic's
/// `input_tokens` leave out what was cached) is added up by its adapter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// All that the model read, cached and written to the cache, images and audio among it.
    pub prompt_tokens: u64,
    /// All that the model wrote, reasoning, images and audio among it.
    pub completion_tokens: u64,
    /// Of the prompt: read from the cache.
    pub cached_tokens: u64,
    /// Of the prompt: written to the cache for as long as it keeps by default.
    pub cache_write_tokens: u64,
    /// Of the prompt: written to the cache for an hour. Not among `cache_write_tokens`.
    pub cache_write_1h_tokens: u64,
    /// Of the prompt: what its images are to the model.
    pub image_tokens: u64,
    /// Of the prompt: what its audio is to the model.
    pub audio_tokens: u64,
    /// Of the completion: thought, not said.
    pub reasoning_tokens: u64,
    /// Of the completion: images.
    pub image_output_tokens: u64,
    /// Of the completion: audio.
    pub audio_output_tokens: u64,
    /// Images of the prompt, for providers that charge by image. No tokens.
    pub images: u64,
    /// What a ranking is, for providers that charge by it: each costs what a request does, and what
    /// counts none is one. No tokens.
    pub search_units: u64,
}

impl Usage {
    /// Tokens of which nothing more is known.
    pub const fn of(prompt_tokens: u64, completion_tokens: u64) -> Self {
        Self {
            prompt_tokens,
            completion_tokens,
            cached_tokens: 0,
            cache_write_tokens: 0,
            cache_write_1h_tokens: 0,
            image_tokens: 0,
            audio_tokens: 0,
            reasoning_tokens: 0,
            image_output_tokens: 0,
            audio_output_tokens: 0,
            images: 0,
            search_units: 0,
        }
    }

    /// How often the price of a request is due.
    pub(super) fn requests(self) -> u64 {
        self.search_units.max(1)
    }

    /// Tokens of both sides.
    pub const fn total(self) -> u64 {
        self.prompt_tokens.saturating_add(self.completion_tokens)
    }

    /// The same with parts that fit their wholes: a provider that counts more cached tokens than the
    /// prompt has is wrong about one of them, and the whole is what it bills at least.
    #[must_use]
    pub fn clamped(self) -> Self {
        let tokens = |kind| {
            let found = self.by_kind().into_iter().find(|(it, _)| *it == kind);
            found.map_or(0, |(_, tokens)| tokens)
        };
        Self {
            cached_tokens: tokens(Kind::CacheRead),
            cache_write_tokens: tokens(Kind::CacheWrite),
            cache_write_1h_tokens: tokens(Kind::CacheWriteHour),
            image_tokens: tokens(Kind::Image),
            audio_tokens: tokens(Kind::Audio),
            reasoning_tokens: tokens(Kind::Reasoning),
            image_output_tokens: tokens(Kind::ImageOutput),
            audio_output_tokens: tokens(Kind::AudioOutput),
            ..self
        }
    }

    /// Every token once. Where kinds overlap (audio that was cached) or exceed their side, the cache's
    /// come first; what is left over is plain.
    pub(super) fn by_kind(&self) -> [(Kind, u64); 10] {
        let mut left = self.prompt_tokens;
        let written_1h = take(&mut left, self.cache_write_1h_tokens);
        let written = take(&mut left, self.cache_write_tokens);
        let cached = take(&mut left, self.cached_tokens);
        let audio = take(&mut left, self.audio_tokens);
        let image = take(&mut left, self.image_tokens);
        let mut said = self.completion_tokens;
        let reasoning = take(&mut said, self.reasoning_tokens);
        let audio_output = take(&mut said, self.audio_output_tokens);
        let image_output = take(&mut said, self.image_output_tokens);
        [
            (Kind::Prompt, left),
            (Kind::CacheRead, cached),
            (Kind::CacheWrite, written),
            (Kind::CacheWriteHour, written_1h),
            (Kind::Image, image),
            (Kind::Audio, audio),
            (Kind::Completion, said),
            (Kind::Reasoning, reasoning),
            (Kind::ImageOutput, image_output),
            (Kind::AudioOutput, audio_output),
        ]
    }
}

fn take(left: &mut u64, tokens: u64) -> u64 {
    let taken = tokens.min(*left);
    *left -= taken;
    taken
}

/// The kinds of tokens that a request may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uses([bool; Kind::EXTRA.len()]);

impl Uses {
    /// Everything: for requests of which nothing is known.
    pub const ALL: Self = Self([true; Kind::EXTRA.len()]);

    /// Text, a cache and reasoning, which any request may use; and of the others what `may` says.
    pub fn beside_text(mut may: impl FnMut(Kind) -> bool) -> Self {
        Self(Kind::EXTRA.map(|kind| match kind {
            Kind::CacheRead | Kind::CacheWrite | Kind::Reasoning => true,
            _ => may(kind),
        }))
    }

    pub(super) fn of(self, kind: Kind) -> bool {
        kind.place().is_none_or(|place| self.0[place])
    }
}
