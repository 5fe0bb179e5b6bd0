//! One budget in memory: what of it is leased to this node, and what of that is held.

use std::collections::VecDeque;

use super::CALL_SECONDS;
use super::lease::{Figures, LeaseCall, Slice};
use super::refusal::{Refusal, RefusalReason};
use super::reservation::Hold;
use super::waiting::Waiting;
use crate::clock::Timestamp;
use crate::id::AccountId;
use crate::key::Terms;
use crate::money::Nanos;
use crate::planted::{Bug, planted};

/// What an account is when it is opened or amended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountState {
    pub terms: Terms,
    /// Whether it may be reserved against: `false` once its key is disabled or deleted.
    pub open: bool,
}

/// A part of one window's budget that only this node may spend.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lease {
    pub(super) slice: Slice,
    pub(super) granted: Nanos,
    /// Of that, held by reservations.
    pub(super) held: Nanos,
}

impl Lease {
    pub(super) fn idle(&self) -> Nanos {
        self.granted.saturating_sub(self.held)
    }
}

#[derive(Debug)]
pub(super) struct Account {
    id: AccountId,
    pub(super) state: AccountState,
    pub(super) leases: Vec<Lease>,
    /// The window that new requests are charged to.
    pub(super) current: Slice,
    /// As the store last said of the current window, under the terms that are in force.
    pub(super) known: Option<Figures>,
    /// All that is left of the budget is in this node's hands.
    pub(super) sole: bool,
    /// Held by requests that were admitted without a limit.
    unleased: Nanos,
    /// Requests that hold a reservation here.
    reservations: u32,
    /// Requests that wait here, in the order in which they came.
    pub(super) waiting: VecDeque<Waiting>,
    /// On its way to the store.
    pub(super) call: Option<LeaseCall>,
    /// The number of a call that was made before the terms changed: what its answer says of the budget
    /// may be from before.
    pub(super) outdated: Option<i64>,
    /// When the last call was made.
    pub(super) called_at: Timestamp,
    /// The last call could not be made.
    pub(super) failing: bool,
    /// What is idle is wanted elsewhere.
    pub(super) recalled: bool,
    /// Nothing is asked for again before.
    pub(super) ask_from: Timestamp,
    pub(super) used_at: Timestamp,
    /// How much is asked for ahead of need: doubles while it does not last.
    pub(super) ahead: Nanos,
}

impl Account {
    pub(super) fn new(id: AccountId, state: AccountState, now: Timestamp) -> Self {
        let kind = state.terms.window();
        Self {
            id,
            state,
            leases: Vec::new(),
            current: Slice { account: id, kind, starts_at: kind.starts_at(now) },
            known: None,
            sole: false,
            unleased: Nanos::ZERO,
            reservations: 0,
            waiting: VecDeque::new(),
            call: None,
            outdated: None,
            called_at: now,
            failing: false,
            recalled: false,
            ask_from: Timestamp::from_micros(i64::MIN),
            used_at: now,
            ahead: Nanos::ZERO,
        }
    }

    /// Nothing in flight, and nothing of the budget in this node's hands.
    pub(super) fn is_idle(&self) -> bool {
        self.reservations == 0
            && self.waiting.is_empty()
            && self.call.is_none()
            && self.leases.is_empty()
    }

    /// Nothing in flight; leases may have to go back.
    pub(super) fn is_unused(&self) -> bool {
        self.reservations == 0 && self.waiting.is_empty()
    }

    pub(super) fn amend(&mut self, state: AccountState, now: Timestamp) {
        if planted(Bug::IgnoresAmendments) {
            return;
        }
        // Terms that are what they were may have been others in between, and more may be leased.
        self.state = state;
        self.outdated = self.call.map(|call| call.seq);
        self.forget_figures();
        // Under new terms all is granted anew.
        self.recalled = true;
        self.roll(now);
    }

