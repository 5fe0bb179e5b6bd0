//! What happens, one step at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::task::{Context, Poll as Polled, Waker};

use super::failover::History;
use super::node::{Node, Request};
use super::trouble::{Fault, Trouble};
use crate::budget::{ResetInterval, Windows};
use crate::clock::Timestamp;
use crate::id::{AccountId, Epoch, GenerationId, WorkspaceId};
use crate::key::KeyRecord;
use crate::money::Nanos;
use crate::store::contract::fixture;
use crate::store::model::MemoryStore;
use crate::store::{NodeEnd, Poll, Store};

pub(super) const SECOND: i64 = 1_000_000;

/// What the outside knows of a request, whatever becomes of nodes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Truth {
    pub(super) account: AccountId,
    pub(super) cost: Nanos,
    /// The cost of what the client was given.
    pub(super) delivered: Nanos,
    /// The client was given everything.
    pub(super) complete: bool,
    /// The process that served it.
    pub(super) life: u64,
}

pub(super) struct World {
    pub(super) store: MemoryStore,
    pub(super) keys: Vec<KeyRecord>,
    pub(super) nodes: Vec<Node>,
    pub(super) truths: BTreeMap<GenerationId, Truth>,
    /// What a request was charged in the end: it does not change any more.
    pub(super) charges: BTreeMap<GenerationId, Nanos>,
    /// Accounts whose terms were changed, and the number of the last change: what was leased before
    /// may be above a limit of now.
    pub(super) amended: BTreeMap<AccountId, i64>,
    /// Of those, the ones whose reset was changed.
    pub(super) rewindowed: BTreeSet<AccountId>,
    pub(super) trouble: Trouble,
    pub(super) history: History,
    lives: u64,
    /// The store's clock, in microseconds.
    pub(super) now: i64,
    pub(super) random: u64,
    pub(super) number: u64,
}

