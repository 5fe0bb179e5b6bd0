//! Answers that grow beyond what was reserved for them.

use std::sync::Arc;

use super::trouble::Fault;
use super::world::World;
use crate::id::GenerationId;
use crate::ledger::{Admission, Metered, Refusal, RefusalReason};
use crate::money::Nanos;

impl World {
    pub(super) fn extend(&mut self, at: usize) {
        let Some(id) = self.pick(at, |request| request.settling.is_none()) else { return };
        if self.nodes[at].extending.contains_key(&id) {
            return;
        }
        let held = self.nodes[at].requests[&id].bound;
        let bound = held.saturating_add(Nanos::new(1 + self.below(60) as i64));
        let now = self.time_at(at);
        match self.nodes[at].ledger.extend(id, bound, now).expect("it is open") {
            Admission::Waiting => {
                self.nodes[at].extending.insert(id, bound);
            }
            admission => self.extended(at, id, bound, admission),
        }
    }

    /// What was decided of an extension.
    pub(super) fn extended(
        &mut self,
        at: usize,
        id: GenerationId,
        bound: Nanos,
        admission: Admission,
    ) {
        let request = self.nodes[at].requests.get_mut(&id).expect("it is in flight");
        match admission {
            Admission::Admitted(windows) => {
                assert_eq!(windows, request.metered.windows, "it stays in its windows");
                request.bound = bound;
                request.metered =
                    Arc::new(Metered { reserved: bound, ..Metered::clone(&request.metered) });
                let cost = request.cost.min(bound);
                self.truths.get_mut(&id).expect("it was admitted").cost = cost;
            }
            Admission::Refused(refusal) => self.check_no_extension(at, id, &refusal),
            Admission::Waiting | Admission::Unopened(_) => panic!("not a decision"),
        }
    }

    pub(super) fn give_up_extending(&mut self, at: usize) {
        let Some(id) = self.nodes[at].extending.keys().next().copied() else { return };
        let now = self.time_at(at);
        self.nodes[at].ledger.give_up(id, now).expect("it waits");
        self.nodes[at].extending.remove(&id);
    }

    /// In the window of its admission, under the terms of then, it is refused only where a request
    /// that came now would be.
    fn check_no_extension(&self, at: usize, id: GenerationId, refusal: &Refusal) {
        let request = &self.nodes[at].requests[&id];
        let amended = self.amended.contains_key(&refusal.account);
        let ended = request.metered.windows != self.windows(at);
        let uncertain = amended || ended || self.trouble.has(Fault::Clock);
        // A request that held nothing is not in a lease.
        if uncertain || request.bound == Nanos::ZERO {
            return;
        }
        assert_ne!(refusal.reason, RefusalReason::Closed, "its terms never changed");
        self.check_refusal(at, refusal);
    }
}