    /// Opens the window that `now` falls in. One that ended never opens again.
    pub(super) fn roll(&mut self, now: Timestamp) {
        let kind = self.state.terms.window();
        let starts_at = kind.starts_at(now);
        let ended = starts_at > self.current.starts_at && !planted(Bug::WindowsStand);
        if kind != self.current.kind || ended {
            self.current = Slice { account: self.id, kind, starts_at };
            self.forget_figures();
        }
    }

    fn forget_figures(&mut self) {
        self.known = None;
        self.sole = false;
        self.ask_from = Timestamp::from_micros(i64::MIN);
    }

    /// Whether `bound` fits into what this node has. The window must have been rolled.
    pub(super) fn check(&self, bound: Nanos) -> Result<(), Refusal> {
        if !self.state.open {
            return Err(self.refusal(RefusalReason::Closed, bound));
        }
        if self.state.terms.limit.is_none() || bound == Nanos::ZERO || bound <= self.idle() {
            return Ok(());
        }
        Err(self.lacks(bound))
    }

    /// Whether `more` fits beside what a request holds of `slice`, which makes `bound` in all. It is
    /// charged to the window of its admission: of one that ended, or of terms that are not in force
    /// any more, it gets what is idle here, and no grant.
    pub(super) fn check_more(
        &self,
        slice: Option<Slice>,
        bound: Nanos,
        more: Nanos,
    ) -> Result<(), Refusal> {
        if !self.state.open {
            return Err(self.refusal(RefusalReason::Closed, bound));
        }
        if self.state.terms.limit.is_none() {
            return Ok(());
        }
        match slice {
            Some(slice) if more <= self.idle_of(slice) => Ok(()),
            Some(slice) if slice == self.current => Err(self.lacks(bound)),
            _ => Err(self.refusal(RefusalReason::TooLittle, bound)),
        }
    }

    /// Why `bound`, which does not fit, is refused.
    fn lacks(&self, bound: Nanos) -> Refusal {
        let reason = match self.left() {
            Some(left) if left <= Nanos::ZERO => RefusalReason::Exhausted,
            Some(left) if bound > left => RefusalReason::TooLittle,
            _ => RefusalReason::Held,
        };
        self.refusal(reason, bound)
    }

    /// What the limit leaves after all charges, as far as is known for sure: it may be less by now,
    /// and is never more.
    pub(super) fn left(&self) -> Option<Nanos> {
        let known = self.known?;
        let left = self.state.terms.limit?.saturating_sub(known.spent);
        if planted(Bug::RefusesForHolds) {
            return Some(left.saturating_sub(known.leased).saturating_add(self.idle()));
        }
        Some(if self.sole { left.min(self.granted()) } else { left })
    }

    pub(super) fn refusal(&self, reason: RefusalReason, bound: Nanos) -> Refusal {
        let limit = self.state.terms.limit.unwrap_or(Nanos::ZERO);
        let spent = self.left().map_or(Nanos::ZERO, |left| limit.saturating_sub(left));
        let elsewhere =
            self.known.map_or(Nanos::ZERO, |known| known.leased.saturating_sub(known.mine));
        Refusal {
            reason,
            account: self.id,
            limit,
            reset: self.state.terms.reset,
            resets_at: self.current.kind.ends_at(self.current.starts_at),
            spent,
            held: self.held().saturating_add(elsewhere),
            bound,
        }
    }

    fn lease(&self, slice: Slice) -> Option<&Lease> {
        self.leases.iter().find(|lease| lease.slice == slice)
    }

    /// What may be reserved without asking the store.
    pub(super) fn idle(&self) -> Nanos {
        self.idle_of(self.current)
    }

    /// Whether the store said, under the terms and in the window that are in force, that all charges and
    /// leases fit under the limit. Until then what is idle is not spent: it was granted under a limit
    /// that may have been higher.
    pub(super) fn is_confirmed(&self) -> bool {
        if planted(Bug::SpendsWhatOldTermsGranted) {
            return true;
        }
        let (Some(known), Some(limit)) = (self.known, self.state.terms.limit) else { return false };
        known.spent.saturating_add(known.leased) <= limit
    }

