//! Why a reservation was refused, in figures that explain themselves.

use crate::budget::ResetInterval;
use crate::clock::Timestamp;
use crate::id::AccountId;
use crate::money::Nanos;

/// A refusal names the account that stands in the way and its figures at that moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub reason: RefusalReason,
    pub account: AccountId,
    /// The size of the budget.
    pub limit: Nanos,
    pub reset: Option<ResetInterval>,
    /// When the budget's window ends; `None` for one over all time.
    pub resets_at: Option<Timestamp>,
    /// Charged in the window.
    pub spent: Nanos,
    /// Held by requests that are not settled.
    pub held: Nanos,
    /// What the refused request could cost at most.
    pub bound: Nanos,
}

impl Refusal {
    /// What a request that came now could still reserve.
    pub fn available(&self) -> Nanos {
        self.left().saturating_sub(self.held).max(Nanos::ZERO)
    }

    /// What is not charged: it may be reserved when others gave back what they hold.
    pub fn left(&self) -> Nanos {
        self.limit.saturating_sub(self.spent).max(Nanos::ZERO)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefusalReason {
    /// The budget is spent.
    Exhausted,
    /// Something is left, but less than the request could cost.
    TooLittle,
    /// Enough is left, but other requests hold it and did not give it back in time.
    Held,
    /// The key was disabled or deleted since it was authenticated.
    Closed,
}
