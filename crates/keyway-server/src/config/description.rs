//! What a configuration may say: its sections and their fields, described once.

use keyway_core::rate::Figure;

use super::metrics;
use super::offers;
use super::rules::{self, TextRule};
use super::server;
use super::traces;

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
    /// At least one of these words.
    Choices(&'static [&'static str]),
    /// At least one integer, each from 1 to this.
    Counts(u64),
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
pub(super) const DIALECTS: &[&str] =
    &["openai", "anthropic", "gemini", "vertex", "vertex-anthropic", "bedrock", "cohere"];
/// Tokens beyond this are a typing error.
pub(crate) const TOKENS_MAX: u64 = 1_000_000_000;
/// Ten years.
const RETENTION_DAYS_MAX: u64 = 3_650;
/// More is an archive.
const CONTENT_BYTES_MAX: u64 = 1024 * 1024;
const FIGURE_MAX: u64 = Figure::MAX as u64;

pub(super) static ROOT: Section = Section {
    doc: "The configuration of a Keyway gateway.",
    fields: &[
        Field {
            name: "server",
            doc: "The HTTP server, and what it bears of its clients.",
            presence: Presence::Optional,
            kind: Kind::Section(&server::SERVER),
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
            name: "byok",
            doc: "Requests that present a credential of the operator's own to a provider.",
            presence: Presence::Optional,
            kind: Kind::Section(&BYOK),
        },
        Field {
            name: "credits",
            doc: "What `keyway credits add` added for all keys together.",
            presence: Presence::Optional,
            kind: Kind::Section(&CREDITS),
        },
        Field {
            name: "content",
            doc: "What is said in requests of keys with `log_content`.",
            presence: Presence::Optional,
            kind: Kind::Section(&CONTENT),
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
            name: "routing",
            doc: "How requests find their endpoints.",
            presence: Presence::Optional,
            kind: Kind::Section(&ROUTING),
        },
        Field {
            name: "metrics",
            doc: "Figures for Prometheus, on a listener of their own.",
            presence: Presence::Optional,
            kind: Kind::Section(&metrics::METRICS),
        },
        Field {
            name: "traces",
            doc: "Spans of inference requests, for a collector of OpenTelemetry.",
            presence: Presence::Optional,
            kind: Kind::Section(&traces::TRACES),
        },
        Field {
            name: "providers",
            doc: "The upstreams that serve models.",
            presence: Presence::Optional,
            kind: Kind::List(&offers::PROVIDER, Least::None),
        },
        Field {
            name: "models",
            doc: "The models that clients may ask for.",
            presence: Presence::Optional,
            kind: Kind::List(&offers::MODEL, Least::None),
        },
    ],
};

static ROUTING: Section = Section {
    doc: "How requests find their endpoints.",
    fields: &[Field {
        name: "hedge_after",
        doc: "How long an endpoint may take to begin a stream before the next is asked too, such as \"2s\"; whoever begins first answers. Absent, one is waited for alone. Where a limit has to hold twice as much is held for it, and what the one that is broken off bills by estimate is charged.",
        presence: Presence::Optional,
        kind: Kind::Duration,
    }],
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

static BYOK: Section = Section {
    doc: "Requests that present a credential of the operator's own to a provider.",
    fields: &[Field {
        name: "fee_percent",
        doc: "What is charged for one, in percent of the list price of what the provider sold: a decimal string.",
        presence: Presence::Default("0"),
        kind: Kind::Text(&rules::PERCENT),
    }],
};

static CREDITS: Section = Section {
    doc: "What `keyway credits add` added for all keys together.",
    fields: &[Field {
        name: "inference_keys",
        doc: "Whether inference keys may see them too; false where absent.",
        presence: Presence::Optional,
        kind: Kind::Flag,
    }],
};

static CONTENT: Section = Section {
    doc: "What is said in requests of keys with `log_content`. Of other keys nothing is ever kept.",
    fields: &[
        Field {
            name: "allowed",
            doc: "Whether keys may keep what is said with them; true where absent. False keeps nothing, whatever keys say.",
            presence: Presence::Optional,
            kind: Kind::Flag,
        },
        Field {
            name: "retention_days",
            doc: "Days after which it is deleted; 30 where absent.",
            presence: Presence::Optional,
            kind: Kind::Count(RETENTION_DAYS_MAX),
        },
        Field {
            name: "max_bytes",
            doc: "Bytes of text that are kept of each prompt, and of each answer; 65536 where absent.",
            presence: Presence::Optional,
            kind: Kind::Count(CONTENT_BYTES_MAX),
        },
        Field {
            name: "redact",
            doc: "What is masked beside e-mail addresses and what looks like a key.",
            presence: Presence::Optional,
            kind: Kind::Texts(&rules::PATTERN),
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
