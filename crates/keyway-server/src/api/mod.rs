//! The control plane: one file per endpoint.

pub mod activity;
pub mod byok;
pub mod credits;
pub mod fields;
pub mod generation;
pub mod generation_content;
pub mod healthz;
pub mod key;
pub mod keys;
pub mod management_keys;
pub mod models;
pub mod openapi;
pub mod providers;
pub mod readyz;
