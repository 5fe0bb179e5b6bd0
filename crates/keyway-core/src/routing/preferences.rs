//! What a request asks of routing (contract, C.1: the provider object).

use crate::catalogue::{DataCollection, Endpoint, Quantization};
use crate::money::Rate;

/// What a request says of the endpoints that it wants, in the words of its `provider` object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a word of the request")]
pub struct Preferences {
    /// Slugs in lower case, tried first and in this order; empty is none.
    pub order: Vec<String>,
    /// Slugs in lower case; `None` allows every provider.
    pub only: Option<Vec<String>>,
    /// Slugs in lower case.
    pub ignore: Vec<String>,
    /// Whether another endpoint may answer than the first, or than those of `order`.
    pub allow_fallbacks: bool,
    pub require_parameters: bool,
    pub data_collection: DataCollection,
    pub zdr: bool,
    /// Only models whose answers others may be trained on.
    pub distillable: bool,
    /// Empty is any.
    pub quantizations: Vec<Quantization>,
    pub sort: Option<Sort>,
    /// Sorts the endpoints of all models together, in place of model by model.
    pub across_models: bool,
    pub max_price: MaxPrice,
    /// Thousandths of a token per second.
    pub min_throughput: Cutoffs,
    /// Milliseconds.
    pub max_latency: Cutoffs,
}

impl Default for Preferences {
    fn default() -> Self {
        Self {
            order: Vec::new(),
            only: None,
            ignore: Vec::new(),
            allow_fallbacks: true,
            require_parameters: false,
            data_collection: DataCollection::Allow,
            zdr: false,
            distillable: false,
            quantizations: Vec::new(),
            sort: None,
            across_models: false,
            max_price: MaxPrice::default(),
            min_throughput: Cutoffs::default(),
            max_latency: Cutoffs::default(),
        }
    }
}

/// What endpoints are put in order by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// The cheapest first.
    Price,
    /// The most tokens per second first.
    Throughput,
    /// The quickest first token first.
    Latency,
    /// The one that answers most reliably first.
    Exacto,
}

impl Sort {
    /// Every word, as requests say it.
    pub const WORDS: &'static [&'static str] = &["price", "throughput", "latency", "exacto"];

    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "price" => Some(Self::Price),
            "throughput" => Some(Self::Throughput),
            "latency" => Some(Self::Latency),
            "exacto" => Some(Self::Exacto),
            _ => None,
        }
    }
}

/// The dearest that an endpoint may be; `None` is any price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MaxPrice {
    /// For a token of text.
    pub prompt: Option<Rate>,
    /// For a token of text.
    pub completion: Option<Rate>,
    /// Of a request as such.
    pub request: Option<Rate>,
    /// Of an image of the prompt.
    pub image: Option<Rate>,
    /// Of what audio of the prompt is counted in.
    pub audio: Option<Rate>,
}

/// What the observed percentiles have to reach, or may not exceed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cutoffs {
    pub p50: Option<u64>,
    pub p75: Option<u64>,
    pub p90: Option<u64>,
    pub p99: Option<u64>,
}

impl Cutoffs {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Each cutoff with its name.
    pub(super) fn each(&self) -> [Option<u64>; 4] {
        [self.p50, self.p75, self.p90, self.p99]
    }
}

/// What a request needs of an endpoint, beside what it says of providers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    pub max_tokens: Option<u64>,
    /// The most that the prompt has, which decides the tiers of prices that it may reach; looked at
    /// where there is a `max_price`.
    pub prompt_tokens: u64,
    /// The fields with which it was sent, as far as endpoints differ by them.
    pub parameters: Vec<&'static str>,
    /// The tier of service that it may be served in, besides the usual one.
    pub service_tier: Option<String>,
    /// A limit has to hold, so that what it costs at most has to be known.
    pub known_price: bool,
}

/// Whether `slug` names the endpoint: its provider's slug names all of a provider's endpoints but those
/// of a tier of service, which have to be named themselves.
pub(super) fn names(slug: &str, endpoint: &Endpoint) -> bool {
    let Some(rest) = slug.strip_prefix(endpoint.provider.as_str()) else { return false };
    let is = |word: &Option<String>| {
        word.as_deref().is_some_and(|word| rest.strip_prefix('/') == Some(word))
    };
    rest.is_empty() || is(&endpoint.traits.variant) || is(&endpoint.traits.service_tier)
}

/// Whether one of `slugs` names the endpoint by more than its provider.
pub(super) fn names_itself(slugs: &[String], endpoint: &Endpoint) -> bool {
    slugs.iter().any(|slug| *slug != endpoint.provider && names(slug, endpoint))
}
