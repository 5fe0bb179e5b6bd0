//! What comes from outside: changes by operators, mistaken ends, and the end of all trouble.

use super::trouble::Trouble;
use super::world::{SECOND, World, answer};
use crate::budget::ResetInterval;
use crate::id::Epoch;
use crate::key::KeyPatch;
use crate::money::Nanos;
use crate::store::{NodeEnd, Store, StoreError};

impl World {
    pub(super) fn change(&mut self) {
        let key = self.below(self.keys.len() as u64) as usize;
        let mut patch = KeyPatch::default();
        match self.below(4) {
            0 => patch.limit = Some(Some(self.about_what_is_spent(key))),
            1 => patch.limit = Some(Some(Nanos::new(self.below(4_000) as i64))),
            2 => patch.reset = Some([None, Some(ResetInterval::Daily)][self.below(2) as usize]),
            _ => patch.disabled = Some(self.chance(30)),
        }
        if patch.reset.is_some() {
            self.rewindowed.insert(self.keys[key].account);
        }
        self.note_change(self.keys[key].account);
        let (hash, now) = (self.keys[key].hash, self.time());
        answer(self.store.key_update(hash, patch, now)).expect("written");
        self.amended.insert(self.keys[key].account, self.store.head());
    }

    /// A limit that leaves a little, whatever was leased under the one before.
    fn about_what_is_spent(&mut self, key: usize) -> Nanos {
        let key = &self.keys[key];
        let balance = answer(self.store.balance(key.account)).expect("the model reads");
        let window = balance[self.state_of(key.account).terms.window().index()];
        window.spend.spent.saturating_add(Nanos::new(self.below(60) as i64))
    }

    /// Somebody takes a node for dead that is not.
    pub(super) fn end_wrongly(&mut self, at: usize) {
        let epoch = self.nodes[at].epoch;
        // One that joined before a fail-over is not ended like that.
        let _ = answer(self.store.node_end(epoch, NodeEnd::Left, self.time()));
    }

    /// A node looks for what nobody needs any more.
    pub(super) fn prune(&mut self, at: usize) {
        if self.nodes[at].partitioned {
            return;
        }
        match answer(self.store.prune(self.nodes[at].epoch, self.time())) {
            Ok(_) => {}
            Err(StoreError::Fenced) => self.fenced(at),
            Err(error) => panic!("not pruned: {error}"),
        }
    }

    /// Everybody is well again, and everything comes to its end.
    pub(super) fn heal(&mut self) {
        self.trouble = Trouble::none();
        for at in 0..self.nodes.len() {
            self.nodes[at].partitioned = false;
            self.nodes[at].asleep_until = 0;
            self.nodes[at].skew = 0;
            if !self.nodes[at].up {
                self.start(at);
            }
        }
        for _ in 0..400 {
            self.now += SECOND;
            for at in 0..self.nodes.len() {
                if self.nodes[at].epoch == Epoch(0) {
                    self.come_back(at);
                }
                self.poll(at);
                self.settle(at);
                self.post(at);
                self.give_up(at);
                self.nodes[at].ledger.tidy();
                self.call(at);
            }
            self.check();
        }
    }
}
