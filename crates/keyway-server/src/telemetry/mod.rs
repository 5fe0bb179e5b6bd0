//! What an operator sees of a running node: figures for Prometheus, on a listener of their own.

pub mod listener;
pub mod metrics;
mod series;
mod standing;
