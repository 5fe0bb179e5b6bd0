//! What a connection is busy with, as its socket has to know it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;

use futures_util::task::AtomicWaker;

/// The requests of one connection.
#[derive(Debug, Default)]
pub(super) struct Presence {
    running: AtomicUsize,
    /// Ever; a change says that there was one since the last look.
    begun: AtomicUsize,
    reader: AtomicWaker,
}

/// One request, until its answer is given; over when dropped.
#[derive(Debug)]
pub(super) struct Visit(Arc<Presence>);

impl Presence {
    pub(super) fn begin(self: &Arc<Self>) -> Visit {
        self.running.fetch_add(1, Ordering::AcqRel);
        self.begun.fetch_add(1, Ordering::AcqRel);
        Visit(Arc::clone(self))
    }

    /// Whoever reads is woken when a request is over: only then silence begins to count, and the
    /// protocol alone might not read again before something comes.
    pub(super) fn is_read_by(&self, reader: &Waker) {
        self.reader.register(reader);
    }

    pub(super) fn is_busy(&self) -> bool {
        self.running.load(Ordering::Acquire) > 0
    }

    pub(super) fn begun(&self) -> usize {
        self.begun.load(Ordering::Acquire)
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::AcqRel);
        self.0.reader.wake();
    }
}
