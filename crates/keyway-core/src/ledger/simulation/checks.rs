//! What must be true, whatever happened. The names are those of the argument why the ledger is exact:
//!
//! * I1: what is charged and leased of a window is never above its limit.
//! * I2: what a node holds, and what it charged and has not heard of yet, is within its leases.
//! * I3: nobody is given more than the store has as authorised, or charged.
//! * I4: nothing is written for a run that was ended, and nothing of it is left open.
//! * I5: what the store has leased to a node is what the node has, to the nano-dollar.
//! * I6: a request is charged once, and its charge does not change.
//! * I7: an answer that was given in full is charged what it cost.
//! * I8: the sums of the windows are the sums of the charges.

use std::collections::{BTreeMap, BTreeSet};

use super::world::{Truth, World, answer};
use crate::budget::{WindowKind, Windows};
use crate::id::{AccountId, Epoch, GenerationId};
use crate::key::Terms;
use crate::ledger::{GenerationRecord, Slice};
use crate::money::Nanos;
use crate::store::Store;

impl World {
    /// After every event.
    pub(super) fn check(&mut self) {
        let writing = self.store.writing();
        for at in 0..self.nodes.len() {
            if self.nodes[at].up && writing.contains(&self.nodes[at].epoch) {
                self.check_i5_conservation(at);
            }
            self.check_i2_holds(at);
        }
        self.check_i1_limits(&writing);
        self.check_i4_fences();
        self.check_charges();
        self.check_closed();
    }

    /// What runs have that joined before a fail-over counts no more: they write nothing.
    fn check_i1_limits(&self, writing: &BTreeSet<Epoch>) {
        for key in self.keys.iter().filter(|key| !self.amended.contains_key(&key.account)) {
            let kind = key.terms.window();
            let newest = answer(self.store.balance(key.account)).expect("the model reads");
            let starts_at = newest[kind.index()].starts_at;
            let newest = Slice { account: key.account, kind, starts_at };
            let slices = self.store.leases().into_iter().map(|(slice, ..)| slice);
            let slices = slices.filter(|slice| slice.account == key.account);
            for slice in slices.chain([newest]).collect::<BTreeSet<_>>() {
                self.check_window(slice, key.terms, writing);
            }
        }
    }

    fn check_window(&self, slice: Slice, terms: Terms, writing: &BTreeSet<Epoch>) {
        let limit = terms.limit.expect("all are limited").get();
        let late = self.history.late.get(&slice.account).copied().unwrap_or(0);
        let spent = self.store.spend_of(&slice).spent.get();
        let all = self.store.leases().into_iter();
        let here = all.filter(|(of, epoch, _)| *of == slice && writing.contains(epoch));
        let leased: i64 = here.map(|(.., amount)| amount.get()).sum();
        assert!(
            spent + leased <= limit + late,
            "I1: {spent} + {leased} of {limit}, {late} late: {slice:?}"
        );
    }

    /// Whoever has applied every change admits nothing but what fits under the limit of now, whatever
    /// was leased under another. What was in flight when the reset changed counts in windows that it was
    /// not leased in.
    pub(super) fn check_i1_admitted(&self, at: usize, accounts: &[AccountId], windows: Windows) {
        let node = &self.nodes[at];
        let writing = self.store.writing();
        if !writing.contains(&node.epoch) {
            return;
        }
        for (account, change) in self.amended.iter().filter(|(it, _)| accounts.contains(it)) {
            if node.applied >= *change && !self.rewindowed.contains(account) {
                let terms = self.state_of(*account).terms;
                let (account, kind) = (*account, terms.window());
                let slice = Slice { account, kind, starts_at: windows.start_of(kind) };
                self.check_window(slice, terms, &writing);
            }
        }
    }

    fn check_i2_holds(&self, at: usize) {
        let node = &self.nodes[at];
        for key in &self.keys {
            let here = node.requests.values();
            let here = here.filter(|request| request.metered.accounts.contains(&key.account));
            let reserved: i64 = here.map(|request| request.bound.get()).sum();
            assert_eq!(node.ledger.held(key.account).0.get(), reserved, "I2: on {}", node.name);
        }
        for (slice, granted, held) in node.ledger.leases() {
            assert!(held <= granted, "I2: more is held than was leased: {slice:?}");
        }
        let all = node.requests.len() + node.waiting.len();
        assert_eq!(node.ledger.in_flight(), all, "I2: in flight on {}", node.name);
    }

