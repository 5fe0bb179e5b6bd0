//! The store's clock, as this node can tell it: its own, corrected by the difference.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use keyway_core::clock::{Clock, Timestamp};

/// Windows open by the store's clock. How far a node's own is off is measured with every poll.
pub struct StoreClock {
    own: Arc<dyn Clock>,
    offset_micros: AtomicI64,
}

impl StoreClock {
    pub fn new(own: Arc<dyn Clock>) -> Self {
        Self { own, offset_micros: AtomicI64::new(0) }
    }

    /// This node's own clock.
    pub fn own(&self) -> Timestamp {
        self.own.now()
    }

    /// The store said `store` between two looks at the own clock. What is known stays as it is where
    /// that agrees: an answer that took long says little, and must not spoil one that came at once.
    pub fn correct(&self, before: Timestamp, store: Timestamp, after: Timestamp) {
        let [least, most] = [after.max(before), before]
            .map(|own| store.as_micros().saturating_sub(own.as_micros()));
        let known = self.offset_micros.load(Ordering::Relaxed);
        self.offset_micros.store(known.clamp(least, most), Ordering::Relaxed);
    }
}

impl Clock for StoreClock {
    fn now(&self) -> Timestamp {
        let own = self.own.now().as_micros();
        Timestamp::from_micros(own.saturating_add(self.offset_micros.load(Ordering::Relaxed)))
    }
}

impl std::fmt::Debug for StoreClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreClock")
            .field("offset_micros", &self.offset_micros)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use keyway_core::clock::ManualClock;

    use super::*;

    #[test]
    fn a_clock_that_is_minutes_off_tells_the_stores_time() {
        for off in [-300, -5, 0, 5, 300] {
            let store = Timestamp::from_micros(1_800_000_000_000_000);
            let own = Arc::new(ManualClock::at(store.plus_seconds(off)));
            let clock = StoreClock::new(Arc::clone(&own) as Arc<dyn Clock>);
            clock.correct(clock.own(), store, clock.own());
            assert_eq!(clock.now(), store);
            own.set(store.plus_seconds(off + 60));
            assert_eq!(clock.now(), store.plus_seconds(60));
        }
    }

    #[test]
    fn an_answer_that_took_long_spoils_nothing() {
        let store = Timestamp::from_micros(1_800_000_000_000_000);
        let own = Arc::new(ManualClock::at(store));
        let clock = StoreClock::new(Arc::clone(&own) as Arc<dyn Clock>);
        for (before, after) in [(0, 3), (-3, 0), (-3, 3)] {
            clock.correct(store.plus_seconds(before), store, store.plus_seconds(after));
            assert_eq!(clock.now(), store);
        }
        // No way of the answer explains this one: the clock is two seconds behind at least.
        clock.correct(store.plus_seconds(-5), store, store.plus_seconds(-2));
        assert_eq!(clock.now(), store.plus_seconds(2));
    }
}
