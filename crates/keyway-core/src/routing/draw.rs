//! Chance, from a seed: the order in which endpoints take turns.

use crate::catalogue::Endpoint;

/// What the cheapest endpoint weighs is the square of this.
const SCALE: u128 = 1 << 32;

/// Tokens of either side of the request that endpoints are compared by.
const TOKENS: u64 = 1_000;

/// What such a request costs at an endpoint, in nano-dollars. What nobody knows is taken for the most
/// that there is.
pub(super) fn price(endpoint: &Endpoint) -> u128 {
    let Some(pricing) = &endpoint.pricing else { return u128::from(u64::MAX) };
    let tokens = pricing.prompt.times(TOKENS).plus(pricing.completion.times(TOKENS));
    let whole = tokens.plus(pricing.request.times(1)).less(pricing.discount);
    u128::try_from(whole.round_up().get()).unwrap_or(0)
}

/// The indices of `prices`, drawn one after the other, each with the inverse square of its price as its
/// weight. What is free comes before what is not.
///
/// Any part of the answer is drawn as if it were the whole.
pub(super) fn shuffle(prices: &[u128], seed: u64) -> Vec<usize> {
    let mut random = Random(seed);
    let mut left: Vec<usize> = (0..prices.len()).collect();
    if left.len() < 2 {
        return left;
    }
    let least = prices.iter().copied().filter(|price| *price > 0).min().unwrap_or(1);
    let mut drawn = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let free = left.iter().any(|index| prices[*index] == 0);
        let weight = |index: usize| match prices[index] {
            0 => 1,
            _ if free => 0,
            price => (SCALE * least / price).pow(2).max(1),
        };
        let total = left.iter().map(|index| weight(*index)).sum();
        let mut rest = random.below(total);
        let chosen = left.iter().position(|index| {
            let weight = weight(*index);
            let hit = rest < weight;
            rest = rest.saturating_sub(weight);
            hit
        });
        drawn.push(left.swap_remove(chosen.unwrap_or(0)));
    }
    drawn
}

/// SplitMix64.
struct Random(u64);

impl Random {
    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Less than `bound`, which is above zero.
    fn below(&mut self, bound: u128) -> u128 {
        ((u128::from(self.next()) << 64) | u128::from(self.next())) % bound
    }
}
