//! Nodes, their leases, and what they learn of each other.

use std::sync::Arc;

use super::state::{Lease, Node, State};
use crate::clock::Timestamp;
use crate::id::{AccountId, Epoch};
use crate::ledger::{Draw, Figures, LeaseCall, Leased, Settlement};
use crate::money::Nanos;
use crate::planted::{Bug, planted};
use crate::store::{Change, Joined, NodeEnd, Poll, SILENCE_SECONDS, StoreError};

impl State {
    pub(super) fn check_live(&self, epoch: Epoch) -> Result<(), StoreError> {
        let live = self.nodes.get(&epoch).is_some_and(|node| node.live && self.is_current(node));
        if live || planted(Bug::NoFence) { Ok(()) } else { Err(StoreError::Fenced) }
    }

    pub(super) fn join(&mut self, name: &str, now: Timestamp) -> Joined {
        let timeline = self.timeline(now);
        let earlier = self.nodes.iter().filter(|(_, node)| node.live && node.name == name);
        let earlier: Vec<Epoch> = earlier.map(|(epoch, _)| *epoch).collect();
        let recovered = earlier.into_iter().map(|epoch| self.end(epoch, now)).sum();
        self.numbers.epochs += 1;
        let (epoch, head) = (Epoch(self.numbers.epochs), self.numbers.changes);
        let name = name.to_owned();
        let node =
            Node { name, live: true, heard_at: now, applied: head, lease_floor: 0, timeline };
        self.nodes.insert(epoch, node);
        let returning = self.is_returning();
        Joined { epoch, recovered, head, budget: self.budget, timeline, returning }
    }

    pub(super) fn beat(&mut self, epoch: Epoch, applied: i64, now: Timestamp) {
        if let Some(node) = self.nodes.get_mut(&epoch) {
            node.heard_at = now;
            node.applied = node.applied.max(applied);
        }
    }

    pub(super) fn poll(&self, epoch: Epoch, since: i64, now: Timestamp) -> Poll {
        let live = || self.nodes.iter().filter(|(_, node)| node.live);
        let others = live().filter(|(other, _)| **other != epoch);
        let mine = self.leases.iter().filter(|((_, holder), _)| *holder == epoch);
        let silent = live().filter(|(_, node)| self.is_silent(node, now));
        let head = self.numbers.changes;
        let kept = self.changes.iter().filter(|(seq, _)| **seq > since);
        Poll {
            now,
            head,
            changes: kept.filter_map(|(seq, (account, _))| self.change(*seq, *account)).collect(),
            forgotten: since > head || since < self.forgotten(),
            recalled: mine
                .filter(|(_, lease)| lease.recalled)
                .map(|((slice, _), _)| *slice)
                .collect(),
            nodes: u32::try_from(live().count()).unwrap_or(u32::MAX),
            rank: u32::try_from(live().take_while(|(other, _)| **other < epoch).count())
                .unwrap_or(u32::MAX),
            silent: silent.map(|(epoch, _)| *epoch).collect(),
            acknowledged: others.map(|(_, node)| node.applied).min().unwrap_or(head),
            returning: self.is_returning(),
        }
    }

    pub(super) fn may_end(
        &mut self,
        epoch: Epoch,
        end: NodeEnd,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.timeline(now);
        let Some(node) = self.nodes.get(&epoch).filter(|node| node.live) else { return Ok(false) };
        match end {
            // It has something to put back first.
            NodeEnd::Left if !self.is_current(node) => Err(StoreError::Fenced),
            NodeEnd::Left => Ok(true),
            NodeEnd::Silent => Ok(self.is_silent(node, now)),
        }
    }

    /// Charges what the run marked and did not settle, and frees its leases.
    pub(super) fn end(&mut self, epoch: Epoch, now: Timestamp) -> u64 {
        if let Some(node) = self.nodes.get_mut(&epoch) {
            node.live = false;
        }
        self.leases.retain(|(_, holder), _| *holder != epoch || planted(Bug::KeepsDeadLeases));
        let open = self.generations.values().filter(|generation| generation.settlement.is_none());
        let cut: Vec<_> = open.filter(|open| open.request.epoch == epoch).cloned().collect();
        let ended = cut.len() as u64;
        if planted(Bug::ForgetsConsumed) {
            return ended;
        }
        for generation in cut {
            let charge = match generation.authorised {
                _ if planted(Bug::VoidsOnCrash) => Nanos::ZERO,
                authorised => authorised,
            };
            self.book(Settlement::crashed(Arc::new(generation.request), charge, now));
        }
        ended
    }

