//! A store that goes on from what it was a moment ago, and nodes that put back what it lost.

use std::collections::{BTreeMap, BTreeSet};

use super::trouble::Fault;
use super::world::{Truth, World, answer};
use crate::budget::WindowKind;
use crate::id::{AccountId, GenerationId};
use crate::ledger::GenerationRecord;
use crate::money::Nanos;
use crate::store::model::Standby;
use crate::store::{Change, RETURN_SECONDS, SILENCE_SECONDS, Store};

/// How old what the standby has may be, in microseconds.
const LAG_MAX: i64 = 500_000;

/// What the outside knows of fail-overs.
#[derive(Debug, Default)]
pub(super) struct History {
    /// A standby that receives nothing any more, and since when.
    standby: Option<(i64, Standby)>,
    /// Nodes whose run the store does not know any more, until they join again.
    pub(super) unknown: BTreeSet<usize>,
    /// Requests whose record was lost, with the process that may put it back.
    pub(super) owed: BTreeMap<GenerationId, u64>,
    /// What was put back after budget was granted anew: by nodes that were not waited for.
    pub(super) late: BTreeMap<AccountId, i64>,
    /// Accounts that were closed by a change which was lost, and its number.
    closed: BTreeMap<AccountId, i64>,
    /// Of those, the ones that a node put back.
    pub(super) closed_again: BTreeSet<AccountId>,
    pub(super) figures: Figures,
}

/// How much of it happened.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Figures {
    pub(super) fail_overs: u64,
    pub(super) put_back: u64,
    /// Lost with the store's last moment and their process: nobody knows them any more.
    pub(super) lost: u64,
    pub(super) late: u64,
}

impl Figures {
    pub(super) const fn and(self, other: Self) -> Self {
        Self {
            fail_overs: self.fail_overs + other.fail_overs,
            put_back: self.put_back + other.put_back,
            lost: self.lost + other.lost,
            late: self.late + other.late,
        }
    }
}

impl History {
    /// Whether a standby misses what happens.
    pub(super) fn is_behind(&self) -> bool {
        self.standby.is_some()
    }
}

impl World {
    /// Now and then a standby falls behind, and some such moments are the primary's last.
    pub(super) fn replicate(&mut self) {
        if !self.trouble.has(Fault::FailOver) {
            return;
        }
        match self.history.standby.take() {
            None if self.chance(4) => {
                self.history.standby = Some((self.now, self.store.standby()));
            }
            Some((since, standby)) if self.now - since <= LAG_MAX => {
                if self.chance(4) {
                    return self.fail_over(standby);
                }
                self.history.standby = Some((since, standby));
            }
            _ => {}
        }
    }

    fn fail_over(&mut self, standby: Standby) {
        let head = self.store.changes();
        self.store.fail_over(standby);
        if self.chance(50) {
            // It takes a while, in which nobody is heard of.
            self.now += self.below(20_000_000) as i64;
        }
        for at in 0..self.nodes.len() {
            // Some find the new primary later than others.
            if self.chance(40) {
                self.nodes[at].asleep_until = self.now + self.below(6_000_000) as i64;
            }
        }
        self.history.figures.fail_overs += 1;
        self.charges.clear();
        self.store.look(|records| {
            for (id, truth) in &self.truths {
                if !is_kept(truth, records.get(id)) {
                    self.history.owed.insert(*id, truth.life);
                }
            }
        });
        let live = self.store.live();
        let lost = self.nodes.iter().enumerate().filter(|(_, node)| !live.contains(&node.epoch));
        self.history.unknown.extend(lost.map(|(at, _)| at));
        self.forget_the_dead();
        self.note_lost_changes(head);
    }

    /// An answer that the store gave before it failed over may be heard after it.
    pub(super) fn note_heard(&mut self, at: usize, id: GenerationId) {
        let node = &self.nodes[at];
        if self.store.writing().contains(&node.epoch) {
            return;
        }
        let truth = &self.truths[&id];
        if !self.store.look(|records| is_kept(truth, records.get(&id))) {
            self.history.owed.insert(id, node.life);
        }
    }

