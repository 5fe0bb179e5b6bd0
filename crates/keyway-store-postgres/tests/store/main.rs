//! The store on a PostgreSQL of its own.

mod contract;
mod failovers;
mod fence;
mod opening;
mod outage;
mod prune;
mod random;
mod support;
mod tls;
mod upgrade;
