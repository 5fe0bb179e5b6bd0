//! How the endpoints did of late, on this node: fed by dispatch and pump, read by routing.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

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

/// The model's id, the provider's slug, and what the provider calls the model there.
type Key = (String, String, String);

fn key(attempt: &Attempt) -> Key {
    let endpoint = attempt.endpoint();
    (attempt.model().id.clone(), endpoint.tag(), endpoint.upstream_model.clone())
}

impl Healths {
    /// Remembers how a request to the endpoint went.
    pub(super) fn record(&self, attempt: &Attempt, outcome: Outcome, now: Timestamp) {
        let mut endpoints = self.lock();
        let key = key(attempt);
        if endpoints.len() >= ENDPOINTS_MAX && !endpoints.contains_key(&key) {
            endpoints.retain(|_, observed| observed.figures(now).is_some());
            if endpoints.len() >= ENDPOINTS_MAX {
                return;
            }
        }
        endpoints.entry(key).or_default().record(outcome, now);
    }

    /// The health of each of `attempts`; with figures where somebody `looks` at them, which takes
    /// sorting.
    pub(super) fn of<'a>(
        &self,
        attempts: impl Iterator<Item = &'a Attempt>,
        looks: bool,
        now: Timestamp,
    ) -> Vec<Health> {
        let endpoints = self.lock();
        attempts
            .map(|attempt| match endpoints.get(&key(attempt)) {
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
