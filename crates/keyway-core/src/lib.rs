//! Keyway's domain: money, time, keys, windows, the ledger and the contract of a store.
//!
//! Nothing in this crate knows a clock, a disk, a socket or a source of randomness: time and
//! randomness are arguments, effects are return values. That is what lets the ledger be tested as
//! a state machine and a store be compared with a model.

pub mod address;
pub mod budget;
pub mod catalogue;
pub mod clock;
pub mod content;
pub mod credential;
pub mod error;
pub mod id;
pub mod key;
pub mod ledger;
pub mod money;
pub mod network;
mod planted;
pub mod pricing;
pub mod rate;
pub mod routing;
pub mod secret;
pub mod store;
