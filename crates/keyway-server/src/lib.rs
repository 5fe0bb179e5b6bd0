//! Keyway's server: the control plane (`api`), the data plane (`relay`), and what both stand on.
//!
//! `api` and `relay` do not know each other. Neither names a store: the binary chooses one.

mod alarm;
pub mod api;
pub mod app;
mod bell;
pub mod catalogue;
pub mod clock;
pub mod config;
pub mod contents;
mod ear;
pub mod egress;
pub mod entropy;
pub mod http;
pub mod installation;
pub mod kek;
pub mod keyring;
mod lanes;
pub mod leases;
pub mod meant;
pub mod relay;
pub mod running;
pub mod secret_file;
pub mod telemetry;
pub mod vault;
#[cfg(test)]
mod woken;
