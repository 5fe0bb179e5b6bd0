//! Leases: slices of an account's remaining budget, each in one node's hands.
//!
//! The store holds, for every account and window, what is spent and what is leased to whom, and
//! grants no more than the limit leaves. A node reserves out of its leases without asking anybody.

use super::account::AccountState;
use crate::budget::WindowKind;
use crate::clock::Timestamp;
use crate::id::{AccountId, Epoch};
use crate::money::Nanos;

/// One window of one account: what a lease is a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slice {
    pub account: AccountId,
    pub kind: WindowKind,
    pub starts_at: Timestamp,
}

/// Gives back a part of a lease, asks for more, or both. Repeated, it happens once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseCall {
    pub epoch: Epoch,
    pub slice: Slice,
    /// Grows with every call of an epoch; a call with one that the store knows changes nothing.
    pub seq: i64,
    pub give_back: Nanos,
    /// Less than this is of no use now.
    pub least: Nanos,
    /// What waiting requests need in all.
    pub want: Nanos,
    /// What is asked for ahead of need, of which the store gives a share at most.
    pub ahead: Nanos,
    /// The share of what is free that may be had ahead of need, as its divisor.
    pub share: i64,
}

/// What a lease call brought, and what the store knows of the budget after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leased {
    pub granted: Nanos,
    pub figures: Figures,
}

/// A budget as the store knows it, in the window that was asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    pub state: AccountState,
    /// Charged, and counted against the limit.
    pub spent: Nanos,
    /// Leased to all nodes.
    pub leased: Nanos,
    /// Of that, to the node that asked.
    pub mine: Nanos,
    /// The store's clock.
    pub now: Timestamp,
}

impl LeaseCall {
    /// What may be granted where the budget stands at `figures`; nothing is taken by it.
    pub fn grant(&self, figures: &Figures) -> Nanos {
        let Some(limit) = figures.state.terms.limit else { return Nanos::ZERO };
        let asks = self.want > Nanos::ZERO || self.ahead > Nanos::ZERO;
        let opened = self.slice.starts_at <= self.slice.kind.starts_at(figures.now);
        let counts = self.slice.kind == figures.state.terms.window();
        if !asks || !figures.state.open || !opened || !counts {
            return Nanos::ZERO;
        }
        let free = limit.saturating_sub(figures.spent).saturating_sub(figures.leased);
        if free <= Nanos::ZERO || free < self.least {
            return Nanos::ZERO;
        }
        let ahead = self.ahead.get().min(free.get() / self.share.max(1));
        Nanos::new(self.want.get().min(free.get()).max(ahead))
    }
}

impl Slice {
    /// Whether a lease on `other`, of the same account, may still be charged to this window.
    pub fn is_touched_by(&self, other: &Self) -> bool {
        self.kind != other.kind || self.starts_at == other.starts_at
    }
}

/// What a settlement takes out of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    pub slice: Slice,
    pub amount: Nanos,
}
