//! What must be true, whatever happened.

use std::collections::BTreeMap;

use super::world::{World, answer};
use crate::budget::{WindowKind, Windows};
use crate::id::AccountId;
use crate::ledger::{LeaseCall, Leased, Refusal, RefusalReason, Slice};
use crate::money::Nanos;
use crate::store::Store;

impl World {
    /// After every step.
    pub(super) fn check(&mut self) {
        for at in 0..self.nodes.len() {
            if self.nodes[at].up && self.is_live(at) {
                self.check_conservation(at);
            }
            self.check_holds(at);
        }
        self.check_charges();
    }

    fn is_live(&self, at: usize) -> bool {
        let node = &self.nodes[at];
        answer(self.store.node_poll(node.epoch, i64::MAX, self.time())).is_ok()
    }

    /// What the store has leased to a node is what the node has, to the nano-dollar: nothing is
    /// stranded, and nothing made up.
    fn check_conservation(&self, at: usize) {
        let node = &self.nodes[at];
        let mut expected: BTreeMap<Slice, i64> = BTreeMap::new();
        for (slice, granted, held) in node.ledger.leases() {
            assert!(held <= granted, "more is held than was leased: {slice:?}");
            *expected.entry(slice).or_default() += granted.get();
        }
        for calling in &node.calling {
            let on_its_way = match calling.executed {
                Some(leased) => leased.granted,
                None => calling.call.give_back,
            };
            *expected.entry(calling.call.slice).or_default() += on_its_way.get();
        }
        for request in node.requests.values().filter(|request| request.written) {
            let settlement = request.settling.as_ref().expect("it was written");
            for draw in &settlement.draws {
                *expected.entry(draw.slice).or_default() -= draw.amount.get();
            }
        }
        expected.retain(|_, amount| *amount != 0);
        let leased = self.store.leases_of(node.epoch).into_iter();
        let leased: BTreeMap<Slice, i64> =
            leased.map(|(slice, amount)| (slice, amount.get())).filter(|(_, a)| *a != 0).collect();
        assert_eq!(leased, expected, "leased to {}, and what it has", node.name);
    }

    /// What a node holds is what its requests reserved.
    fn check_holds(&self, at: usize) {
        let node = &self.nodes[at];
        for key in &self.keys {
            let here = node.requests.values();
            let here = here.filter(|request| request.metered.accounts.contains(&key.account));
            let reserved: i64 = here.map(|request| request.bound.get()).sum();
            assert_eq!(node.ledger.held(key.account).0.get(), reserved, "held on {}", node.name);
        }
        let all = node.requests.len() + node.waiting.len();
        assert_eq!(node.ledger.in_flight(), all, "in flight on {}", node.name);
    }

    /// The sums of the windows are the sums of the charges, and every answer is charged for.
    fn check_charges(&self) {
        let mut charged: BTreeMap<AccountId, i64> = BTreeMap::new();
        for (id, truth) in &self.truths {
            let record = answer(self.store.generation(*id)).expect("the model reads");
            let Some(record) = record else {
                assert_eq!(truth.delivered, Nanos::ZERO, "{id} was answered, and is nowhere");
                continue;
            };
            let charge = match &record.settlement {
                Some(settlement) => {
                    for account in &record.request.accounts {
                        *charged.entry(*account).or_default() += settlement.charge.get();
                    }
                    settlement.charge
                }
                None => record.authorised,
            };
            assert!(charge >= truth.delivered, "{id} was given more than it is charged");
            assert!(!truth.complete || charge == truth.cost, "{id} was answered in full");
            assert_eq!(record.request.accounts[0], truth.account);
        }
        for key in &self.keys {
            let balance = answer(self.store.balance(key.account)).expect("the model reads");
            let spent = balance[WindowKind::Total.index()].spend.spent.get();
            assert_eq!(spent, charged.get(&key.account).copied().unwrap_or(0), "{:?}", key.name);
        }
    }

    /// What is granted fits under the limit that is in force.
    pub(super) fn check_grant(&self, call: &LeaseCall, leased: &Leased) {
        if leased.granted == Nanos::ZERO {
            return;
        }
        let key = self.keys.iter().find(|key| key.account == call.slice.account).expect("a key");
        let key = answer(crate::store::contract::fixture::get(&self.store, key.hash, self.time()));
        let key = key.expect("it is there");
        let (figures, terms) = (leased.figures, key.terms);
        // A repeated call may tell of a grant under terms that have changed since.
        if figures.state.terms.window() == call.slice.kind && figures.mine >= leased.granted {
            let all = self.all_leased(call.slice);
            let limit = terms.limit.expect("all are limited");
            let fits = figures.spent.get() + all <= limit.get();
            let lowered = self.was_lowered(call.slice.account);
            assert!(fits || lowered, "more is leased than the limit leaves: {call:?}");
        }
    }

    /// Leased to all runs, live or not.
    fn all_leased(&self, slice: Slice) -> i64 {
        let last = self.nodes.iter().map(|node| node.epoch.0).max().unwrap_or(0);
        let epochs = (1..=last + 1).map(crate::id::Epoch);
        let leases = epochs.flat_map(|epoch| self.store.leases_of(epoch));
        leases.filter(|(of, _)| *of == slice).map(|(_, amount)| amount.get()).sum()
    }

    /// Whether an account's terms ever changed: what was leased before may be above a limit of now.
    fn was_lowered(&self, account: AccountId) -> bool {
        let poll = answer(self.store.node_poll(self.nodes[0].epoch, 0, self.time()));
        poll.map_or(true, |poll| poll.changes.iter().any(|change| change.account == account))
    }

    /// A request is refused only where the limit less the charges is smaller than its bound.
    pub(super) fn check_refusal(&self, at: usize, refusal: &Refusal) {
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

    /// When everything has come to its end nothing is held, leased or open.
    pub(super) fn check_the_end(&mut self) {
        for node in &self.nodes {
            assert_eq!(node.requests.len() + node.waiting.len(), 0, "{} still works", node.name);
        }
        let last = self.nodes.iter().map(|node| node.epoch.0).max().unwrap_or(0);
        for epoch in (1..=last).map(crate::id::Epoch) {
            let left: i64 =
                self.store.leases_of(epoch).iter().map(|(_, amount)| amount.get()).sum();
            let node = self.nodes.iter().find(|node| node.epoch == epoch);
            assert_eq!(left, 0, "leased to {epoch:?} in the end: {node:#?}");
        }
        for id in self.truths.keys() {
            if let Some(record) = answer(self.store.generation(*id)).expect("the model reads") {
                assert!(record.settlement.is_some(), "{id} is open in the end");
            }
        }
    }
}