    /// What nobody has in memory any more is lost for good.
    pub(super) fn forget_the_dead(&mut self) {
        let alive: BTreeSet<u64> =
            self.nodes.iter().filter(|node| node.up).map(|node| node.life).collect();
        let (owed, lost): (BTreeMap<_, _>, BTreeMap<_, _>) = std::mem::take(&mut self.history.owed)
            .into_iter()
            .partition(|(_, l)| alive.contains(l));
        self.history.owed = owed;
        for id in lost.keys() {
            let truth = self.truths.get_mut(id).expect("it was admitted");
            self.history.figures.lost += u64::from(truth.delivered > Nanos::ZERO);
            (truth.delivered, truth.complete) = (Nanos::ZERO, false);
        }
    }

    fn note_lost_changes(&mut self, before: Vec<Change>) {
        let kept = self.store.changes().last().map_or(0, |change| change.seq);
        let lost = before.into_iter().filter(|change| change.seq > kept);
        let newest: BTreeMap<AccountId, Change> =
            lost.map(|change| (change.account, change)).collect();
        for (account, change) in newest {
            self.history.closed_again.remove(&account);
            self.history.closed.remove(&account);
            if !change.state.open {
                self.history.closed.insert(account, change.seq);
            }
        }
    }

    /// An operator changed the account since.
    pub(super) fn note_change(&mut self, account: AccountId) {
        self.history.closed.remove(&account);
        self.history.closed_again.remove(&account);
    }

    /// The run is over: others ended it, or the store failed over.
    pub(super) fn fenced(&mut self, at: usize) {
        let now = self.time_at(at);
        let node = &mut self.nodes[at];
        node.journal.end_run(now);
        node.end_run();
        if self.chance(70) {
            self.come_back(at);
        }
    }

    /// Puts back what may be lost, and begins a new run. May break off anywhere, and begin anew.
    pub(super) fn come_back(&mut self, at: usize) {
        if self.nodes[at].partitioned {
            return;
        }
        let timeline = answer(self.store.timeline(self.time())).expect("the model writes");
        if timeline != self.nodes[at].timeline {
            self.testify(at);
            if self.trouble.has(Fault::LostAnswer) && self.chance(20) {
                return;
            }
        }
        self.join(at);
    }

    fn testify(&mut self, at: usize) {
        let testimony = self.nodes[at].journal.testimony();
        let is_late = self.is_late(at);
        let before = self.spent();
        let testified = answer(self.store.testify(&testimony, self.time())).expect("written");
        self.history.figures.put_back += testified.charges;
        if is_late {
            self.history.figures.late += testified.charges;
            for (account, spent) in self.spent() {
                *self.history.late.entry(account).or_default() += (spent - before[&account]).max(0);
            }
        }
        let life = self.nodes[at].life;
        self.history.owed.retain(|_, owes| *owes != life);
        // What it corrected is final now.
        self.charges.clear();
        let told = |seq: i64| testimony.changes.iter().any(|change| change.seq == seq);
        let known = self.history.closed.iter().filter(|(_, seq)| told(**seq));
        self.history.closed_again.extend(known.map(|(account, _)| *account));
    }

    /// Whether a node comes back later than it is waited for.
    fn is_late(&self, at: usize) -> bool {
        let unknown = self.history.unknown.contains(&at);
        let waits = if unknown { RETURN_SECONDS } else { SILENCE_SECONDS };
        let until = self.store.timeline_at().plus_seconds(waits);
        self.time() >= until && !self.store.is_waiting(self.time())
    }

    fn spent(&self) -> BTreeMap<AccountId, i64> {
        let spent = |account| {
            let balance = answer(self.store.balance(account)).expect("the model reads");
            balance[WindowKind::Total.index()].spend.spent.get()
        };
        self.keys.iter().map(|key| (key.account, spent(key.account))).collect()
    }
}

/// Whether the store has what it has to have of a request.
fn is_kept(truth: &Truth, record: Option<&GenerationRecord>) -> bool {
    let Some(record) = record else { return truth.delivered == Nanos::ZERO && !truth.complete };
    match &record.settlement {
        Some(settled) if truth.complete => settled.charge == truth.cost,
        Some(settled) => settled.charge >= truth.delivered,
        None => !truth.complete && record.authorised >= truth.delivered,
    }
}
