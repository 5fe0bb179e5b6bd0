//! Requests that wait at an account for what others hold.

use std::collections::VecDeque;

use super::account::Account;
use super::lease::Slice;
use crate::id::GenerationId;
use crate::money::Nanos;

/// A request that waits at an account.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) id: GenerationId,
    /// What it is to hold in all, and what of that it does not hold yet.
    pub(super) bound: Nanos,
    pub(super) more: Nanos,
    /// The lease that it holds the rest of; `None` for one that holds nothing.
    pub(super) slice: Option<Slice>,
}

impl Account {
    /// Takes a request out of those that wait here.
    pub(super) fn leave(&mut self, id: GenerationId) {
        self.waiting.retain(|waiting| waiting.id != id);
    }

    /// Takes out what waits here and has to be looked at: all that may fit now, and all that never
    /// will. What stays keeps its order.
    pub(super) fn take_decidable(&mut self) -> Vec<Waiting> {
        let free_for_all = !self.state.open || self.state.terms.limit.is_none();
        let (mut idle, left) = (self.idle(), self.left());
        let (mut taken, mut kept) = (Vec::new(), VecDeque::new());
        for waiting in std::mem::take(&mut self.waiting) {
            let fits = waiting.more <= idle;
            if fits {
                idle = idle.saturating_sub(waiting.more);
            }
            let ended = waiting.slice.is_some_and(|slice| slice != self.current);
            let never = ended || left.is_some_and(|left| waiting.bound > left);
            if fits || free_for_all || never {
                taken.push(waiting);
            } else {
                kept.push_back(waiting);
            }
        }
        self.waiting = kept;
        taken
    }
}
