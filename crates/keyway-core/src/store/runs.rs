//! Runs of nodes: what they are told, and what they put back after a fail-over.

#[cfg(doc)]
use super::SILENCE_SECONDS;
use crate::clock::Timestamp;
use crate::id::{AccountId, Epoch, KeyId, Timeline};
use crate::key::Terms;
use crate::ledger::{AccountState, Settlement, Slice};

/// A node that began to work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joined {
    pub epoch: Epoch,
    /// Requests that its earlier runs left in the middle of an answer.
    pub recovered: u64,
    /// The last change that was made to a key or an account.
    pub head: i64,
    /// The installation's budget, as of that change.
    pub budget: Terms,
    pub timeline: Timeline,
    /// As [`Poll::returning`].
    pub returning: bool,
}

/// Why a run of a node ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeEnd {
    /// It says so itself.
    Left,
    /// It was not heard of for [`SILENCE_SECONDS`].
    Silent,
}

/// What a node learns when it asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poll {
    /// The store's clock.
    pub now: Timestamp,
    /// The last change that was made.
    pub head: i64,
    /// The changes since, in their order.
    pub changes: Vec<Change>,
    /// Some of them are not kept any more, or never were: all that is known of keys and accounts has
    /// to be looked at anew.
    pub forgotten: bool,
    /// Leases of this node that others wait for.
    pub recalled: Vec<Slice>,
    /// Live nodes, this one among them.
    pub nodes: u32,
    /// How many of them began before this one.
    pub rank: u32,
    /// Of those, the ones that were not heard of for [`SILENCE_SECONDS`].
    pub silent: Vec<Epoch>,
    /// Up to here the changes are in force on every other live node.
    pub acknowledged: i64,
    /// The store failed over, and not all nodes have put back yet what they know: a change that was
    /// answered may be missing, so that nobody may be served.
    pub returning: bool,
}

/// A change to a key or an account, with what the account is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pub seq: i64,
    pub key: Option<KeyId>,
    pub account: AccountId,
    pub state: AccountState,
}

/// What a node knows to have been written lately.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Testimony {
    /// Charges, and marks as [`crate::ledger::Journal`] turns them into charges.
    pub charges: Vec<Settlement>,
    /// Changes that were told to the node, in their order.
    pub changes: Vec<Change>,
}

/// What of a testimony was not in the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Testified {
    pub charges: u64,
    pub changes: u64,
    /// About keys that the store does not know, because they were lost too.
    pub nobodys: u64,
}
