//! The kinds of tokens that have prices of their own.

use crate::money::Rate;

/// A kind of token. Every token of a request is of exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Of the prompt, and none of the next five.
    Prompt,
    /// Read from the provider's cache.
    CacheRead,
    /// Written to the provider's cache for as long as it keeps by default (Anthropic: five minutes).
    CacheWrite,
    /// Written to the provider's cache for an hour.
    CacheWriteHour,
    /// What an image of the prompt is to the model.
    Image,
    /// What audio of the prompt is to the model.
    Audio,
    /// Of the completion, and none of the next three.
    Completion,
    /// Thought, not said.
    Reasoning,
    /// Of an image that the model made.
    ImageOutput,
    /// Of audio that the model made.
    AudioOutput,
}

impl Kind {
    /// Those beside the two that every price has.
    pub const EXTRA: [Self; 8] = [
        Self::CacheRead,
        Self::CacheWrite,
        Self::CacheWriteHour,
        Self::Image,
        Self::Audio,
        Self::Reasoning,
        Self::ImageOutput,
        Self::AudioOutput,
    ];

    /// What the API and the configuration call its price.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prompt => "prompt",
            Self::CacheRead => "input_cache_read",
            Self::CacheWrite => "input_cache_write",
            Self::CacheWriteHour => "input_cache_write_1h",
            Self::Image => "image_token",
            Self::Audio => "audio",
            Self::Completion => "completion",
            Self::Reasoning => "internal_reasoning",
            Self::ImageOutput => "image_output",
            Self::AudioOutput => "audio_output",
        }
    }

    /// Whether it goes in, rather than comes out.
    pub const fn is_prompt(self) -> bool {
        !matches!(self, Self::Completion | Self::Reasoning | Self::ImageOutput | Self::AudioOutput)
    }

    /// Whether it is there because the prompt was cached.
    pub const fn is_cache(self) -> bool {
        matches!(self, Self::CacheRead | Self::CacheWrite | Self::CacheWriteHour)
    }

    /// Where [`Rates`] keep it; `None` for the two that they do not keep.
    pub(super) const fn place(self) -> Option<usize> {
        match self {
            Self::Prompt | Self::Completion => None,
            Self::CacheRead => Some(0),
            Self::CacheWrite => Some(1),
            Self::CacheWriteHour => Some(2),
            Self::Image => Some(3),
            Self::Audio => Some(4),
            Self::Reasoning => Some(5),
            Self::ImageOutput => Some(6),
            Self::AudioOutput => Some(7),
        }
    }
}

/// Rates of kinds beside prompt and completion, as far as they are said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates([Option<Rate>; Kind::EXTRA.len()]);

impl Rates {
    pub const NONE: Self = Self([None; Kind::EXTRA.len()]);

    /// The rates that `rate` says.
    pub fn from_fn(mut rate: impl FnMut(Kind) -> Option<Rate>) -> Self {
        Self(Kind::EXTRA.map(&mut rate))
    }

    pub fn get(&self, kind: Kind) -> Option<Rate> {
        self.0[kind.place()?]
    }

    pub(super) fn overridden_by(self, later: Self) -> Self {
        Self::from_fn(|kind| later.get(kind).or_else(|| self.get(kind)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_the_place_that_it_is_listed_at() {
        let places = Kind::EXTRA.map(Kind::place);
        assert_eq!(places, std::array::from_fn(Some));
        assert_eq!([Kind::Prompt, Kind::Completion].map(Kind::place), [None; 2]);
    }
}
