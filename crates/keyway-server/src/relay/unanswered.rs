//! The end of a request of whose answer nothing was given, and why that was so.

use std::sync::Arc;

use keyway_core::ledger::{Ending, Metered, Outcome, Tried};
use keyway_core::money::Nanos;
use keyway_core::pricing::Usage;

use super::meter::Late;
use crate::app::App;
use crate::http::error::ApiError;

/// Why no endpoint answered a request.
pub(super) struct Undone {
    pub(super) ending: Ending,
    pub(super) error: ApiError,
    /// The endpoints that failed.
    pub(super) tried: Vec<Tried>,
}

impl Undone {
    /// By something else than an endpoint.
    pub(super) fn by(ending: Ending, error: impl Into<ApiError>) -> Self {
        Self { ending, error: error.into(), tried: Vec::new() }
    }
}

/// Ends a request that nobody was given anything of, at no charge: where a mark of it may be in the store
/// it is settled, and its reservation is free again only then.
pub(super) async fn end_unanswered(app: &App, metered: &Arc<Metered>, ending: Ending) {
    app.metrics.unanswered(&metered.model, ending, metered.streamed);
    let (id, model) = (&metered.id, &metered.model);
    tracing::info!(%id, model, ending = ending.as_str(), "a request was not answered");
    if app.meter.void(metered.id) {
        return;
    }
    let outcome = Outcome {
        usage: Usage::default(),
        cost: Nanos::ZERO,
        byok: Nanos::ZERO,
        free: true,
        ending,
        estimated: false,
        course: Arc::default(),
    };
    if let Err(error) = app.meter.settle(metered, &outcome, Late::Waive).await {
        tracing::debug!(%error, "a request that was not answered is settled later");
    }
}
