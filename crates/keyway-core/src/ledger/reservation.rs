//! One reservation and the states it goes through.

use std::sync::Arc;

use super::course::Course;
use super::lease::{Draw, Slice};
use super::record::Ending;
use crate::budget::Windows;
use crate::id::AccountId;
use crate::money::Nanos;
use crate::pricing::Usage;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Waits for others' reservations; holds nothing.
    Waiting,
    /// Holds its bound; nothing of it is in the store.
    Held,
    /// A mark was handed out: the store may have it, so only the store can end it.
    Marked,
    /// Its settlement was handed out; the hold stays until that is durable.
    Settling,
}

/// What a reservation holds on one account.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hold {
    pub(super) account: AccountId,
    /// The lease that it was taken from; `None` where there was no limit.
    pub(super) slice: Option<Slice>,
    /// Held beside that lease, since the limit was taken away.
    pub(super) unleased: Nanos,
    /// Whether spend on the operator's own credentials counts.
    pub(super) counts_byok: bool,
    /// What the settlement that is on its way takes out of the lease.
    pub(super) drawn: Nanos,
}

impl Hold {
    /// Of a request that waits: nothing yet.
    pub(super) fn waiting(account: AccountId) -> Self {
        let none = Nanos::ZERO;
        Self { account, slice: None, unleased: none, counts_byok: false, drawn: none }
    }
}

#[derive(Debug)]
pub(super) struct Reservation {
    /// One an account, in the order of the request's path.
    pub(super) holds: Vec<Hold>,
    pub(super) bound: Nanos,
    pub(super) authorised: Nanos,
    pub(super) stage: Stage,
    /// What it is charged to; of no meaning while it waits to be admitted.
    pub(super) windows: Windows,
    /// The account at which it waits to hold more.
    pub(super) extending: Option<AccountId>,
}

impl Reservation {
    /// Whether it was admitted, and not resolved yet.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Held | Stage::Marked)
    }

    pub(super) fn draws(&self) -> Vec<Draw> {
        let drawn = |hold: &Hold| Some(Draw { slice: hold.slice?, amount: hold.drawn });
        self.holds.iter().filter_map(drawn).collect()
    }
}

/// What came of a request, as the relay knows it when it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub usage: Usage,
    /// What the usage costs, before the reservation caps it.
    pub cost: Nanos,
    /// Spent with the operator's own provider credentials, at list price.
    pub byok: Nanos,
    /// Nothing is charged: the provider itself ended the answer. Its cost is absorbed.
    pub free: bool,
    pub ending: Ending,
    pub estimated: bool,
    pub course: Arc<Course>,
}
