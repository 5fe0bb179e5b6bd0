//! The endpoints that a request may try, in order.

use std::sync::Arc;

use crate::catalogue::{Endpoint, Model};
use crate::id::CredentialId;

/// Whose credential is presented to an endpoint's provider (contract, B.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Presented {
    /// The gateway's own.
    #[default]
    Shared,
    /// One that the operator gave for some of the keys.
    Kept(CredentialId),
    /// One that came with the request.
    Brought,
}

/// One endpoint of a plan, with the model that it serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    model: Arc<Model>,
    endpoint: usize,
    presented: Presented,
}

/// What a request may try, the first first. There is something in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    attempts: Vec<Attempt>,
}

impl Attempt {
    /// The `endpoint`-th of `model`; `None` where it has fewer.
    pub fn new(model: &Arc<Model>, endpoint: usize) -> Option<Self> {
        (endpoint < model.endpoints.len()).then(|| Self {
            model: Arc::clone(model),
            endpoint,
            presented: Presented::Shared,
        })
    }

    /// The same endpoint, with another credential.
    #[must_use]
    pub fn presenting(&self, presented: Presented) -> Self {
        Self { presented, ..self.clone() }
    }

    pub const fn presented(&self) -> Presented {
        self.presented
    }

    /// Whether the provider is paid by whose credential is presented, and not by this gateway.
    pub fn is_byok(&self) -> bool {
        self.presented != Presented::Shared
    }

    pub fn model(&self) -> &Model {
        &self.model
    }

    pub fn endpoint(&self) -> &Endpoint {
        &self.model.endpoints[self.endpoint]
    }

    /// Tokens of prompt and completion together.
    pub fn context_length(&self) -> u64 {
        let own = self.endpoint().traits.context_length;
        own.unwrap_or(u64::MAX).min(self.model.context_length)
    }

    /// Most tokens of one completion.
    pub fn max_completion_tokens(&self) -> u64 {
        let own = self.endpoint().traits.max_completion_tokens;
        own.unwrap_or(u64::MAX).min(self.model.max_completion_tokens).min(self.context_length())
    }
}

impl Plan {
    /// `None` where nothing is left to try.
    pub fn new(attempts: Vec<Attempt>) -> Option<Self> {
        (!attempts.is_empty()).then_some(Self { attempts })
    }

    /// Every endpoint of `model`, as the configuration lists them.
    pub fn of(model: &Arc<Model>) -> Option<Self> {
        Self::new((0..).map_while(|endpoint| Attempt::new(model, endpoint)).collect())
    }

    pub fn attempts(&self) -> &[Attempt] {
        &self.attempts
    }

    pub fn first(&self) -> &Attempt {
        &self.attempts[0]
    }

    /// Most tokens of one completion, wherever it comes from.
    pub fn max_completion_tokens(&self) -> u64 {
        self.attempts.iter().map(Attempt::max_completion_tokens).max().unwrap_or(0)
    }
}
