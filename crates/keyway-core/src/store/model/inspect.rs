//! What the simulation's checks look at, beside what a store tells.

use std::collections::{BTreeMap, BTreeSet};

use super::MemoryStore;
use crate::id::{Epoch, GenerationId};
use crate::key::WindowSpend;
use crate::ledger::{GenerationRecord, Slice};
use crate::money::Nanos;

impl MemoryStore {
    /// What is leased to whom.
    pub(crate) fn leases(&self) -> Vec<(Slice, Epoch, Nanos)> {
        let state = self.state();
        let leases = state.leases.iter();
        leases.map(|((slice, epoch), lease)| (*slice, *epoch, lease.outstanding)).collect()
    }

    /// Runs that were not ended.
    pub(crate) fn live(&self) -> BTreeSet<Epoch> {
        let state = self.state();
        state.nodes.iter().filter(|(_, node)| node.live).map(|(epoch, _)| *epoch).collect()
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
}
