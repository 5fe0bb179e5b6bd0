//! What the simulation's checks look at, beside what a store tells.

use std::collections::{BTreeMap, BTreeSet};

use super::MemoryStore;
use crate::clock::Timestamp;
use crate::id::{AccountId, Epoch, GenerationId};
use crate::key::WindowSpend;
use crate::ledger::{GenerationRecord, Slice};
use crate::money::Nanos;
use crate::store::Change;

impl MemoryStore {
    /// What is leased to whom.
    pub(crate) fn leases(&self) -> Vec<(Slice, Epoch, Nanos)> {
        let state = self.state();
        let leases = state.leases.iter();
        leases.map(|((slice, epoch), lease)| (*slice, *epoch, lease.outstanding)).collect()
    }

    /// Runs that were not ended,
    pub(crate) fn live(&self) -> BTreeSet<Epoch> {
        let state = self.state();
        state.nodes.iter().filter(|(_, node)| node.live).map(|(epoch, _)| *epoch).collect()
    }

    /// and of them those that may write.
    pub(crate) fn writing(&self) -> BTreeSet<Epoch> {
        let state = self.state();
        let live = state.nodes.iter().filter(|(_, node)| node.live && state.is_current(node));
        live.map(|(epoch, _)| *epoch).collect()
    }

    /// Whether nodes are waited for after a fail-over.
    pub(crate) fn is_waiting(&self, now: Timestamp) -> bool {
        self.state().is_waiting(now)
    }

    /// When the last fail-over was noticed.
    pub(crate) fn timeline_at(&self) -> Timestamp {
        self.state().timeline_at
    }

    /// Requests that are marked and not settled.
    pub(crate) fn open(&self) -> Vec<(GenerationId, Epoch)> {
        let state = self.state();
        let open = state.generations.values().filter(|record| record.settlement.is_none());
        open.map(|record| (record.request.id, record.request.epoch)).collect()
    }

    /// All metered requests, which nobody changes while they are looked at.
    pub(crate) fn look<T>(
        &self,
        look: impl FnOnce(&BTreeMap<GenerationId, GenerationRecord>) -> T,
    ) -> T {
        look(&self.state().generations)
    }

    pub(crate) fn spend_of(&self, slice: &Slice) -> WindowSpend {
        self.state().spend(slice)
    }

    /// The number of the last change.
    pub(crate) fn head(&self) -> i64 {
        self.state().numbers.changes
    }

    /// Every change, as it is told now.
    pub(crate) fn changes(&self) -> Vec<Change> {
        let state = self.state();
        let change =
            |(seq, (account, _)): (&i64, &(AccountId, Timestamp))| state.change(*seq, *account);
        state.changes.iter().filter_map(change).collect()
    }
}
