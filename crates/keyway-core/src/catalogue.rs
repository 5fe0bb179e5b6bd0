//! Models, the endpoints that serve them, and the providers behind those.

use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;

use crate::pricing::Pricing;

/// Everything that a request may be routed to. It does not change: another takes its place, and a request
/// goes by the one that it was admitted under, to its end.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    models: Vec<Arc<Model>>,
    /// Where in `models` each id is.
    places: HashMap<String, usize>,
    /// Where the one model with each slug is; `None` where several have it.
    slugs: HashMap<String, Option<usize>>,
    version: Arc<str>,
}

impl Catalogue {
    /// Of `models`, each id once. `version` says which prices they have.
    pub fn new(models: Vec<Arc<Model>>, version: &str) -> Self {
        let (mut places, mut slugs) = (HashMap::new(), HashMap::new());
        for (place, model) in models.iter().enumerate() {
            places.insert(model.id.clone(), place);
            if let Some((_, slug)) = model.id.split_once('/') {
                let one = slugs.entry(spelled(slug)).or_insert(Some(place));
                *one = one.filter(|it| *it == place);
            }
        }
        Self { models, places, slugs, version: version.into() }
    }

    /// In the order of the configuration, which is the order of `GET /models`.
    pub fn models(&self) -> &[Arc<Model>] {
        &self.models
    }

    pub fn model(&self, id: &str) -> Option<&Arc<Model>> {
        self.places.get(id).map(|&place| &self.models[place])
    }

    /// The one model with this slug, whoever its author is; points are as good as dashes. A slug that
    /// several have is nobody's.
    pub fn model_by_slug(&self, slug: &str) -> Option<&Arc<Model>> {
        let place = self.slugs.get(&spelled(slug)).copied()??;
        Some(&self.models[place])
    }

    /// What tells these prices from others: the same wherever and whenever they are the same.
    pub fn version(&self) -> &Arc<str> {
        &self.version
    }
}

/// Versions are written with points here and with dashes there.
fn spelled(slug: &str) -> String {
    slug.replace('.', "-")
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
    /// Whether its author allows other models to be trained on what it says.
    pub distillable: bool,
    pub about: About,
    /// In the order of the configuration; which are tried, and when, is for routing to say.
    pub endpoints: Vec<Endpoint>,
}

/// What people may want to know of a model; nothing is routed or charged by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    pub input_modalities: Vec<Modality>,
    /// What kind of answers it gives: chat models text, others only what stands here.
    pub output_modalities: Vec<Modality>,
    /// The day on which its provider withdraws it, `YYYY-MM-DD`.
    pub expiration_date: Option<String>,
}

impl Default for About {
    /// A model that reads text and writes text.
    fn default() -> Self {
        let text = || vec![Modality::Text];
        Self { input_modalities: text(), output_modalities: text(), expiration_date: None }
    }
}

/// What goes into a model, or comes out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Modality {
    Text,
    Image,
    File,
    Audio,
    Video,
    Embeddings,
    Rerank,
}

/// One model at one provider, with its price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The provider's slug.
    pub provider: String,
    /// What the provider calls the model.
    pub upstream_model: String,
    /// `None` where nobody knows it: then no key with a limit may use the endpoint.
    pub pricing: Option<Pricing>,
    pub traits: Traits,
    pub patience: Patience,
}

/// How long an endpoint may take, where that is otherwise than at its provider; `None` is as there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Patience {
    /// To find its address and connect; never longer than at its provider.
    pub connect: Option<Duration>,
    /// To begin an answer; to give the whole of one that does not stream.
    pub first_byte: Option<Duration>,
    /// Between two pieces of a stream.
    pub idle: Option<Duration>,
}

/// What an endpoint is like, as far as a request may choose by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traits {
    /// What stands behind the provider's slug in the endpoint's own: `turbo` in `deepinfra/turbo`, or a
    /// region.
    pub variant: Option<String>,
    /// `flex` or `priority`: only for requests that ask for it.
    pub service_tier: Option<String>,
    pub quantization: Quantization,
    /// What becomes of what it is sent; unless somebody vouches for it, the worst.
    pub data_collection: DataCollection,
    /// Whether it retains nothing of what it is sent.
    pub zdr: bool,
    /// Fields of a request that it heeds; `None` where nobody said.
    pub supported_parameters: Option<Vec<String>>,
    /// Tokens of prompt and completion together, where they are fewer than the model's.
    pub context_length: Option<u64>,
    /// Most tokens of one completion, where they are fewer than the model's.
    pub max_completion_tokens: Option<u64>,
}

/// Whether a provider may keep what it is sent, or train on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DataCollection {
    #[default]
    Allow,
    Deny,
}

/// Makes an enum whose variants have one word each, in configurations and requests alike.
macro_rules! words {
    ($name:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl $name {
            /// Every word, in the order of the variants.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            pub fn parse(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$variant),)+
                    _ => None,
                }
            }

            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }
    };
}

words!(Modality {
    Text = "text",
    Image = "image",
    File = "file",
    Audio = "audio",
    Video = "video",
    Embeddings = "embeddings",
    Rerank = "rerank",
});

words!(DataCollection { Allow = "allow", Deny = "deny" });

/// How a provider stores the model's weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quantization {
    Int4,
    Int8,
    Fp4,
    Mxfp4,
    Nvfp4,
    Fp6,
    Fp8,
    Mxfp8,
    Fp16,
    Bf16,
    Fp32,
    #[default]
    Unknown,
}

words!(Quantization {
    Int4 = "int4",
    Int8 = "int8",
    Fp4 = "fp4",
    Mxfp4 = "mxfp4",
    Nvfp4 = "nvfp4",
    Fp6 = "fp6",
    Fp8 = "fp8",
    Mxfp8 = "mxfp8",
    Fp16 = "fp16",
    Bf16 = "bf16",
    Fp32 = "fp32",
    Unknown = "unknown",
});

impl Endpoint {
    /// Its own slug: the provider's, and the variant behind it where it has one.
    pub fn tag(&self) -> String {
        match &self.traits.variant {
            Some(variant) => format!("{}/{variant}", self.provider),
            None => self.provider.clone(),
        }
    }
}
