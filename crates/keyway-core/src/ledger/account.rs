//! One budget in memory: what is spent and what is held, in each window.

use std::collections::VecDeque;

use super::refusal::{Refusal, RefusalReason};
use crate::budget::{ResetInterval, WindowKind, Windows};
use crate::clock::Timestamp;
use crate::id::{AccountId, GenerationId};
use crate::key::{Terms, WindowSpend};
use crate::money::Nanos;
use crate::store::Balance;

/// What an account is when it is opened or amended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountState {
    pub terms: Terms,
    /// Whether it may be reserved against: `false` once its key is disabled or deleted.
    pub open: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    starts_at: Timestamp,
    spend: WindowSpend,
    held: Nanos,
}

#[derive(Debug)]
pub(super) struct Account {
    id: AccountId,
    pub(super) state: AccountState,
    windows: [Window; 4],
    /// Requests that hold a reservation here.
    reservations: u32,
    /// Requests that wait for others' reservations here, in the order in which they came.
    pub(super) waiting: VecDeque<GenerationId>,
}

impl Account {
    pub(super) fn new(id: AccountId, state: AccountState, balance: &Balance) -> Self {
        let windows = balance.map(|window| Window {
            starts_at: window.starts_at,
            spend: window.spend,
            held: Nanos::ZERO,
        });
        Self { id, state, windows, reservations: 0, waiting: VecDeque::new() }
    }

    /// Nothing in flight: what memory knows, the store knows.
    pub(super) fn is_idle(&self) -> bool {
        self.reservations == 0 && self.waiting.is_empty()
    }

    /// Opens the windows that `now` falls in. A window that ended never opens again.
    pub(super) fn roll(&mut self, now: Timestamp) {
        for (window, kind) in self.windows.iter_mut().zip(WindowKind::ALL) {
            let starts_at = kind.starts_at(now);
            if starts_at > window.starts_at {
                *window = Window { starts_at, ..Window::default() };
            }
        }
    }

    /// Whether `bound` fits beside what is spent and held. The windows must have been rolled.
    pub(super) fn check(&self, bound: Nanos) -> Result<(), Refusal> {
        if !self.state.open {
            return Err(self.refusal(RefusalReason::Closed, bound));
        }
        let Some(limit) = self.state.terms.limit else { return Ok(()) };
        let (spent, held) = self.counted();
        let left = limit.saturating_sub(spent);
        if bound == Nanos::ZERO || bound <= left.saturating_sub(held) {
            return Ok(());
        }
        let reason = if left <= Nanos::ZERO {
            RefusalReason::Exhausted
        } else if bound > left {
            RefusalReason::TooLittle
        } else {
            RefusalReason::Held
        };
        Err(self.refusal(reason, bound))
    }

    pub(super) fn refusal(&self, reason: RefusalReason, bound: Nanos) -> Refusal {
        let (spent, held) = self.counted();
        let reset = self.state.terms.reset;
        Refusal {
            reason,
            account: self.id,
            limit: self.state.terms.limit.unwrap_or(Nanos::ZERO),
            reset,
            resets_at: reset.and_then(|reset| {
                let kind = reset.window();
                kind.ends_at(self.windows[kind.index()].starts_at)
            }),
            spent,
            held,
            bound,
        }
    }

    /// What is spent and held in the window that the limit counts.
    fn counted(&self) -> (Nanos, Nanos) {
        let kind = self.state.terms.reset.map_or(WindowKind::Total, ResetInterval::window);
        let window = &self.windows[kind.index()];
        let byok =
            if self.state.terms.include_byok_in_limit { window.spend.byok } else { Nanos::ZERO };
        (window.spend.spent.saturating_add(byok), window.held)
    }

    pub(super) fn hold(&mut self, bound: Nanos) {
        self.reservations += 1;
        for window in &mut self.windows {
            window.held = window.held.saturating_add(bound);
        }
    }

    /// Gives a hold back and books what was spent instead, in those windows of the request's
    /// admission that are still open. The others are history, which only the store keeps.
    pub(super) fn release(&mut self, windows: &Windows, bound: Nanos, spent: WindowSpend) {
        self.reservations -= 1;
        for (window, starts_at) in self.windows.iter_mut().zip(windows.0) {
            if window.starts_at == starts_at {
                window.held = window.held.saturating_sub(bound);
                window.spend.spent = window.spend.spent.saturating_add(spent.spent);
                window.spend.byok = window.spend.byok.saturating_add(spent.byok);
            }
        }
    }

    /// What is held, whatever the limit counts; for checks of invariants.
    #[cfg(test)]
    pub(super) fn held_of_all_time(&self) -> Nanos {
        self.windows[WindowKind::Total.index()].held
    }
}
