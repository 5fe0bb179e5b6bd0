//! The installation's credits.

use super::state::State;
use crate::budget::WindowKind;
use crate::clock::Timestamp;
use crate::id::{AccountId, CreditId};
use crate::key::Terms;
use crate::money::Nanos;

impl State {
    pub(super) fn add_credits(&mut self, id: CreditId, amount: Nanos, now: Timestamp) -> Nanos {
        if self.credits.is_empty() {
            let spent = self.spend_of(AccountId::INSTALLATION, now).windows;
            self.credits.insert(CreditId::OPENING, spent[WindowKind::Total.index()].spent);
        }
        self.credits.entry(id).or_insert(amount);
        self.set_budget(Terms::default(), now);
        self.credits_total().unwrap_or_default()
    }

    pub(super) fn credits_total(&self) -> Option<Nanos> {
        let sum = |sum: Nanos, amount: &Nanos| sum.saturating_add(*amount);
        (!self.credits.is_empty()).then(|| self.credits.values().fold(Nanos::ZERO, sum))
    }
}
