//! How the endpoints did of late, on this node: fed by dispatch and pump, read by routing.

use std::sync::{Mutex, MutexGuard, PoisonError};

use hashbrown::{Equivalent, HashMap};
use keyway_core::clock::Timestamp;
use keyway_core::routing::{Attempt, Health, Observed, Outcome};

/// Endpoints that are remembered. There are as many as the catalogue has; one that is refreshed may
/// leave some behind.
const ENDPOINTS_MAX: usize = 16_384;

/// What was observed of every endpoint that was tried.
#[derive(Debug, Default)]
pub struct Healths {
    endpoints: Mutex<HashMap<Key, Observed>>,
}

/// What tells an endpoint from others, whichever edition of the catalogue it is in.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    model: String,
    provider: String,
    variant: Option<String>,
    upstream_model: String,
}

/// The same, where the catalogue has it: to look up, nothing is copied.
#[derive(Clone, Copy, Hash)]
struct Borrowed<'a> {
    model: &'a str,
    provider: &'a str,
    variant: Option<&'a str>,
    upstream_model: &'a str,
}

impl<'a> Borrowed<'a> {
    fn of(attempt: &'a Attempt) -> Self {
        let endpoint = attempt.endpoint();
        Self {
            model: &attempt.model().id,
            provider: &endpoint.provider,
            variant: endpoint.traits.variant.as_deref(),
            upstream_model: &endpoint.upstream_model,
        }
    }

    fn to_key(self) -> Key {
        Key {
            model: self.model.to_owned(),
            provider: self.provider.to_owned(),
            variant: self.variant.map(str::to_owned),
            upstream_model: self.upstream_model.to_owned(),
        }
    }
}

impl Equivalent<Key> for Borrowed<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.upstream_model == key.upstream_model
            && self.provider == key.provider
            && self.variant == key.variant.as_deref()
            && self.model == key.model
    }
}

impl Healths {
    /// Remembers how a request to the endpoint went.
    pub(super) fn record(&self, attempt: &Attempt, outcome: Outcome, now: Timestamp) {
        let (mut endpoints, key) = (self.lock(), Borrowed::of(attempt));
        if let Some(observed) = endpoints.get_mut(&key) {
            return observed.record(outcome, now);
        }
        if endpoints.len() >= ENDPOINTS_MAX {
            endpoints.retain(|_, observed| observed.figures(now).is_some());
            if endpoints.len() >= ENDPOINTS_MAX {
                return;
            }
        }
        endpoints.entry(key.to_key()).or_default().record(outcome, now);
    }

    /// The health of each of `attempts`; with figures where somebody `looks` at them, which takes
    /// sorting.
    pub(super) fn of<'a>(
        &self,
        attempts: impl Iterator<Item = &'a Attempt>,
        looks: bool,
        now: Timestamp,
    ) -> Vec<Health> {
        let mut endpoints = self.lock();
        attempts
            .map(|attempt| match endpoints.get_mut(&Borrowed::of(attempt)) {
                Some(observed) => Health {
                    is_unstable: observed.is_unstable(now),
                    figures: if looks { observed.figures(now) } else { None },
                },
                None => Health::default(),
            })
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Observed>> {
        self.endpoints.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use keyway_core::catalogue::{About, Endpoint, Model, Patience, Traits};

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_000_000);

    fn attempt(model: &str, variant: Option<&str>) -> Attempt {
        let endpoint = Endpoint {
            provider: "openai".to_owned(),
            upstream_model: "gpt".to_owned(),
            pricing: None,
            traits: Traits { variant: variant.map(str::to_owned), ..Traits::default() },
            patience: Patience::default(),
        };
        let model = Model {
            id: model.to_owned(),
            name: model.to_owned(),
            context_length: 1,
            max_completion_tokens: 1,
            distillable: false,
            about: About::default(),
            endpoints: vec![endpoint],
        };
        Attempt::new(&Arc::new(model), 0).expect("it has one")
    }

    #[test]
    fn an_endpoint_is_found_again_in_another_edition_and_no_other_is_taken_for_it() {
        let healths = Healths::default();
        let failed = Outcome::Failed { retry_after_seconds: None };
        healths.record(&attempt("a/b", None), failed, NOW);
        healths.record(&attempt("a/b", None), failed, NOW);
        let asked = [("a/b", None), ("a/c", None), ("a/b", Some("turbo"))]
            .map(|(model, variant)| attempt(model, variant));
        let unstable: Vec<_> =
            healths.of(asked.iter(), false, NOW).iter().map(|it| it.is_unstable).collect();
        assert_eq!(unstable, [true, false, false]);
        assert_eq!(healths.lock().len(), 1);
    }
}
