//! The data plane: from a client's request to its charge.
//!
//! A request is admitted against its key's rate limits and budget, dispatched to an endpoint, pumped
//! to the client and settled. Once it is admitted, all of it runs in one tracked task that the
//! client's disappearance cannot cancel.

mod admit;
pub mod bound;
mod broken;
pub mod catalogue;
pub mod chat;
mod clamp;
mod dispatch;
mod dry_run;
mod exchange;
mod head;
mod job;
pub mod meter;
mod pass;
mod pump;
mod rate_refusal;
pub mod rates;
mod refusal;
mod rolling;
pub mod upstream;
