//! What nobody needs any more.

use super::state::State;
use crate::clock::Timestamp;
use crate::id::{AccountId, Epoch};
use crate::ledger::AccountState;
use crate::money::Nanos;
use crate::planted::{Bug, planted};
use crate::store::KEPT_SECONDS;

impl State {
    /// Few rows are ever in memory: all of them go at once.
    pub(super) fn prune(&mut self, epoch: Epoch, now: Timestamp) -> u64 {
        let before = self.rows();
        let kept_from = now.plus_seconds(-KEPT_SECONDS);
        let live = self.nodes.values().filter(|node| node.live);
        let applied = live.map(|node| node.applied).min().unwrap_or(0);
        // In their order, so that what is kept has no gaps.
        while let Some((seq, (_, at))) = self.changes.first_key_value()
            && *seq <= applied
            && *at < kept_from
        {
            self.changes.pop_first();
        }
        self.nodes.retain(|_, node| node.live || node.heard_at >= kept_from);
        let empty = |holder: Epoch, outstanding| holder == epoch && outstanding == Nanos::ZERO;
        let gone = self.leases.iter().filter(|((_, holder), l)| empty(*holder, l.outstanding));
        let highest = gone.map(|(_, lease)| lease.seq).max().unwrap_or(0);
        self.leases.retain(|(_, holder), lease| !empty(*holder, lease.outstanding));
        if let Some(node) = self.nodes.get_mut(&epoch)
            && !planted(Bug::PrunesWithoutTrace)
        {
            node.lease_floor = node.lease_floor.max(highest);
        }
        self.forget(now);
        before - self.rows()
    }

    fn rows(&self) -> u64 {
        let rows =
            [self.changes.len(), self.nodes.len(), self.leases.len(), self.idempotency.len()];
        rows.iter().map(|rows| *rows as u64).sum()
    }

    /// Up to here changes are not kept any more.
    pub(super) fn forgotten(&self) -> i64 {
        self.changes.first_key_value().map_or(self.numbers.changes, |(first, _)| first - 1)
    }

    pub(super) fn states(&self, accounts: &[AccountId]) -> Vec<(AccountId, AccountState)> {
        accounts.iter().filter_map(|account| Some((*account, self.state_of(*account)?))).collect()
    }
}
