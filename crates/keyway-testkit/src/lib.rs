//! What Keyway's tests stand on: the real binary on a real socket, a plain client, and a provider
//! that does what a test tells it. Never shipped.

mod certificates;
mod chaos;
mod checker;
mod client;
mod cluster;
mod crowd;
mod disk;
mod faketime;
mod gateway;
mod port;
mod postgres;
mod provider;
mod proxy;
mod random;
mod ticket;
mod upstream;

pub use certificates::{AUTHORITY_FILE, Certificates};
pub use chaos::{Chaos, Every};
pub use checker::{Books, LedgerRow, Verdict, check};
pub use client::{Client, Reply, Streamed};
pub use cluster::{Cluster, Plan};
pub use crowd::{Ask, Attempt, Crowd, Outcome, Retry, Told, Why};
pub use disk::{Disk, Event, Recorder};
pub use gateway::{Gateway, MANAGEMENT_KEY, Setup, Stopped};
pub use postgres::Postgres;
pub use provider::{Gate, Provider, Received, Script};
pub use proxy::{Mode, Proxy};
pub use random::Random;
pub use ticket::Ticket;
pub use upstream::{Dispatch, Pace, Upstream};

use std::future::Future;
use std::time::Duration;

/// How long a test waits for a condition before it fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until `condition` answers something; asks again and again, bounded by [`PATIENCE`].
///
/// # Panics
/// When it takes longer; `what` says what was waited for.
pub async fn eventually<T, F, Fut>(what: &str, mut condition: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    let waiting = async {
        loop {
            if let Some(met) = condition().await {
                return met;
            }
            ticks.tick().await;
        }
    };
    let met = tokio::time::timeout(PATIENCE, waiting).await;
    met.unwrap_or_else(|_| panic!("waited in vain: {what}"))
}
