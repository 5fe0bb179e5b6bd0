//! What a request may cost at most, and what it did cost.
//!
//! A price is that of the public API (contract, C.6): a rate for each kind of token, flat amounts, and
//! overrides that apply above a length of the prompt or at a time of day. All kinds of a side are
//! disjoint when they are priced, so that no token is paid for twice and none is free by mistake.

mod change;
mod condition;
mod rates;
mod usage;
mod worst;

#[cfg(test)]
mod tests;

pub use change::{RateChange, changes};
pub use condition::{Days, Hours, Override};
pub use rates::{Kind, Rates};
pub use usage::{Usage, Uses};
pub use worst::Worst;

use crate::clock::Timestamp;
use crate::money::{Discount, Femtos, Nanos, Rate};

/// The price of one endpoint. An endpoint whose price nobody knows has none, which is not the price 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pricing {
    /// For a token of the prompt of which no other rate says more.
    pub prompt: Rate,
    /// For a token of the completion of which no other rate says more.
    pub completion: Rate,
    /// Of the other kinds of tokens. One that is absent costs what its side does.
    pub kinds: Rates,
    /// For the request itself, however long it is, or for each search unit of a ranking.
    pub request: Rate,
    /// For each image of the prompt, beside its tokens.
    pub image: Rate,
    /// In order: of those that apply, a later one wins, rate by rate.
    pub overrides: Vec<Override>,
    /// Taken off the sum.
    pub discount: Discount,
}

/// A cost, whole and by side. The parts are rounded for display only; the whole is the charge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    pub total: Nanos,
    /// Of everything that went in, flat amounts among it.
    pub prompt: Nanos,
    pub completion: Nanos,
    /// What caching saved, in comparison to the same prompt without a cache; below zero where it was
    /// written and cost more than it saved.
    pub cache_discount: Nanos,
}

impl Pricing {
    /// So much for each token of the prompt and of the completion, of whatever kind.
    pub const fn per_token(prompt: Rate, completion: Rate) -> Self {
        Self {
            prompt,
            completion,
            kinds: Rates::NONE,
            request: Rate::ZERO,
            image: Rate::ZERO,
            overrides: Vec::new(),
            discount: Discount::NONE,
        }
    }

    /// Whether nothing ever costs anything.
    pub fn is_free(&self) -> bool {
        let worst = self.worst(u64::MAX, Uses::ALL);
        worst == Worst::default()
    }

    /// What `usage` costs, rounded up once.
    ///
    /// `at` is the moment of the request's admission, for prices that depend on the time of day.
    pub fn cost(&self, usage: Usage, at: Timestamp) -> Cost {
        let rates = self.rates(usage.prompt_tokens, at);
        let flat = self.request.times(usage.requests()).plus(self.image.times(usage.images));
        let (mut prompt, mut completion, mut uncached) = (flat, Femtos::default(), flat);
        for (kind, tokens) in usage.by_kind() {
            let cost = rates.of(kind).times(tokens);
            if kind.is_prompt() {
                prompt = prompt.plus(cost);
                let plain = if kind.is_cache() { Kind::Prompt } else { kind };
                uncached = uncached.plus(rates.of(plain).times(tokens));
            } else {
                completion = completion.plus(cost);
            }
        }
        let round = |sum: Femtos| sum.less(self.discount).round_up();
        Cost {
            total: round(prompt.plus(completion)),
            prompt: round(prompt),
            completion: round(completion),
            cache_discount: round(uncached).saturating_sub(round(prompt)),
        }
    }

    /// What each kind of token costs in a request of `prompt_tokens` at `at`.
    fn rates(&self, prompt_tokens: u64, at: Timestamp) -> Effective {
        let (mut prompt, mut completion, mut kinds) = (self.prompt, self.completion, self.kinds);
        for it in self.overrides.iter().filter(|it| it.applies(prompt_tokens, at)) {
            prompt = it.prompt.unwrap_or(prompt);
            completion = it.completion.unwrap_or(completion);
            kinds = kinds.overridden_by(it.kinds);
        }
        Effective { prompt, completion, kinds }
    }
}

/// The rates that apply to one request.
#[derive(Clone, Copy, Debug)]
struct Effective {
    prompt: Rate,
    completion: Rate,
    kinds: Rates,
}

impl Effective {
    fn of(&self, kind: Kind) -> Rate {
        let side = if kind.is_prompt() { self.prompt } else { self.completion };
        self.kinds.get(kind).unwrap_or(side)
    }
}
