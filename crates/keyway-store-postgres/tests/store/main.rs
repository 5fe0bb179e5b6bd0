//! The store on a PostgreSQL of its own.

mod contract;
mod opening;
mod outage;
mod random;
mod support;
