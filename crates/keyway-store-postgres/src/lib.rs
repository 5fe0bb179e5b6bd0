//! The store for several nodes, on PostgreSQL and engines that speak its protocol.
//!
//! The same verbs, tables and file names as the embedded store's. Calls to the ledger that wait share a
//! transaction; every call may be repeated when its answer was lost.

mod accounts;
mod answers;
mod bookings;
mod clock;
mod contents;
mod course;
mod credentials;
mod credits;
mod entering;
mod entries;
mod error;
mod history;
mod keys;
mod leases;
mod ledger;
mod migrate;
mod nodes;
mod open;
mod prune;
mod rows;
mod spend;
mod store;
mod target;
mod testimony;
mod tls;
mod together;
mod transact;
mod url;
mod writer;

pub use clock::StoreTime;
pub use open::{OpenError, PostgresOptions};
pub use store::PostgresStore;
pub use target::{PostgresTarget, TransferError};
