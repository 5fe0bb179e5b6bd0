//! The store is kept from growing by what nobody needs any more.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::Node;

/// How often it is looked for.
const EVERY: Duration = Duration::from_mins(1);
/// Calls in a row where each finds something; the rest waits for the next time.
const CALLS_MAX: u32 = 20;

impl Node {
    /// Looks for it until `stop` is cancelled, beside everything else.
    pub async fn prune(self: Arc<Self>, stop: CancellationToken) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let mut rows = 0;
            for _ in 0..CALLS_MAX {
                match self.store.prune(self.memory.meter.epoch(), self.clock.own()).await {
                    Ok(0) => break,
                    Ok(gone) => rows += gone,
                    Err(error) => {
                        tracing::debug!(%error, "what is not needed any more stays for now");
                        break;
                    }
                }
            }
            if rows > 0 {
                tracing::debug!(rows, "what was not needed any more is gone from the store");
            }
        }
    }
}
