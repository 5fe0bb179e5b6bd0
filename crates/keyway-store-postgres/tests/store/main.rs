//! The store on a PostgreSQL of its own.

mod contract;
mod fence;
mod opening;
mod outage;
mod prune;
mod random;
mod support;
mod tls;
mod upgrade;
