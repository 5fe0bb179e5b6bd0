//! The providers that an environment variable switches on.

use std::sync::LazyLock;

use serde::Deserialize;

use super::cloud::Cloud;

const PROVIDERS: &str = include_str!("../../../../catalogue/providers.json");

/// A provider as the catalogue knows it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KnownProvider {
    pub(super) slug: String,
    /// For people.
    pub(super) name: String,
    /// Of the configuration's words; one that this version does not speak is left alone.
    pub(super) dialect: String,
    /// `None` of one in a cloud: it follows from where that is.
    pub(super) base_url: Option<String>,
    /// What switches it on where it is in one.
    pub(super) cloud: Option<Cloud>,
    /// The variable that holds its credential.
    pub(super) variable: Option<String>,
    /// The variable that says where it is, for those that run at the operator's.
    pub(super) host_variable: Option<String>,
    #[serde(default)]
    pub(super) trust_provider_cost: bool,
}

pub(super) fn all() -> Vec<KnownProvider> {
    serde_json::from_str(PROVIDERS).expect("a test reads the providers")
}

/// The slugs of the providers that a variable may switch on.
pub fn slugs() -> impl Iterator<Item = &'static str> {
    static ALL: LazyLock<Vec<KnownProvider>> = LazyLock::new(all);
    ALL.iter().map(|known| known.slug.as_str())
}