    /// The same of any window, for a request that is charged to it.
    fn idle_of(&self, slice: Slice) -> Nanos {
        if !self.is_confirmed() {
            return Nanos::ZERO;
        }
        self.lease(slice).map_or(Nanos::ZERO, Lease::idle)
    }

    fn granted(&self) -> Nanos {
        self.lease(self.current).map_or(Nanos::ZERO, |lease| lease.granted)
    }

    /// Held by this node's requests in flight, in all windows.
    pub(super) fn held(&self) -> Nanos {
        let leased = self.leases.iter().map(|lease| lease.held);
        leased.fold(self.unleased, Nanos::saturating_add)
    }

    /// In this node's hands, in all windows.
    pub(super) fn leased(&self) -> Nanos {
        let granted = self.leases.iter().map(|lease| lease.granted);
        granted.fold(Nanos::ZERO, Nanos::saturating_add)
    }

    /// Holds `bound`, which fits; answers the lease that it was taken from.
    pub(super) fn hold(&mut self, bound: Nanos, now: Timestamp) -> Option<Slice> {
        self.reservations += 1;
        self.used_at = now;
        let current = self.current;
        let lease = self.leases.iter_mut().find(|lease| lease.slice == current);
        match lease {
            Some(lease) if self.state.terms.limit.is_some() && bound > Nanos::ZERO => {
                if !planted(Bug::HoldsNothing) {
                    lease.held = lease.held.saturating_add(bound);
                }
                Some(current)
            }
            _ => {
                self.unleased = self.unleased.saturating_add(bound);
                None
            }
        }
    }

    /// Holds `more`, which fits, beside what is held.
    pub(super) fn hold_more(&mut self, hold: &mut Hold, more: Nanos, now: Timestamp) {
        self.used_at = now;
        let limited = self.state.terms.limit.is_some();
        match self.leases.iter_mut().find(|lease| Some(lease.slice) == hold.slice) {
            Some(_) if planted(Bug::ExtendsWithoutHolding) => {}
            Some(lease) if limited => lease.held = lease.held.saturating_add(more),
            _ => {
                self.unleased = self.unleased.saturating_add(more);
                hold.unleased = hold.unleased.saturating_add(more);
            }
        }
    }

    /// Gives a hold back, less what was drawn from its lease. Answers whether what is left of the
    /// lease has a place to go.
    pub(super) fn release(&mut self, hold: &Hold, bound: Nanos) -> bool {
        self.reservations -= 1;
        let Some(slice) = hold.slice else {
            self.unleased = self.unleased.saturating_sub(bound);
            return false;
        };
        let lease = self.leases.iter_mut().find(|lease| lease.slice == slice);
        let lease = lease.expect("a lease outlives what is held of it");
        lease.held = lease.held.saturating_sub(bound.saturating_sub(hold.unleased));
        self.unleased = self.unleased.saturating_sub(hold.unleased);
        if !planted(Bug::DrawsNothing) {
            lease.granted = lease.granted.saturating_sub(hold.drawn);
        }
        self.drop_empty();
        self.recalled || !self.is_confirmed() || slice != self.current
    }

    pub(super) fn drop_empty(&mut self) {
        self.leases.retain(|lease| lease.granted > Nanos::ZERO);
    }

    /// Others want what is idle here.
    pub(super) fn recall(&mut self) {
        self.recalled = true;
        self.sole = false;
    }

    /// Whether the store could not say how the budget stands.
    pub(super) fn is_unknown(&self, now: Timestamp) -> bool {
        let silent = self.call.is_some() && self.called_at.plus_seconds(CALL_SECONDS) < now;
        silent || self.failing || self.known.is_none()
    }
}
