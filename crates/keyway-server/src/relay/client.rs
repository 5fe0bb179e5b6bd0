//! Who waits for an answer.

use std::time::Duration;

use super::head::Head;
use super::outlet::Outlet;

/// Silence after which a client is told that its stream is still coming. Some give up after five
/// seconds, and ask again.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(3);

/// What the client was given so far.
pub(super) enum Client {
    /// Nothing: an error can still have a status of its own.
    Waiting(Head),
    /// The head of a stream, and comments; what comes now comes as an event.
    Streaming(Outlet),
}

impl Client {
    /// Waits until nobody listens any more.
    pub(super) async fn closed(&mut self) {
        match self {
            Self::Waiting(head) => head.closed().await,
            Self::Streaming(events) => events.closed().await,
        }
    }
}

/// Waits until it has been silent for so long; the clock is not asked before that is waited for.
pub(super) async fn silence() {
    tokio::time::sleep(KEEP_ALIVE).await;
}