/// The model is never pending.
pub(super) fn answer<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Polled::Ready(answer) => answer,
        Polled::Pending => unreachable!("the model waits for nobody"),
    }
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let store = MemoryStore::new(WorkspaceId::from_random([7; 16]));
        let mut world = Self {
            store,
            keys: Vec::new(),
            nodes: Vec::new(),
            truths: BTreeMap::new(),
            charges: BTreeMap::new(),
            amended: BTreeMap::new(),
            rewindowed: BTreeSet::new(),
            trouble: Trouble::none(),
            history: History::default(),
            lives: 0,
            // Half a minute before a Monday that begins a month.
            now: 1_780_271_970 * SECOND,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            number: 0,
        };
        let everything = world.chance(12);
        world.trouble = Trouble::drawn(everything, || world.chance(50));
        let keys = 2 + world.below(3) as usize;
        for name in ["one", "two", "three", "four"].into_iter().take(keys) {
            let mut creation = fixture::inference(&world.store, name);
            creation.key.terms.limit = Some(Nanos::new([50, 300, 5_000][world.below(3) as usize]));
            creation.key.terms.reset = [None, Some(ResetInterval::Daily)][world.below(2) as usize];
            world.keys.push(answer(fixture::create(&world.store, creation)));
        }
        let nodes = [1, 2, 3, 5][world.below(4) as usize];
        world.nodes = (0..nodes).map(Node::new).collect();
        for node in 0..nodes {
            world.start(node);
        }
        world
    }

    pub(super) fn below(&mut self, most: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) % most
    }

    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(super) fn time(&self) -> Timestamp {
        Timestamp::from_micros(self.now)
    }

    /// The time as a node tells it.
    pub(super) fn time_at(&self, node: usize) -> Timestamp {
        Timestamp::from_micros(self.now + self.nodes[node].skew)
    }

    pub(super) fn step(&mut self) {
        self.pass_time();
        self.replicate();
        let node = self.below(self.nodes.len() as u64) as usize;
        if self.nodes[node].asleep_until > self.now {
            return;
        }
        if !self.nodes[node].up {
            if self.chance(25) {
                self.start(node);
            }
            return;
        }
        if self.nodes[node].epoch == Epoch(0) {
            return self.come_back(node);
        }
        match self.below(100) {
            0..22 if self.nodes[node].returning => self.poll(node),
            0..18 => self.reserve(node),
            18..22 => self.extend(node),
            22..41 => self.call(node),
            41..51 => self.authorise(node),
            51..64 => self.settle(node),
            64..74 => self.post(node),
            74..76 => self.void(node),
            76..78 => self.give_up(node),
            78..79 => self.give_up_charge(node),
            79..88 => self.poll(node),
            88..90 => self.prune(node),
            90..93 if self.trouble.has(Fault::Changes) => self.change(),
            93..99 => self.strike(node),
            _ => self.nodes[node].ledger.tidy(),
        }
    }

    /// Something goes wrong, if this world has it.
    fn strike(&mut self, node: usize) {
        let fault = match self.below(6) {
            0 | 1 => Fault::Partition,
            2 => Fault::Clock,
            3 => Fault::Crash,
            4 => Fault::WrongEnd,
            _ => Fault::Sleep,
        };
        if !self.trouble.has(fault) {
            return;
        }
        match fault {
            Fault::Partition => self.nodes[node].partitioned ^= true,
            Fault::Clock => self.nodes[node].skew = (self.below(11) as i64 - 5) * SECOND,
            Fault::Crash => {
                self.nodes[node].forget();
                self.forget_the_dead();
            }
            Fault::WrongEnd => self.end_wrongly(node),
            _ => self.nodes[node].asleep_until = self.now + self.below(20_000_000) as i64,
        }
    }

    fn pass_time(&mut self) {
        if self.history.is_behind() {
            // Much happens in the moment that is lost.
            self.now += self.below(20_000) as i64;
            return;
        }
        // Where budgets are spent nothing can be lost: with fail-overs they renew more often.
        let renew = if self.trouble.has(Fault::FailOver) { 4 } else { 1 };
        self.now += match self.below(100) {
            it if it < renew => 40_000 * SECOND,
            0..10 => self.below(5_000_000) as i64,
            _ => self.below(300_000) as i64,
        };
    }

    /// A process begins, with nothing in memory.
    pub(super) fn start(&mut self, at: usize) {
        self.lives += 1;
        self.nodes[at].life = self.lives;
        self.nodes[at].partitioned = false;
        self.join(at);
    }

    pub(super) fn join(&mut self, at: usize) {
        let name = self.nodes[at].name.clone();
        let joined = answer(self.store.node_join(&name, self.time())).expect("the model writes");
        let now = self.time_at(at);
        self.nodes[at].journal.begin_run(now);
        self.nodes[at].begin(&joined);
        self.history.unknown.remove(&at);
    }

    pub(super) fn pick(
        &mut self,
        node: usize,
        which: impl Fn(&Request) -> bool,
    ) -> Option<GenerationId> {
        let requests = self.nodes[node].requests.iter().filter(|(_, request)| which(request));
        let ids: Vec<_> = requests.map(|(id, _)| *id).collect();
        if ids.is_empty() {
            return None;
        }
        Some(ids[self.below(ids.len() as u64) as usize])
    }

    pub(super) fn poll(&mut self, at: usize) {
        if let Some(polled) = self.nodes[at].polled.take() {
            return self.learn(at, &polled);
        }
        if self.nodes[at].partitioned {
            return;
        }
        let (epoch, since) = (self.nodes[at].epoch, self.nodes[at].applied);
        let Ok(poll) = answer(self.store.node_poll(epoch, since, self.time())) else {
            return self.fenced(at);
        };
        if self.trouble.has(Fault::SlowStore) && self.chance(25) {
            self.nodes[at].polled = Some(poll);
        } else {
            self.learn(at, &poll);
        }
    }

    fn learn(&mut self, at: usize, poll: &Poll) {
        assert!(!poll.forgotten, "forgotten before every live node had applied it");
        let now = self.time_at(at);
        self.nodes[at].journal.polled(poll.now);
        for change in &poll.changes {
            self.nodes[at].journal.changed(*change, now);
            if let Some(known) = self.nodes[at].states.get_mut(&change.account) {
                *known = change.state;
            }
            let decisions = self.nodes[at].ledger.amend(change.account, change.state, now);
            self.decide(at, decisions);
        }
        let node = &mut self.nodes[at];
        node.applied = poll.head;
        node.returning = poll.returning;
        node.ledger.set_nodes(poll.nodes);
        for slice in &poll.recalled {
            node.ledger.recall(slice.account);
        }
        if node.partitioned {
            return;
        }
        let epoch = node.epoch;
        if answer(self.store.node_beat(epoch, poll.head, self.time())).is_err() {
            return self.fenced(at);
        }
        for silent in poll.silent.iter().filter(|silent| **silent != epoch) {
            answer(self.store.node_end(*silent, NodeEnd::Silent, self.time())).expect("written");
        }
    }

    pub(super) fn windows(&self, at: usize) -> Windows {
        Windows::at(self.time_at(at))
    }
}
