//! Which endpoints a request may try, and in which order (contract, C.1).
//!
//! A pure function of the endpoints of the models that the request names, of what it asks for, of how
//! the endpoints did of late, and of a seed. Filters let nothing through that the request did not
//! allow; all else only decides who comes first.

mod draw;
mod filter;
mod health;
mod plan;
mod preferences;
#[cfg(test)]
mod tests;
mod variant;

use std::cmp::Reverse;

pub use filter::Exclusion;
pub use health::{Figures, Health, Observed, Outcome, Percentiles};
pub use plan::{Attempt, Plan, Presented};
pub use preferences::{Cutoffs, MaxPrice, Needs, Preferences, Sort};
pub use variant::Variant;

use filter::{Reach, exclusion, is_apt};
use preferences::names;

/// Endpoints that one request tries at most: each of them counts in what it reserves.
pub const ATTEMPTS_MAX: usize = 12;

/// When an endpoint is tried, by whose credential it is tried with (contract, B.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Turn {
    /// The key's own, before everything else, the lower numbers first.
    Prioritized(u32),
    /// The operator's.
    #[default]
    Shared,
    /// The key's own, when nothing else answered.
    Fallback(u32),
}

/// An endpoint that may come into a plan.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub attempt: Attempt,
    /// Which of the models that the request names it serves, from 0.
    pub model: usize,
    pub variant: Option<Variant>,
    pub turn: Turn,
    pub health: Health,
    /// It answered this conversation before, and may have its prompt in its cache.
    pub is_sticky: bool,
}

/// No endpoint is left: what stood against each, in the candidates' order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoEndpoint {
    pub exclusions: Vec<Exclusion>,
}

impl NoEndpoint {
    /// What was missing to the endpoint that came nearest; `None` where there was no endpoint at all.
    pub fn nearest(&self) -> Option<Exclusion> {
        self.exclusions.iter().copied().max()
    }
}

/// Plans a request. The same arguments make the same plan.
///
/// # Errors
/// Where nothing is left that the request allows.
pub fn plan(
    candidates: &[Candidate],
    preferences: &Preferences,
    needs: &Needs,
    seed: u64,
) -> Result<Plan, NoEndpoint> {
    let mut exclusions = Vec::new();
    let mut left: Vec<&Candidate> = Vec::new();
    for candidate in candidates {
        let reach = Reach::of(&candidate.attempt, candidates);
        match exclusion(candidate, reach, preferences, needs) {
            None => left.push(candidate),
            Some(exclusion) => exclusions.push(exclusion),
        }
    }
    let mut ordered = balanced(&left, preferences, seed);
    ordered.sort_by_cached_key(|candidate| place(candidate, preferences, needs));
    bound(&mut ordered, preferences);
    let attempts = ordered.into_iter().map(|candidate| candidate.attempt.clone()).collect();
    Plan::new(attempts).ok_or(NoEndpoint { exclusions })
}

/// Spread over the endpoints by their prices, unless the request wants an order of its own: then the
/// cheapest comes first among those that it does not tell apart.
fn balanced<'a>(
    left: &[&'a Candidate],
    preferences: &Preferences,
    seed: u64,
) -> Vec<&'a Candidate> {
    let price = |candidate: &&Candidate| draw::price(candidate.attempt.endpoint());
    if preferences.sort.is_some() || !preferences.order.is_empty() {
        let mut cheapest_first = left.to_vec();
        cheapest_first.sort_by_key(price);
        return cheapest_first;
    }
    let prices: Vec<u128> = left.iter().map(price).collect();
    draw::shuffle(&prices, seed).into_iter().map(|index| left[index]).collect()
}

/// Whom a candidate comes before: those of a larger place.
type Place = (bool, usize, Turn, usize, bool, bool, bool, Reverse<u128>, u128);

fn place(candidate: &Candidate, preferences: &Preferences, needs: &Needs) -> Place {
    let endpoint = candidate.attempt.endpoint();
    let named = preferences.order.iter().position(|slug| names(slug, endpoint));
    // What the request named itself is tried in its order, whatever is known of it.
    let is_free_to_move = named.is_none();
    let (most, least) =
        sorted_by(candidate, preferences.sort.or(candidate.variant.and_then(Variant::sort)));
    (
        is_free_to_move && misses(&candidate.health, preferences),
        if preferences.across_models { 0 } else { candidate.model },
        candidate.turn,
        named.unwrap_or(usize::MAX),
        is_free_to_move && candidate.health.is_unstable,
        is_free_to_move && !is_apt(endpoint, needs),
        preferences.order.is_empty() && !candidate.is_sticky,
        Reverse(most),
        least,
    )
}

/// What is to be large, and what is to be small. What is not known comes last.
fn sorted_by(candidate: &Candidate, sort: Option<Sort>) -> (u128, u128) {
    let figures = candidate.health.figures.as_ref();
    let p50 = |percentiles: Option<Percentiles>| percentiles.map(|it| u128::from(it.p50));
    match sort {
        None => (0, 0),
        Some(Sort::Price) => (0, draw::price(candidate.attempt.endpoint())),
        Some(Sort::Throughput) => (p50(figures.and_then(|it| it.throughput)).unwrap_or(0), 0),
        Some(Sort::Latency) => (0, p50(figures.and_then(|it| it.latency_ms)).unwrap_or(u128::MAX)),
        Some(Sort::Exacto) => (figures.map_or(0, |it| u128::from(it.success_permille)), 0),
    }
}

/// Whether what was observed falls short of what the request would like. Nothing observed falls short of
/// nothing.
fn misses(health: &Health, preferences: &Preferences) -> bool {
    let Some(figures) = &health.figures else { return false };
    let falls_short = figures.throughput.is_some_and(|seen| {
        let pairs = seen.each().into_iter().zip(preferences.min_throughput.each());
        pairs.into_iter().any(|(seen, least)| least.is_some_and(|least| seen < least))
    });
    let takes_long = figures.latency_ms.is_some_and(|seen| {
        let pairs = seen.each().into_iter().zip(preferences.max_latency.each());
        pairs.into_iter().any(|(seen, most)| most.is_some_and(|most| seen > most))
    });
    falls_short || takes_long
}

/// Keeps as many as may be tried, of every model at least the first.
fn bound(ordered: &mut Vec<&Candidate>, preferences: &Preferences) {
    let models = ordered.iter().map(|candidate| candidate.model).max().map_or(1, |most| most + 1);
    let only_first = !preferences.allow_fallbacks && preferences.order.is_empty();
    let each = if only_first { 1 } else { (ATTEMPTS_MAX / models).max(1) };
    let mut taken = vec![0; models];
    ordered.retain(|candidate| {
        taken[candidate.model] += 1;
        taken[candidate.model] <= each
    });
    ordered.truncate(ATTEMPTS_MAX);
}
