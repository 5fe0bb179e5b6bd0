//! The transactions that a store's writer committed, and who is told of each.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Is told what a store's writer does.
pub trait Observer: Send + Sync {
    /// One transaction of so many calls was committed, after so long.
    fn committed(&self, calls: usize, took: Duration);
}

/// What can be seen of a store's writer.
pub trait Writing: Send + Sync {
    /// Tells `observer` of each transaction from now on; whoever came first stays.
    fn observe(&self, observer: Arc<dyn Observer>);

    /// Calls that wait to be written.
    fn queued(&self) -> usize;
}

/// Counts them; tells nobody until somebody observes.
#[derive(Default)]
pub struct Commits {
    count: AtomicU64,
    observer: OnceLock<Arc<dyn Observer>>,
}

impl Commits {
    /// So far.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Tells `observer` from now on; whoever came first stays.
    pub fn observe(&self, observer: Arc<dyn Observer>) {
        let _ = self.observer.set(observer);
    }

    /// Whether it is of use to know how long a transaction takes.
    pub fn is_observed(&self) -> bool {
        self.observer.get().is_some()
    }

    /// One more, of so many calls, that took so long where that is known.
    pub fn add(&self, calls: usize, took: Option<Duration>) {
        self.count.fetch_add(1, Ordering::Relaxed);
        if let (Some(observer), Some(took)) = (self.observer.get(), took) {
            observer.committed(calls, took);
        }
    }
}

impl fmt::Debug for Commits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commits").field("count", &self.count()).finish_non_exhaustive()
    }
}
