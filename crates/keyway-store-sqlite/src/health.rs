//! Whether the store can be written, said once when it changes and not with every call.

use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Debug, Default)]
pub(crate) struct Health {
    failing: AtomicBool,
}

impl Health {
    /// A transaction was committed.
    pub(crate) fn succeeded(&self) {
        if self.failing.swap(false, Ordering::Relaxed) {
            tracing::info!("the store can be written again");
        }
    }

    /// A transaction failed as a whole; nothing of it is there.
    pub(crate) fn failed(&self, error: &rusqlite::Error) {
        if !self.failing.swap(true, Ordering::Relaxed) {
            tracing::error!(%error, "the store cannot be written; requests are refused until it can be");
        }
    }
}
