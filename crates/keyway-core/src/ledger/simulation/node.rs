//! One simulated node: a ledger, and what is on its way between it and the store.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::{AnswerMark, Journal, LeaseCall, Leased, Ledger, Metered, Settings, Settlement};
use crate::id::{AccountId, Epoch, GenerationId, Timeline};
use crate::ledger::AccountState;
use crate::money::Nanos;
use crate::store::{Joined, Poll, Settled};

/// A lease call on its way: not yet executed, or with an answer that nobody heard yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Calling {
    pub(super) call: LeaseCall,
    pub(super) executed: Option<Leased>,
    /// The answer will be heard; otherwise it was lost.
    pub(super) late: bool,
}

/// What a node has to write.
#[derive(Clone, Debug)]
pub(super) enum Writing {
    Mark(AnswerMark),
    Settle(Settlement),
}

impl Writing {
    pub(super) fn request(&self) -> GenerationId {
        match self {
            Self::Mark(mark) => mark.request.id,
            Self::Settle(settlement) => settlement.request.id,
        }
    }
}

/// A mark or a charge on its way.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) writing: Writing,
    /// The store has it, and this answer is under way.
    pub(super) answered: Option<Settled>,
}

/// A request on a node.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) metered: Arc<Metered>,
    pub(super) bound: Nanos,
    /// What it will turn out to cost.
    pub(super) cost: Nanos,
    /// A mark was handed out.
    pub(super) marked: bool,
    pub(super) settling: Option<Settlement>,
    /// The charge was given up while the store was silent.
    pub(super) given_up: bool,
    /// The store has the settlement, but said so to nobody.
    pub(super) written: bool,
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) ledger: Ledger,
    /// None while it has no run.
    pub(super) epoch: Epoch,
    pub(super) timeline: Timeline,
    /// Others have not put back yet what a fail-over lost: nobody is served.
    pub(super) returning: bool,
    pub(super) journal: Journal,
    /// Counts processes, over all nodes.
    pub(super) life: u64,
    pub(super) up: bool,
    pub(super) partitioned: bool,
    /// It stands still until then, in microseconds.
    pub(super) asleep_until: i64,
    /// How far its clock is off, in microseconds, after correction.
    pub(super) skew: i64,
    pub(super) applied: i64,
    pub(super) calling: Vec<Calling>,
    pub(super) letters: Vec<Letter>,
    /// What a slow store said, and the node has not heard yet.
    pub(super) polled: Option<Poll>,
    pub(super) waiting: BTreeMap<GenerationId, (Vec<AccountId>, Nanos)>,
    pub(super) requests: BTreeMap<GenerationId, Request>,
    /// Of those, the ones that wait to hold more, and how much in all.
    pub(super) extending: BTreeMap<GenerationId, Nanos>,
    /// What it was told of the accounts.
    pub(super) states: BTreeMap<AccountId, AccountState>,
}

impl Node {
    pub(super) fn new(number: usize) -> Self {
        Self {
            name: format!("node-{number}"),
            ledger: ledger(Epoch(0)),
            epoch: Epoch(0),
            timeline: Timeline::default(),
            returning: false,
            journal: Journal::default(),
            life: 0,
            up: false,
            partitioned: false,
            asleep_until: 0,
            skew: 0,
            applied: 0,
            calling: Vec::new(),
            letters: Vec::new(),
            polled: None,
            waiting: BTreeMap::new(),
            requests: BTreeMap::new(),
            extending: BTreeMap::new(),
            states: BTreeMap::new(),
        }
    }

    /// Memory is gone.
    pub(super) fn forget(&mut self) {
        self.end_run();
        self.journal = Journal::default();
        self.up = false;
    }

    /// What a run had in memory is gone, but for the journal.
    pub(super) fn end_run(&mut self) {
        self.epoch = Epoch(0);
        self.ledger = ledger(Epoch(0));
        self.calling.clear();
        self.letters.clear();
        self.polled = None;
        self.waiting.clear();
        self.requests.clear();
        self.extending.clear();
        self.states.clear();
    }

    pub(super) fn begin(&mut self, joined: &Joined) {
        self.end_run();
        self.ledger = ledger(joined.epoch);
        self.epoch = joined.epoch;
        self.timeline = joined.timeline;
        self.returning = joined.returning;
        self.applied = joined.head;
        self.up = true;
    }
}

fn ledger(epoch: Epoch) -> Ledger {
    Ledger::new(Settings { epoch, shared: true, nodes: 1, accounts_max: 8 })
}
