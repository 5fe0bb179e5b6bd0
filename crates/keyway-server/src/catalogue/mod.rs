//! What Keyway knows of providers and models without being told: the data of `catalogue/`, dated and
//! with its sources beside it. The configuration overrides and extends it.

mod line;
mod pricing;
mod providers;
mod switch;
mod version;
pub(crate) mod written;

#[cfg(test)]
mod tests;

pub use line::{Catalogued, LineError, read};
pub use providers::slugs as providers;
pub use switch::switch_on;
pub(crate) use version::version;

/// One model a line; the first line says of which day it is.
const MODELS: &str = include_str!("../../../../catalogue/models.jsonl");
