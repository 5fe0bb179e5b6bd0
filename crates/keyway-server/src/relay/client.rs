//! Who waits for an answer.

use super::head::Head;
use super::outlet::Outlet;

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