    fn check_i4_fences(&self) {
        let live = self.store.live();
        for (slice, epoch, leased) in self.store.leases() {
            let ended = !live.contains(&epoch) && leased != Nanos::ZERO;
            assert!(!ended, "I4: {leased} is leased to {epoch:?}, which was ended: {slice:?}");
        }
        for (id, epoch) in self.store.open() {
            assert!(live.contains(&epoch), "I4: {id} is open, and {epoch:?} was ended");
        }
    }

    fn check_i5_conservation(&self, at: usize) {
        let node = &self.nodes[at];
        let mut expected: BTreeMap<Slice, i64> = BTreeMap::new();
        for (slice, granted, _) in node.ledger.leases() {
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
        let all = self.store.leases().into_iter();
        let leased: BTreeMap<Slice, i64> = all
            .filter(|(_, epoch, amount)| *epoch == node.epoch && *amount != Nanos::ZERO)
            .map(|(slice, _, amount)| (slice, amount.get()))
            .collect();
        assert_eq!(leased, expected, "I5: leased to {}, and what it has", node.name);
    }

    fn check_charges(&mut self) {
        let mut charged: BTreeMap<AccountId, i64> = BTreeMap::new();
        self.store.look(|records| {
            for (id, truth) in &self.truths {
                let record = records.get(id);
                if self.history.owed.contains_key(id) {
                    continue;
                }
                check_i3_delivered(*id, truth, record);
                let Some(charge) = record.and_then(|record| check_charge(truth, record)) else {
                    assert!(!truth.complete, "I7: {id} was answered in full and is not charged");
                    continue;
                };
                let before = *self.charges.entry(*id).or_insert(charge);
                assert_eq!(before, charge, "I6: {id} was charged before");
            }
            for record in records.values() {
                let Some(settlement) = &record.settlement else { continue };
                for account in &record.request.accounts {
                    *charged.entry(*account).or_default() += settlement.charge.get();
                }
            }
        });
        for key in &self.keys {
            let balance = answer(self.store.balance(key.account)).expect("the model reads");
            let spent = balance[WindowKind::Total.index()].spend.spent.get();
            let charged = charged.get(&key.account).copied().unwrap_or(0);
            assert_eq!(spent, charged, "I8: {:?}", key.name);
        }
    }

    /// A key that was closed stays closed, though the store forgot it, once a node is back that knew.
    fn check_closed(&self) {
        for account in &self.history.closed_again {
            assert!(!self.state_of(*account).open, "P3: {account:?} was closed, and is open again");
        }
    }

    /// When everything has come to its end nothing is held, leased or open.
    pub(super) fn check_the_end(&mut self) {
        for node in &self.nodes {
            assert_eq!(node.requests.len() + node.waiting.len(), 0, "{} still works", node.name);
        }
        for (slice, epoch, left) in self.store.leases() {
            assert_eq!(left, Nanos::ZERO, "{slice:?} is leased to {epoch:?} in the end");
        }
        for id in self.truths.keys() {
            if let Some(record) = answer(self.store.generation(*id)).expect("the model reads") {
                assert!(record.settlement.is_some(), "{id} is open in the end");
            }
        }
    }
}

fn check_i3_delivered(id: GenerationId, truth: &Truth, record: Option<&GenerationRecord>) {
    let Some(record) = record else {
        assert_eq!(truth.delivered, Nanos::ZERO, "I3: {id} was answered, and is nowhere");
        return;
    };
    assert!(record.authorised <= record.request.reserved, "I3: {id} is above its reservation");
    let charge = record.settlement.as_ref().map_or(record.authorised, |settled| settled.charge);
    assert!(charge >= truth.delivered, "I3: {id} was given more than it is charged");
}

/// What a request is charged, once it is.
fn check_charge(truth: &Truth, record: &GenerationRecord) -> Option<Nanos> {
    let charge = record.settlement.as_ref()?.charge;
    let id = record.request.id;
    assert!(charge <= record.request.reserved, "I6: {id} is charged above its reservation");
    assert!(!truth.complete || charge == truth.cost, "I7: {id} was answered in full");
    assert_eq!(record.request.accounts[0], truth.account);
    Some(charge)
}
