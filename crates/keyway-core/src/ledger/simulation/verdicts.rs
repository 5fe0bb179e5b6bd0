//! What nodes decide, against what the store knows.

use super::world::{World, answer};
use crate::budget::{WindowKind, Windows};
use crate::id::AccountId;
use crate::ledger::{LeaseCall, Leased, Refusal, RefusalReason, Slice};
use crate::money::Nanos;
use crate::store::Store;
use crate::store::contract::fixture;

impl World {
    /// What is granted fits under the limit that is in force.
    pub(super) fn check_grant(&self, call: &LeaseCall, leased: &Leased) {
        if leased.granted == Nanos::ZERO {
            return;
        }
        let key = self.keys.iter().find(|key| key.account == call.slice.account).expect("a key");
        let key = answer(fixture::get(&self.store, key.hash, self.time()));
        let key = key.expect("it is there");
        let (figures, terms) = (leased.figures, key.terms);
        // A repeated call may tell of a grant under terms that have changed since.
        if figures.state.terms.window() == call.slice.kind && figures.mine >= leased.granted {
            let all = self.all_leased(call.slice);
            let limit = terms.limit.expect("all are limited");
            let fits = figures.spent.get() + all <= limit.get();
            let amended = self.amended.contains_key(&call.slice.account);
            assert!(fits || amended, "I1: more is leased than the limit leaves: {call:?}");
        }
    }

    /// Leased to all runs, live or not.
    fn all_leased(&self, slice: Slice) -> i64 {
        let leases = self.store.leases().into_iter();
        leases.filter(|(of, ..)| *of == slice).map(|(.., amount)| amount.get()).sum()
    }

    /// A request is refused only where the limit less the charges is smaller than its bound.
    pub(super) fn check_refusal(&self, at: usize, refusal: &Refusal) {
        if !self.store.writing().contains(&self.nodes[at].epoch) {
            // It has not noticed yet that it is ended, or what a fail-over lost.
            return;
        }
        let now_in_force = self.state_of(refusal.account);
        if self.nodes[at].states.get(&refusal.account) != Some(&now_in_force) {
            return;
        }
        if refusal.reason == RefusalReason::Closed {
            assert!(!now_in_force.open, "refused as closed though it is open");
            return;
        }
        if refusal.reason == RefusalReason::Held {
            return;
        }
        let balance = answer(self.store.balance(refusal.account)).expect("the model reads");
        let window = balance[now_in_force.terms.window().index()];
        let current = self.windows(at).start_of(now_in_force.terms.window());
        if window.starts_at > current {
            return;
        }
        let spent = if window.starts_at == current { window.spend.spent.get() } else { 0 };
        let limit = now_in_force.terms.limit.expect("all are limited").get();
        assert!(limit - spent < refusal.bound.get(), "refused though it fits: {refusal:?}");
    }

    pub(super) fn check_admission(&self, at: usize, accounts: &[AccountId], windows: Windows) {
        for account in accounts {
            let open = self.nodes[at].states.get(account).is_some_and(|state| state.open);
            assert!(open, "admitted on an account that it knows to be closed");
        }
        // A clock that steps back opens no window again; it never runs ahead of what it was.
        for kind in WindowKind::ALL {
            assert!(windows.start_of(kind) >= self.windows(at).start_of(kind), "an ended window");
        }
        for (slice, _, held) in self.nodes[at].ledger.leases() {
            let old = slice.starts_at < self.windows(at).start_of(slice.kind);
            let earlier = self.nodes[at]
                .requests
                .values()
                .any(|request| request.metered.windows.start_of(slice.kind) == slice.starts_at);
            assert!(!old || held == Nanos::ZERO || earlier, "held in a window that ended");
        }
    }
}
