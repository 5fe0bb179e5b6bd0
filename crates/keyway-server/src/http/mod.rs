//! HTTP: the router on one screen, who calls, bodies and queries, errors, the accept loop and what it
//! bears.

pub(crate) mod accept;
pub mod body;
pub mod caller;
mod crowd;
pub mod edge;
pub mod error;
mod forwarded;
pub(crate) mod memory;
mod parting;
pub(crate) mod pieces;
mod presence;
pub mod query;
mod raw;
pub(crate) mod redact;
pub mod router;
mod sent;
pub mod serve;
pub(crate) mod shed;
mod socket;
mod strangers;
pub(crate) mod turns;
mod unread;
pub mod usd;
mod visit;
mod visited;
