//! HTTP: the router on one screen, who calls, bodies and queries, errors, the accept loop.

pub mod body;
pub mod caller;
pub mod error;
pub mod query;
pub(crate) mod redact;
pub mod router;
pub mod serve;
pub mod usd;
