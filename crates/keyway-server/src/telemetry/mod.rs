//! What an operator sees of a running node: figures for Prometheus, on a listener of their own, and spans
//! for a collector.

pub mod listener;
pub mod metrics;
mod offers;
mod series;
pub(crate) mod standing;
pub mod traces;
