//! One reservation and the states it goes through.

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
    Settling(Outcomes),
}

/// What a settlement that is on its way to the store will book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outcomes {
    pub(super) charge: Nanos,
    pub(super) byok: Nanos,
}

#[derive(Debug)]
pub(super) struct Reservation {
    pub(super) accounts: Vec<AccountId>,
    pub(super) windows: Windows,
    pub(super) bound: Nanos,
    pub(super) authorised: Nanos,
    pub(super) stage: Stage,
}

/// What came of a request, as the relay knows it when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
}
