//! The data plane: from a client's request to its charge.
//!
//! A request is admitted against its key's rate limits and budget, dispatched to an endpoint, pumped
//! to the client and settled. Once it is admitted, all of it runs in one tracked task that the
//! client's disappearance cannot cancel.

mod admit;
mod ahead;
mod alias;
mod ask;
mod begun;
mod betas;
pub mod bound;
mod broken;
mod byok;
pub mod catalogue;
pub mod chat;
mod choices;
mod clamp;
mod client;
pub mod completions;
pub mod count_tokens;
mod course;
mod deliver;
mod described;
mod dispatch;
mod dry_run;
pub mod embeddings;
mod exchange;
mod head;
pub mod health;
mod hedge;
mod job;
pub mod messages;
pub mod meter;
mod origin;
mod outlet;
mod pass;
mod pump;
mod rate_refusal;
pub mod rates;
mod recording;
mod refusal;
pub mod rerank;
pub mod responses;
mod rolling;
mod room;
mod route;
pub mod sticky;
mod tally;
mod told;
mod unanswered;
pub mod upstream;
mod watch;
