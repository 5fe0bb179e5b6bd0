//! What a connection is busy with, as its socket has to know it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::Waker;

use futures_util::task::AtomicWaker;
use tokio::time::{Duration, Instant};

/// The requests of one connection.
#[derive(Debug)]
pub(super) struct Presence {
    running: AtomicUsize,
    /// Ever; a change says that there was one since the last look.
    begun: AtomicUsize,
    opened: Instant,
    /// When the last request was over, and when whoever reads is woken anyway; microseconds since the
    /// connection was opened.
    ended: AtomicU64,
    minded_until: AtomicU64,
    reader: AtomicWaker,
}

/// One request, until its answer is given; over when dropped.
#[derive(Debug)]
pub(super) struct Visit(Arc<Presence>);

impl Presence {
    pub(super) fn new(opened: Instant) -> Self {
        Self {
            running: AtomicUsize::new(0),
            begun: AtomicUsize::new(0),
            opened,
            ended: AtomicU64::new(0),
            minded_until: AtomicU64::new(0),
            reader: AtomicWaker::new(),
        }
    }

    pub(super) fn begin(self: &Arc<Self>) -> Visit {
        self.running.fetch_add(1, Ordering::AcqRel);
        self.begun.fetch_add(1, Ordering::AcqRel);
        Visit(Arc::clone(self))
    }

    /// Whoever reads is woken when a request is over, unless it is minded: only then silence begins to count,
    /// and the protocol alone might not read again before something comes.
    pub(super) fn is_read_by(&self, reader: &Waker) {
        self.reader.register(reader);
    }

    /// Whoever reads is woken at `until` anyway, before silence that begins by then is too long: so it need
    /// not be at the end of each request.
    pub(super) fn is_minded_until(&self, until: Option<Instant>) {
        let until = until.map_or(0, |until| self.micros(until));
        self.minded_until.store(until, Ordering::Release);
    }

    pub(super) fn is_busy(&self) -> bool {
        self.running.load(Ordering::Acquire) > 0
    }

    pub(super) fn begun(&self) -> usize {
        self.begun.load(Ordering::Acquire)
    }

    /// Since when no request runs, where none does.
    pub(super) fn silent_since(&self) -> Instant {
        self.opened + Duration::from_micros(self.ended.load(Ordering::Acquire))
    }

    fn micros(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.opened);
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let presence = &*self.0;
        let now = presence.micros(Instant::now());
        presence.ended.store(now, Ordering::Release);
        presence.running.fetch_sub(1, Ordering::AcqRel);
        if presence.minded_until.load(Ordering::Acquire) <= now {
            presence.reader.wake();
        }
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::woken::Woken;

    #[tokio::test(start_paused = true)]
    async fn who_reads_is_woken_at_the_end_of_a_request_unless_it_is_minded() {
        let second = Duration::from_secs(1);
        let (opened, woken) = (Instant::now(), Arc::<Woken>::default());
        let presence = Arc::new(Presence::new(opened));
        let woken_by_one = async || {
            let before = woken.count();
            presence.is_read_by(&woken.waker());
            let visit = presence.begin();
            tokio::time::advance(second).await;
            assert!(presence.is_busy());
            drop(visit);
            assert!(!presence.is_busy());
            assert_eq!(presence.silent_since(), Instant::now());
            woken.count() - before
        };
        assert_eq!(woken_by_one().await, 1);
        presence.is_minded_until(Some(opened + 3 * second));
        assert_eq!(woken_by_one().await, 0);
        assert_eq!(woken_by_one().await, 1, "the alarm went off meanwhile");
        presence.is_minded_until(Some(opened + 9 * second));
        assert_eq!(woken_by_one().await, 0);
        presence.is_minded_until(None);
        assert_eq!(woken_by_one().await, 1);
        assert_eq!(presence.begun(), 5);
    }
}
