//! The dearest that a price can be.

use super::rates::Kind;
use super::usage::{Usage, Uses};
use super::{Override, Pricing};
use crate::money::{Femtos, Nanos, Rate};

/// What a request costs where each of its tokens is of the dearest kind, in the dearest tier that its
/// prompt reaches, at the dearest hour. Discounts are taken off, so that sums need no more than one
/// rounding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Worst {
    /// For a token of the prompt.
    pub prompt: Rate,
    /// For a token of the completion.
    pub completion: Rate,
    request: Rate,
    image: Rate,
}

impl Pricing {
    /// The dearest that a request of at most `prompt_tokens` can pay, that uses what `uses` says.
    pub fn worst(&self, prompt_tokens: u64, uses: Uses) -> Worst {
        let reached = || self.overrides.iter().filter(|it| it.may_apply(prompt_tokens));
        let dearest = |base: Rate, overridden: fn(&Override) -> Option<Rate>, is_prompt: bool| {
            let kinds = Kind::EXTRA.into_iter();
            let kinds = kinds.filter(|kind| kind.is_prompt() == is_prompt && uses.of(*kind));
            let of_kind = |kind: Kind| {
                reached().filter_map(move |it| it.kinds.get(kind)).chain(self.kinds.get(kind))
            };
            let sides = reached().filter_map(overridden).chain([base]);
            let rate = kinds.flat_map(of_kind).chain(sides).max().unwrap_or(base);
            rate.less(self.discount)
        };
        Worst {
            prompt: dearest(self.prompt, |it| it.prompt, true),
            completion: dearest(self.completion, |it| it.completion, false),
            request: self.request.less(self.discount),
            image: self.image.less(self.discount),
        }
    }

    /// The dearest that a token of `kind` can be beside a prompt of at most `prompt_tokens`.
    pub fn dearest(&self, kind: Kind, prompt_tokens: u64) -> Rate {
        let reached = || self.overrides.iter().filter(|it| it.may_apply(prompt_tokens));
        let base = if kind.is_prompt() { self.prompt } else { self.completion };
        let side = |it: &Override| if kind.is_prompt() { it.prompt } else { it.completion };
        let own = reached().filter_map(|it| it.kinds.get(kind)).chain(self.kinds.get(kind)).max();
        // Without a rate of its own it costs what its side does, as long as nothing says otherwise.
        let plain = reached().filter_map(side).chain([base]).max();
        let plain = plain.filter(|_| self.kinds.get(kind).is_none());
        own.max(plain).unwrap_or(base).less(self.discount)
    }

    /// The most that any usage of at most so many tokens of each side, and images, can cost.
    pub fn bound(&self, most: Usage) -> Nanos {
        self.worst(most.prompt_tokens, Uses::ALL).cost(most)
    }
}

impl Worst {
    /// The dearer of both in everything: what a request costs at most at either of two endpoints.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            prompt: self.prompt.max(other.prompt),
            completion: self.completion.max(other.completion),
            request: self.request.max(other.request),
            image: self.image.max(other.image),
        }
    }

    /// The cost of so many tokens of each side, and images; of which kind they are does not matter.
    pub fn cost(&self, usage: Usage) -> Nanos {
        self.sum(usage).round_up()
    }

    /// How many completion tokens `budget` affords beside the rest of `usage`; `None` where they are
    /// free. Zero also where it does not afford the rest.
    pub fn affordable(&self, usage: Usage, budget: Nanos) -> Option<u64> {
        let rest = self.sum(Usage { completion_tokens: 0, ..usage });
        if rest.round_up() > budget {
            return Some(0);
        }
        self.completion.affordable_beside(rest, budget)
    }

    fn sum(&self, usage: Usage) -> Femtos {
        let tokens = self.prompt.times(usage.prompt_tokens);
        let tokens = tokens.plus(self.completion.times(usage.completion_tokens));
        let flat = self.request.times(usage.requests()).plus(self.image.times(usage.images));
        tokens.plus(flat)
    }
}
