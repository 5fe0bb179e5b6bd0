//! What stands behind a model's id: `author/slug:variant` (contract, C.1: model ids).

use super::{Attempt, Sort};
use crate::pricing::Pricing;

/// A way to be served that is asked for with the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// Only what costs nothing, of whatever kind.
    Free,
    /// The most tokens per second first, the priority tier among them.
    Nitro,
    /// The cheapest first, the flex tier among them.
    Floor,
    /// With reasoning, unless the request says otherwise.
    Thinking,
    /// Only the model's longest context.
    Extended,
    /// The most reliable first.
    Exacto,
}

impl Variant {
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "free" => Some(Self::Free),
            "nitro" => Some(Self::Nitro),
            "floor" => Some(Self::Floor),
            "thinking" => Some(Self::Thinking),
            "extended" => Some(Self::Extended),
            "exacto" => Some(Self::Exacto),
            _ => None,
        }
    }

    /// What the endpoints are put in order by, where the request does not say.
    pub(super) const fn sort(self) -> Option<Sort> {
        match self {
            Self::Nitro => Some(Sort::Throughput),
            Self::Floor => Some(Sort::Price),
            Self::Exacto => Some(Sort::Exacto),
            Self::Free | Self::Thinking | Self::Extended => None,
        }
    }

    /// The tier of service that it admits besides the usual one.
    pub(super) const fn tier(self) -> Option<&'static str> {
        match self {
            Self::Nitro => Some("priority"),
            Self::Floor => Some("flex"),
            Self::Free | Self::Thinking | Self::Extended | Self::Exacto => None,
        }
    }

    /// Whether `attempt` is such an endpoint; `longest` is the longest context of the model's.
    pub(super) fn admits(self, attempt: &Attempt, longest: u64) -> bool {
        match self {
            Self::Free => attempt.endpoint().pricing.as_ref().is_some_and(Pricing::is_free),
            Self::Extended => attempt.context_length() >= longest,
            Self::Nitro | Self::Floor | Self::Thinking | Self::Exacto => true,
        }
    }
}
