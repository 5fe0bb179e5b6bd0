//! The models on offer: those of the configuration and the built-in one.

use std::sync::Arc;

use keyway_core::catalogue::{About, Catalogue, DataCollection, Endpoint, Model, Patience, Traits};
use keyway_providers::echo;

use crate::catalogue::version;
use crate::config::Config;

/// The provider of the built-in model.
pub const BUILT_IN_PROVIDER: &str = "keyway";
/// Tokens of the built-in model's context; its answers cannot be longer than what it is sent.
const ECHO_CONTEXT_LENGTH: u64 = 1_000_000;

/// The configured models, and `keyway/echo` after them.
pub fn with_echo(config: &Config) -> Catalogue {
    let mut models: Vec<Arc<Model>> = config.models.iter().cloned().map(Arc::new).collect();
    models.push(Arc::new(echo_model()));
    let version = version(config.catalogue_day.as_deref(), &models);
    Catalogue::new(models, &version)
}

pub(super) fn echo_model() -> Model {
    let endpoint = Endpoint {
        provider: BUILT_IN_PROVIDER.to_owned(),
        upstream_model: echo::MODEL_ID.to_owned(),
        pricing: Some(echo::pricing()),
        // What it is sent never leaves this process.
        traits: Traits { data_collection: DataCollection::Deny, zdr: true, ..Traits::default() },
        patience: Patience::default(),
    };
    Model {
        id: echo::MODEL_ID.to_owned(),
        name: "Keyway: Echo".to_owned(),
        context_length: ECHO_CONTEXT_LENGTH,
        max_completion_tokens: ECHO_CONTEXT_LENGTH,
        distillable: true,
        about: About::default(),
        endpoints: vec![endpoint],
    }
}
