//! Moments of a clock that goes on while the machine sleeps.
//!
//! The usual monotonic clock stands still meanwhile, and a node that slept would take for fresh what
//! is hours old.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

#[cfg(any(target_os = "linux", target_os = "android"))]
const CLOCK: ClockId = ClockId::Boottime;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const CLOCK: ClockId = ClockId::Monotonic;

/// A moment, as the time since the machine was started.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment(Duration);

impl Moment {
    pub(super) fn now() -> Self {
        // It counts from the start of the machine: neither part is negative.
        let since_start = clock_gettime(CLOCK);
        let seconds = u64::try_from(since_start.tv_sec).unwrap_or_default();
        let nanos = u32::try_from(since_start.tv_nsec).unwrap_or_default();
        Self(Duration::new(seconds, nanos))
    }

    pub(super) fn elapsed(self) -> Duration {
        Self::now().0.saturating_sub(self.0)
    }
}