    pub(super) fn lease(&mut self, call: &LeaseCall, now: Timestamp) -> Result<Leased, StoreError> {
        let place = (call.slice, call.epoch);
        let floor = self.nodes.get(&call.epoch).map_or(0, |node| node.lease_floor);
        let none = Lease { seq: floor, ..Lease::default() };
        let known = self.leases.get(&place).copied().unwrap_or(none);
        if known.seq >= call.seq && !planted(Bug::GrantsAgain) {
            let granted = if known.seq == call.seq { known.granted } else { Nanos::ZERO };
            return Ok(Leased { granted, figures: self.figures(call, now)? });
        }
        if call.give_back > known.outstanding {
            return Err(StoreError::Broken("more is given back than was leased".to_owned()));
        }
        let outstanding = known.outstanding.saturating_sub(call.give_back);
        let lease = Lease { outstanding, seq: call.seq, ..Lease::default() };
        // Looked at first: a call about nobody's account changes nothing.
        self.figures(call, now)?;
        self.leases.insert(place, lease);
        let granted = call.grant(&self.figures(call, now)?);
        let outstanding = outstanding.saturating_add(granted);
        self.leases.insert(place, Lease { outstanding, granted, ..lease });
        if call.want > Nanos::ZERO && granted == Nanos::ZERO {
            self.recall(call);
        }
        Ok(Leased { granted, figures: self.figures(call, now)? })
    }

    fn recall(&mut self, call: &LeaseCall) {
        for ((slice, holder), lease) in &mut self.leases {
            let others = slice.account == call.slice.account && *holder != call.epoch;
            lease.recalled |= others && lease.outstanding > Nanos::ZERO;
        }
    }

    fn figures(&self, call: &LeaseCall, now: Timestamp) -> Result<Figures, StoreError> {
        let account = call.slice.account;
        let nobodys = || StoreError::Broken("a lease on nobody's account".to_owned());
        let state = self.state_of(account).ok_or_else(nobodys)?;
        let leases = self
            .leases
            .iter()
            .filter(|((slice, _), _)| slice.account == account && call.slice.is_touched_by(slice));
        let sum = |sum: Nanos, lease: &Lease| sum.saturating_add(lease.outstanding);
        let mine = leases.clone().filter(|((_, holder), _)| *holder == call.epoch);
        Ok(Figures {
            state,
            spent: state.terms.counted(self.spend(&call.slice)),
            leased: if planted(Bug::GrantsWhatIsLeased) {
                Nanos::ZERO
            } else {
                leases.fold(Nanos::ZERO, |all, (_, lease)| sum(all, lease))
            },
            mine: mine.fold(Nanos::ZERO, |all, (_, lease)| sum(all, lease)),
            now,
        })
    }

    /// Takes a settlement's charge out of its node's leases.
    pub(super) fn draw(&mut self, epoch: Epoch, draws: &[Draw]) -> Result<(), StoreError> {
        let enough = |draw: &Draw| {
            let lease = self.leases.get(&(draw.slice, epoch));
            draw.amount <= lease.map_or(Nanos::ZERO, |lease| lease.outstanding)
        };
        if !draws.iter().all(enough) {
            return Err(StoreError::Broken("more is drawn than was leased".to_owned()));
        }
        for draw in draws.iter().filter(|_| !planted(Bug::SettlesBesideTheLease)) {
            if let Some(lease) = self.leases.get_mut(&(draw.slice, epoch)) {
                lease.outstanding = lease.outstanding.saturating_sub(draw.amount);
            }
        }
        Ok(())
    }

    /// One that joined before a fail-over was silent for as long as it took.
    fn is_silent(&self, node: &Node, now: Timestamp) -> bool {
        let heard_at = match node.heard_at {
            at if self.is_current(node) => at,
            at => at.max(self.timeline_at),
        };
        heard_at.plus_seconds(SILENCE_SECONDS) < now
    }

    pub(super) fn change(&self, seq: i64, account: AccountId) -> Option<Change> {
        let key = self.key_of(account).map(|key| key.record.id);
        Some(Change { seq, key, account, state: self.state_of(account)? })
    }
}
