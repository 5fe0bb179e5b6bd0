//! Prices to compare models by.

use keyway_core::catalogue::Endpoint;
use keyway_core::pricing::Pricing;

/// The cheapest of `endpoints` whose price is known: what a model costs where nothing else is said.
pub(super) fn cheapest(endpoints: &[Endpoint]) -> Option<&Endpoint> {
    let known = endpoints.iter().filter_map(|it| Some((it, it.pricing.as_ref()?)));
    let cheapest = known.min_by_key(|(_, pricing)| average(pricing));
    cheapest.map(|(endpoint, _)| endpoint).or_else(|| endpoints.first())
}

/// Twice the average of both sides, to compare prices by.
pub(super) fn average(pricing: &Pricing) -> i128 {
    pricing.prompt.femtos().saturating_add(pricing.completion.femtos())
}
