//! Models, the endpoints that serve them, and the providers behind those.

use std::sync::Arc;

use crate::pricing::Pricing;

/// Everything that a request may be routed to.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    /// In the order of the configuration, which is the order of `GET /models`.
    pub models: Vec<Arc<Model>>,
}

impl Catalogue {
    pub fn model(&self, id: &str) -> Option<&Arc<Model>> {
        self.models.iter().find(|model| model.id == id)
    }
}

/// A model as clients name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// `author/slug`.
    pub id: String,
    /// For people.
    pub name: String,
    /// Tokens of prompt and completion together.
    pub context_length: u64,
    /// Most tokens of one completion; bounds what a request without `max_tokens` may cost.
    pub max_completion_tokens: u64,
    /// In the order in which they are tried.
    pub endpoints: Vec<Endpoint>,
}

/// One model at one provider, with its price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The provider's slug.
    pub provider: String,
    /// What the provider calls the model.
    pub upstream_model: String,
    pub pricing: Pricing,
}
