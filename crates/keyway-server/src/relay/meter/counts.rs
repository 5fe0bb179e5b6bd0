//! What the meter counts of itself: of what is rare enough to be counted always.

use std::sync::atomic::{AtomicU64, Ordering};

use keyway_core::ledger::{Admission, LeaseCall, Leased};
use keyway_core::money::Nanos;
use tokio::time::Instant;

use super::ReserveError;

/// Since the start.
#[derive(Debug, Default)]
pub(crate) struct MeterCounts {
    /// Reservations that waited for others', and were made in the end, or were not.
    pub(crate) waits_admitted: AtomicU64,
    pub(crate) waits_refused: AtomicU64,
    pub(crate) waited_micros: AtomicU64,
    /// Calls for leases that got something, and those that gave something back.
    pub(crate) leases_granted: AtomicU64,
    pub(crate) leases_returned: AtomicU64,
    /// Leases that others asked back.
    pub(crate) leases_recalled: AtomicU64,
}

type Waited = Result<Option<Admission>, ReserveError>;

impl MeterCounts {
    /// Counts how a wait goes, and how long it lasts.
    pub(super) async fn wait(&self, waiting: impl Future<Output = Waited>) -> Waited {
        let began = Instant::now();
        let waited = waiting.await;
        let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.waited_micros.fetch_add(micros, Ordering::Relaxed);
        match &waited {
            Ok(Some(Admission::Admitted(_))) => add(&self.waits_admitted, 1),
            Ok(Some(Admission::Refused(_))) | Err(_) => add(&self.waits_refused, 1),
            // It asks anew.
            Ok(Some(Admission::Waiting | Admission::Unopened(_)) | None) => {}
        }
        waited
    }

    pub(super) fn leased(&self, call: &LeaseCall, leased: &Leased) {
        if leased.granted > Nanos::ZERO {
            add(&self.leases_granted, 1);
        }
        if call.give_back > Nanos::ZERO {
            add(&self.leases_returned, 1);
        }
    }

    pub(super) fn recalled(&self, leases: usize) {
        add(&self.leases_recalled, leases as u64);
    }
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}
