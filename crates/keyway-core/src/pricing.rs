//! What a request may cost at most, and what it did cost.

use crate::money::{Femtos, Nanos, Rate};

/// The price of one endpoint, per token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pricing {
    pub prompt: Rate,
    pub completion: Rate,
}

/// Tokens of one request. The API's `usage` fields are money; this is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
}

impl Usage {
    /// Tokens of both sides.
    pub fn total(self) -> u64 {
        self.prompt_tokens.saturating_add(self.completion_tokens)
    }
}

/// A cost, whole and by side. The parts are rounded for display only; the whole is the charge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    pub total: Nanos,
    pub prompt: Nanos,
    pub completion: Nanos,
}

impl Pricing {
    pub fn is_free(&self) -> bool {
        self.prompt.is_zero() && self.completion.is_zero()
    }

    pub fn cost(&self, usage: Usage) -> Cost {
        let prompt = self.prompt.times(usage.prompt_tokens);
        let completion = self.completion.times(usage.completion_tokens);
        let total: Femtos = prompt.plus(completion);
        Cost {
            total: total.round_up(),
            prompt: prompt.round_up(),
            completion: completion.round_up(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_is_rounded_once() {
        let third = Rate::from_femtos(333_333);
        let pricing = Pricing { prompt: third, completion: third };
        let cost = pricing.cost(Usage { prompt_tokens: 1, completion_tokens: 1 });
        assert_eq!(
            (cost.total, cost.prompt, cost.completion),
            (Nanos::new(1), Nanos::new(1), Nanos::new(1))
        );
    }
}
