//! What happens, one step at a time.

use std::collections::BTreeMap;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::node::{Node, Request};
use crate::budget::{ResetInterval, Windows};
use crate::clock::Timestamp;
use crate::id::{AccountId, GenerationId, WorkspaceId};
use crate::key::KeyRecord;
use crate::money::Nanos;
use crate::store::contract::fixture;
use crate::store::model::MemoryStore;
use crate::store::{NodeEnd, Store};

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
}

pub(super) struct World {
    pub(super) store: MemoryStore,
    pub(super) keys: Vec<KeyRecord>,
    pub(super) nodes: Vec<Node>,
    pub(super) truths: BTreeMap<GenerationId, Truth>,
    /// The store's clock, in microseconds.
    pub(super) now: i64,
    pub(super) random: u64,
    pub(super) number: u64,
}

/// The model is never pending.
pub(super) fn answer<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => unreachable!("the model waits for nobody"),
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
            // Half a minute before a Monday that begins a month.
            now: 1_780_271_970 * SECOND,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            number: 0,
        };
        for name in ["one", "two"] {
            let mut creation = fixture::inference(&world.store, name);
            creation.key.terms.limit = Some(Nanos::new([50, 300, 5_000][world.below(3) as usize]));
            creation.key.terms.reset =
                [None, None, Some(ResetInterval::Daily)][world.below(3) as usize];
            world.keys.push(answer(fixture::create(&world.store, creation)));
        }
        let nodes = [1, 2, 3, 5][world.below(4) as usize];
        world.nodes = (0..nodes).map(Node::new).collect();
        for node in 0..nodes {
            world.join(node);
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
        let node = self.below(self.nodes.len() as u64) as usize;
        if !self.nodes[node].up {
            if self.chance(25) {
                self.join(node);
            }
            return;
        }
        match self.below(100) {
            0..24 => self.reserve(node),
            24..50 => self.call(node),
            50..60 => self.authorise(node),
            60..74 => self.settle(node),
            74..76 => self.void(node),
            76..79 => self.give_up(node),
            79..90 => self.poll(node),
            90..93 => self.change(),
            93..95 => self.nodes[node].partitioned ^= true,
            95 => self.nodes[node].skew = (self.below(11) as i64 - 5) * SECOND,
            96 => self.nodes[node].forget(),
            97 => self.end_wrongly(node),
            _ => self.nodes[node].ledger.tidy(),
        }
    }

    fn pass_time(&mut self) {
        self.now += match self.below(100) {
            0 => 40_000 * SECOND,
            1..10 => self.below(5_000_000) as i64,
            _ => self.below(300_000) as i64,
        };
    }

    pub(super) fn join(&mut self, node: usize) {
        let name = self.nodes[node].name.clone();
        let joined = answer(self.store.node_join(&name, self.time())).expect("the model writes");
        self.nodes[node].begin(joined.epoch, joined.head);
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
        if self.nodes[at].partitioned {
            return;
        }
        let (epoch, since) = (self.nodes[at].epoch, self.nodes[at].applied);
        let Ok(poll) = answer(self.store.node_poll(epoch, since, self.time())) else {
            return self.join(at);
        };
        let now = self.time_at(at);
        for change in &poll.changes {
            if let Some(known) = self.nodes[at].states.get_mut(&change.account) {
                *known = change.state;
            }
            let decisions = self.nodes[at].ledger.amend(change.account, change.state, now);
            self.decide(at, decisions);
        }
        let node = &mut self.nodes[at];
        node.applied = poll.head;
        node.ledger.set_nodes(poll.nodes);
        for slice in &poll.recalled {
            node.ledger.recall(slice.account);
        }
        answer(self.store.node_beat(epoch, poll.head, self.time())).expect("it is live");
        for silent in poll.silent.iter().filter(|silent| **silent != epoch) {
            answer(self.store.node_end(*silent, NodeEnd::Silent, self.time())).expect("written");
        }
    }

    pub(super) fn windows(&self, at: usize) -> Windows {
        Windows::at(self.time_at(at))
    }
}
