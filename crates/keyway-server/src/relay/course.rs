//! The course that a request took, as its record keeps it.

use keyway_core::clock::Timestamp;
use keyway_core::ledger::{Course, Metered, Tried};
use keyway_core::money::Nanos;
use keyway_core::pricing::{Cost, Usage};
use keyway_core::routing::Attempt;
use keyway_providers::chat::About;

use super::origin::kept;

const MICROS_PER_MS: i64 = 1_000;

/// What is known when an endpoint begins to answer, or none does.
pub(super) fn begun(
    request: &Metered,
    attempt: Option<&Attempt>,
    tried: Vec<Tried>,
    now: Timestamp,
) -> Course {
    Course {
        endpoint: attempt.map(|attempt| attempt.endpoint().tag()),
        first_ms: attempt.map(|_| since_admission(request, now)),
        tried,
        ..Course::default()
    }
}

/// The same at the end, with what the provider said about its answer.
pub(super) fn ended(begun: &Course, request: &Metered, about: &About, now: Timestamp) -> Course {
    let finish = about.finish.as_ref();
    Course {
        upstream_id: about.id.as_deref().and_then(kept),
        finish_reason: finish.and_then(|it| kept(&it.reason)),
        native_finish_reason: finish.and_then(|it| kept(&it.native)),
        service_tier: about.service_tier.as_deref().and_then(kept),
        generation_ms: Some(since_admission(request, now)),
        media_completion: begun.endpoint.as_ref().map(|_| about.images),
        ..begun.clone()
    }
}

/// What caching saved, where anything was cached.
pub(super) fn cache_discount(usage: &Usage, cost: &Cost) -> Option<Nanos> {
    let written = usage.cache_write_tokens.saturating_add(usage.cache_write_1h_tokens);
    (usage.cached_tokens > 0 || written > 0).then_some(cost.cache_discount)
}

/// Whole milliseconds; a clock that stepped back says none.
fn since_admission(request: &Metered, now: Timestamp) -> u64 {
    let micros = now.as_micros().saturating_sub(request.admitted_at.as_micros());
    u64::try_from(micros / MICROS_PER_MS).unwrap_or(0)
}
