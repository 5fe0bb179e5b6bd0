//! Keyway's embedded store: SQLite in WAL mode, one writer thread with group commit, readers apart.

mod accounts;
mod answers;
mod batch;
mod bookings;
mod checkpoint;
mod contents;
mod course;
mod credentials;
mod credits;
mod entries;
mod error;
mod health;
mod integrity;
mod keys;
mod leases;
mod ledger;
mod lock;
mod migrate;
mod nodes;
mod open;
mod prune;
mod readers;
mod rows;
mod source;
mod store;
mod writer;

pub use lock::{Holder, gateway_process};
pub use open::{Durability, OpenError, SqliteOptions};
pub use source::SqliteSource;
pub use store::SqliteStore;
