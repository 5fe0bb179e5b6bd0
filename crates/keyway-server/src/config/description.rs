//! What a configuration may say: its sections and their fields, described once.

use keyway_core::catalogue::{DataCollection, Quantization};
use keyway_core::rate::Figure;

use super::rules::{self, TextRule};

/// A table of the file.
pub(super) struct Section {
    pub(super) doc: &'static str,
    pub(super) fields: &'static [Field],
}

/// A field of a section.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) doc: &'static str,
    pub(super) presence: Presence,
    pub(super) kind: Kind,
}

/// Whether a field has to stand there.
#[derive(PartialEq)]
pub(super) enum Presence {
    Required,
    Optional,
    /// Absent means this.
    Default(&'static str),
}

/// What a field holds.
pub(super) enum Kind {
    Text(&'static TextRule),
    /// An integer from 1 to this.
    Count(u64),
    /// Whole seconds, or a text such as `500ms`, `30s` or `2m`.
    Duration,
    /// `true` or `false`.
    Flag,
    Choice(&'static [&'static str]),
    /// A list of texts, each of this form.
    Texts(&'static TextRule),
    Section(&'static Section),
    List(&'static Section, Least),
}

/// How many entries a list has at least.
#[derive(Clone, Copy)]
pub(super) enum Least {
    None,
    One,
}

pub(super) const DURABILITIES: &[&str] = &["flush", "process"];
pub(super) const RESETS: &[&str] = &["daily", "weekly", "monthly"];
pub(super) const SERVICE_TIERS: &[&str] = &["flex", "priority"];
pub(super) const DIALECTS: &[&str] = &["openai"];
/// Tokens beyond this are a typing error.
const TOKENS_MAX: u64 = 1_000_000_000;
const FIGURE_MAX: u64 = Figure::MAX as u64;

pub(super) static ROOT: Section = Section {
    doc: "The configuration of a Keyway gateway.",
    fields: &[
        Field {
            name: "server",
            doc: "The HTTP server.",
            presence: Presence::Optional,
            kind: Kind::Section(&SERVER),
        },
        Field {
            name: "store",
            doc: "Where keys and charges are kept.",
            presence: Presence::Optional,
            kind: Kind::Section(&STORE),
        },
        Field {
            name: "budget",
            doc: "What all keys together may spend; absent is unlimited.",
            presence: Presence::Optional,
            kind: Kind::Section(&BUDGET),
        },
        Field {
            name: "keys",
            doc: "The keys that this gateway makes.",
            presence: Presence::Optional,
            kind: Kind::Section(&KEYS),
        },
        Field {
            name: "limits",
            doc: "Rate limits of keys that have none of their own.",
            presence: Presence::Optional,
            kind: Kind::Section(&LIMITS),
        },
        Field {
            name: "providers",
            doc: "The upstreams that serve models.",
            presence: Presence::Optional,
            kind: Kind::List(&PROVIDER, Least::None),
        },
        Field {
            name: "models",
            doc: "The models that clients may ask for.",
            presence: Presence::Optional,
            kind: Kind::List(&MODEL, Least::None),
        },
    ],
};

static SERVER: Section = Section {
    doc: "The HTTP server.",
    fields: &[
        Field {
            name: "public_url",
            doc: "Where clients reach this gateway, for links in messages.",
            presence: Presence::Optional,
            kind: Kind::Text(&rules::URL),
        },
        Field {
            name: "shutdown_grace",
            doc: "How long requests in flight may take to finish after SIGTERM.",
            presence: Presence::Default("30s"),
            kind: Kind::Duration,
        },
    ],
};

static STORE: Section = Section {
    doc: "Where keys and charges are kept.",
    fields: &[
        Field {
            name: "url",
            doc: "A PostgreSQL database, for several nodes, in place of the embedded store: \"env:NAME\", \"file:PATH\" (relative to this file), or the URL itself, which is better not kept here with a password.",
            presence: Presence::Optional,
            kind: Kind::Text(&rules::STORE_URL_SOURCE),
        },
        Field {
            name: "durability",
            doc: "What an acknowledged write of the embedded store survives: \"flush\" a power failure, \"process\" only the end of the process.",
            presence: Presence::Default("flush"),
            kind: Kind::Choice(DURABILITIES),
        },
    ],
};

static BUDGET: Section = Section {
    doc: "What all keys together may spend. On several nodes it has to be the same: the last that starts sets it.",
    fields: &[
        Field {
            name: "limit",
            doc: "USD, as a decimal string.",
            presence: Presence::Required,
            kind: Kind::Text(&rules::AMOUNT),
        },
        Field {
            name: "reset",
            doc: "When it starts anew, at midnight UTC; absent is never.",
            presence: Presence::Optional,
            kind: Kind::Choice(RESETS),
        },
    ],
};

static KEYS: Section = Section {
    doc: "The keys that this gateway makes.",
    fields: &[Field {
        name: "prefix",
        doc: "What new keys begin with.",
        presence: Presence::Default("sk-or-v1-"),
        kind: Kind::Text(&rules::KEY_PREFIX),
    }],
};

static LIMITS: Section = Section {
    doc: "Rate limits of keys that have none of their own. On several nodes together.",
    fields: &[
        Field {
            name: "requests_per_minute",
            doc: "Requests that a key may make in any 60 seconds; absent is no limit.",
            presence: Presence::Optional,
            kind: Kind::Count(FIGURE_MAX),
        },
        Field {
            name: "tokens_per_minute",
            doc: "Tokens, of prompts and completions, that a key may use in any 60 seconds; absent is no limit.",
            presence: Presence::Optional,
            kind: Kind::Count(FIGURE_MAX),
        },
        Field {
            name: "max_concurrent_requests",
            doc: "Requests that a key may have in flight at once; absent is no limit.",
            presence: Presence::Optional,
            kind: Kind::Count(FIGURE_MAX),
        },
    ],
};

static PROVIDER: Section = Section {
    doc: "An upstream that serves models.",
    fields: &[
        Field {
            name: "slug",
            doc: "Its name in this file and in the API. \"keyway\" is reserved.",
            presence: Presence::Required,
            kind: Kind::Text(&rules::SLUG),
        },
        Field {
            name: "name",
            doc: "Its name for people; the slug where absent.",
            presence: Presence::Optional,
            kind: Kind::Text(&rules::NAME),
        },
        Field {
            name: "dialect",
            doc: "The API that it speaks.",
            presence: Presence::Required,
            kind: Kind::Choice(DIALECTS),
        },
        Field {
            name: "base_url",
            doc: "What its routes stand under, such as \"https://api.example.com/v1\".",
            presence: Presence::Required,
            kind: Kind::Text(&rules::URL),
        },
        Field {
            name: "api_key",
            doc: "Its credential: \"env:NAME\", \"file:PATH\" (relative to this file), or the key itself, which is better not kept here. Absent sends none.",
            presence: Presence::Optional,
            kind: Kind::Text(&rules::SECRET_SOURCE),
        },
        Field {
            name: "abort_stops_billing",
            doc: "Whether it bills nothing of a streamed answer that is broken off before its end but what it sent by then; false where absent. If so, a stream whose whole bound does not fit its budget is admitted all the same, and ended where the budget ends.",
            presence: Presence::Optional,
            kind: Kind::Flag,
        },
        Field {
            name: "data_collection",
            doc: "\"deny\" where it neither keeps what it is sent beyond the request nor trains on it; \"allow\" where absent. Requests may ask for providers that deny.",
            presence: Presence::Optional,
            kind: Kind::Choice(DataCollection::WORDS),
        },
        Field {
            name: "zdr",
            doc: "Whether it retains nothing at all of what it is sent (zero data retention); false where absent.",
            presence: Presence::Optional,
            kind: Kind::Flag,
        },
    ],
};

static MODEL: Section = Section {
    doc: "A model as clients name it.",
    fields: &[
        Field {
            name: "id",
            doc: "What clients ask for, \"author/slug\". \"keyway/...\" is reserved.",
            presence: Presence::Required,
            kind: Kind::Text(&rules::MODEL_ID),
        },
        Field {
            name: "name",
            doc: "Its name for people; the id where absent.",
            presence: Presence::Optional,
            kind: Kind::Text(&rules::NAME),
        },
        Field {
            name: "context_length",
            doc: "Tokens of prompt and completion together.",
            presence: Presence::Required,
            kind: Kind::Count(TOKENS_MAX),
        },
        Field {
            name: "max_completion_tokens",
            doc: "Most tokens of one completion; the context length where absent. It bounds what a request without max_tokens reserves.",
            presence: Presence::Optional,
            kind: Kind::Count(TOKENS_MAX),
        },
        Field {
            name: "distillable",
            doc: "Whether its author allows other models to be trained on what it says; false where absent.",
            presence: Presence::Optional,
            kind: Kind::Flag,
        },
        Field {
            name: "endpoints",
            doc: "The providers that serve it. A request is sent to the healthy ones by the inverse square of their prices, unless it says otherwise, and to another where one fails.",
            presence: Presence::Required,
            kind: Kind::List(&ENDPOINT, Least::One),
        },
    ],
};

static ENDPOINT: Section = Section {
    doc: "One model at one provider, with its price.",
    fields: &[
        Field {
            name: "provider",
            doc: "The slug of one of the providers in this file.",
            presence: Presence::Required,
            kind: Kind::Text(&rules::SLUG),
        },
        Field {
            name: "upstream_model",
            doc: "What the provider calls the model.",
            presence: Presence::Required,
            kind: Kind::Text(&rules::NAME),
        },
        Field {
            name: "pricing",
            doc: "What the provider charges.",
            presence: Presence::Required,
            kind: Kind::Section(&PRICING),
        },
        Field {
            name: "variant",
            doc: "What tells it from the provider's other endpoints of the model: requests name it \"provider/variant\".",
            presence: Presence::Optional,
            kind: Kind::Text(&rules::SLUG),
        },
        Field {
            name: "service_tier",
            doc: "Where it serves only requests that ask for this tier.",
            presence: Presence::Optional,
            kind: Kind::Choice(SERVICE_TIERS),
        },
        Field {
            name: "quantization",
            doc: "How the provider stores the model's weights; \"unknown\" where absent.",
            presence: Presence::Optional,
            kind: Kind::Choice(Quantization::WORDS),
        },
        Field {
            name: "data_collection",
            doc: "As in the provider's section, for this endpoint.",
            presence: Presence::Optional,
            kind: Kind::Choice(DataCollection::WORDS),
        },
        Field {
            name: "zdr",
            doc: "As in the provider's section, for this endpoint.",
            presence: Presence::Optional,
            kind: Kind::Flag,
        },
        Field {
            name: "supported_parameters",
            doc: "Fields of a request that it heeds, such as \"tools\" and \"response_format\". Absent is not known: then a request that requires its parameters is not sent to it.",
            presence: Presence::Optional,
            kind: Kind::Texts(&rules::PARAMETER),
        },
        Field {
            name: "context_length",
            doc: "Tokens of prompt and completion together, where they are fewer than the model's.",
            presence: Presence::Optional,
            kind: Kind::Count(TOKENS_MAX),
        },
        Field {
            name: "max_completion_tokens",
            doc: "Most tokens of one completion, where they are fewer than the model's. Requests for more are not sent to it.",
            presence: Presence::Optional,
            kind: Kind::Count(TOKENS_MAX),
        },
    ],
};

static PRICING: Section = Section {
    doc: "What a provider charges, in USD per token.",
    fields: &[
        Field {
            name: "prompt",
            doc: "For a token of the prompt.",
            presence: Presence::Required,
            kind: Kind::Text(&rules::RATE),
        },
        Field {
            name: "completion",
            doc: "For a token of the completion.",
            presence: Presence::Required,
            kind: Kind::Text(&rules::RATE),
        },
    ],
};
