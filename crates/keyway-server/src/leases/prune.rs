//! The store is kept from growing by what nobody needs any more.

use std::sync::Arc;
use std::time::Duration;

use keyway_core::store::StoreError;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::Node;

/// How often it is looked for.
const EVERY: Duration = Duration::from_mins(1);
/// Calls in a row where each finds something; the rest waits for the next time.
const CALLS_MAX: u32 = 20;
const DAY_SECONDS: i64 = 24 * 60 * 60;

impl Node {
    /// Looks for it until `stop` is cancelled, beside everything else. What was said in requests is kept
    /// for `kept_days`.
    pub async fn prune(self: Arc<Self>, kept_days: u32, stop: CancellationToken) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let prune = || self.store.prune(self.memory.meter.epoch(), self.clock.own());
            let mut rows = repeat(prune).await;
            let until = self.clock.own().plus_seconds(-i64::from(kept_days) * DAY_SECONDS);
            rows += repeat(|| self.store.content_prune(until)).await;
            if rows > 0 {
                tracing::debug!(rows, "what was not needed any more is gone from the store");
            }
        }
    }
}

/// Calls until nothing more is found, up to [`CALLS_MAX`] times. Answers how much was.
async fn repeat<T: Future<Output = Result<u64, StoreError>>>(call: impl Fn() -> T) -> u64 {
    let mut rows = 0;
    for _ in 0..CALLS_MAX {
        match call().await {
            Ok(0) => break,
            Ok(gone) => rows += gone,
            Err(error) => {
                tracing::debug!(%error, "what is not needed any more stays for now");
                break;
            }
        }
    }
    rows
}
