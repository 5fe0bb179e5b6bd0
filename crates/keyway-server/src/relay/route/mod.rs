//! From a request to its plan: which models it names, what it wants of their endpoints, and which of
//! them may be tried, in order.

mod models;
mod none;
mod preferences;

use keyway_core::catalogue::Catalogue;
use keyway_core::clock::Timestamp;
use keyway_core::key::KeyRecord;
use keyway_core::routing::{self, Attempt, Candidate, Needs, Plan, Preferences};
use keyway_providers::chat::ChatRequest;

use self::models::Named;
use super::admit::invalid;
use super::byok::Brought;
use super::sticky::Conversation;
use crate::app::App;
use crate::entropy::random_ahead;
use crate::http::error::ApiError;

/// Who asks, and what that decides of the plan.
#[derive(Debug)]
pub(super) struct Asker<'a> {
    pub(super) key: &'a KeyRecord,
    /// What the request goes by to its end, whatever is put in its place meanwhile.
    pub(super) catalogue: &'a Catalogue,
    /// Credentials that came with the request.
    pub(super) brought: &'a Brought,
    pub(super) conversation: &'a Conversation,
    pub(super) now: Timestamp,
}

/// Plans `request`; one that `is_limited` only over endpoints whose price is known.
///
/// # Errors
/// 400 where it says something that is not allowed, 404 where no endpoint is left that it allows.
pub(super) fn route(
    app: &App,
    request: &mut ChatRequest,
    asker: &Asker<'_>,
    is_limited: bool,
) -> Result<Plan, ApiError> {
    let models = models::named(asker.catalogue, request)?;
    let preferences = preferences::read(request).map_err(invalid)?;
    if models.iter().any(Named::thinks) {
        request.default_to_reasoning();
    }
    let needs = Needs { known_price: is_limited, ..preferences::needs(request) };
    let candidates = candidates(app, request, &models, &preferences, asker);
    let seed = u64::from_be_bytes(random_ahead());
    routing::plan(&candidates, &preferences, &needs, seed)
        .map_err(|none| none::error(app, &models, &candidates, &preferences, &none))
}

/// Every endpoint of the models, with what is known of it, once for each credential that it may be tried
/// with.
fn candidates(
    app: &App,
    request: &ChatRequest,
    models: &[Named],
    preferences: &Preferences,
    asker: &Asker<'_>,
) -> Vec<Candidate> {
    let now = asker.now;
    let sorts = preferences.sort.is_some() || models.iter().any(Named::sorts);
    let looks =
        sorts || !preferences.min_throughput.is_empty() || !preferences.max_latency.is_empty();
    let endpoints = models.iter().enumerate().flat_map(|(number, named)| {
        let attempts = (0..).map_while(|endpoint| Attempt::new(&named.model, endpoint));
        attempts.map(move |attempt| (number, named.variant, attempt))
    });
    let attempts: Vec<_> = endpoints
        .filter(|(.., attempt)| app.upstreams.contains_key(&attempt.endpoint().provider))
        .collect();
    let health = app.health.of(attempts.iter().map(|(.., it)| it), looks, now);
    let with_health = attempts.into_iter().zip(health);
    let credentials = app.vault.credentials();
    with_health
        .flat_map(|((model, variant, attempt), health)| {
            let is_sticky = app.sticky.is_at(asker.conversation, request, &attempt, now);
            let turns = asker.brought.turns(&credentials, asker.key, &attempt);
            turns.into_iter().map(move |(attempt, turn)| Candidate {
                attempt,
                model,
                variant,
                turn,
                health,
                is_sticky,
            })
        })
        .collect()
}
