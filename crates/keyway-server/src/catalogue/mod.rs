//! What Keyway knows of providers and models without being told: the data of `catalogue/`, dated and
//! with its sources beside it. An edition in the data directory takes its place; the configuration
//! overrides and extends it.

mod cloud;
mod difference;
mod edition;
mod fetch;
mod folder;
mod line;
mod pricing;
mod providers;
mod switch;
mod version;
pub(crate) mod written;

#[cfg(test)]
mod tests;

pub use difference::{At, Difference, Repriced};
pub use edition::{Edition, EditionDigest};
pub use fetch::{FetchError, fetch};
pub use folder::{Folder, FolderError, read_text};
pub use line::{Head, LineError, Source};
pub use providers::slugs as providers;
pub use switch::switch_on;
pub(crate) use version::version;

/// Bytes of the largest catalogue that is read: some fifty times the one that Keyway brings along.
const BYTES_MAX: u64 = 16 * 1024 * 1024;
