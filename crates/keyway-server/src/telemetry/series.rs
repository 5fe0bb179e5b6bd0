//! The figures that are counted as things happen, and what they are told apart by.

use keyway_core::ledger::Ending;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// From a tenth of a millisecond to two minutes.
const SECONDS: [f64; 19] = [
    0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0,
    10.0, 20.0, 60.0, 120.0,
];

/// Of calls in one transaction.
const CALLS: [f64; 9] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0];

/// A model at a provider; the provider is empty where none answered.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct Offer {
    pub(super) model: String,
    pub(super) provider: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct Ended {
    pub(super) model: String,
    pub(super) provider: String,
    pub(super) ending: &'static str,
    pub(super) fault: &'static str,
    pub(super) streamed: bool,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct Counted {
    pub(super) model: String,
    pub(super) provider: String,
    pub(super) kind: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct Answered {
    pub(super) status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct Refused {
    pub(super) status: u16,
    pub(super) reason: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct Waited {
    pub(super) provider: String,
    pub(super) streamed: bool,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct At {
    pub(super) gate: &'static str,
}

type Times<L> = Family<L, Histogram, fn() -> Histogram>;

#[derive(Debug)]
pub(super) struct Families {
    pub(super) requests: Family<Ended, Counter>,
    pub(super) tokens: Family<Counted, Counter>,
    pub(super) charged: Family<Offer, Counter>,
    pub(super) overrun: Family<Offer, Counter>,
    pub(super) absorbed: Family<Offer, Counter>,
    pub(super) responses: Family<Answered, Counter>,
    pub(super) refusals: Family<Refused, Counter>,
    pub(super) first_byte: Times<Waited>,
    pub(super) admission: Histogram,
    pub(super) gates: Times<At>,
    pub(super) contents_lost: Counter,
    pub(super) commit_calls: Histogram,
    pub(super) commit: Histogram,
}

impl Families {
    /// Registers all of them in `registry`.
    pub(super) fn new(registry: &mut Registry) -> Self {
        let families = Self {
            requests: Family::default(),
            tokens: Family::default(),
            charged: Family::default(),
            overrun: Family::default(),
            absorbed: Family::default(),
            responses: Family::default(),
            refusals: Family::default(),
            first_byte: Family::new_with_constructor(times),
            admission: times(),
            gates: Family::new_with_constructor(times),
            contents_lost: Counter::default(),
            commit_calls: Histogram::new(CALLS),
            commit: times(),
        };
        let it = &families;
        registry.register("requests", "Inference requests that ended", it.requests.clone());
        registry.register("tokens", "Tokens of requests that ended", it.tokens.clone());
        registry.register("charged_nanodollars", "Charged to keys", it.charged.clone());
        registry.register(
            "overrun_nanodollars",
            "Billed by providers beyond reservations, charged to nobody",
            it.overrun.clone(),
        );
        registry.register(
            "absorbed_nanodollars",
            "Cost of answers that providers broke off, charged to nobody",
            it.absorbed.clone(),
        );
        registry.register("responses", "Answers of every route, by status", it.responses.clone());
        registry.register("refusals", "Requests that were refused", it.refusals.clone());
        registry.register(
            "first_byte_seconds",
            "From sending a request to a provider to the first byte of a stream, or to the whole answer",
            it.first_byte.clone(),
        );
        registry.register(
            "admission_seconds",
            "Added before: from a request's head to its being sent to a provider",
            it.admission.clone(),
        );
        registry.register(
            "gate_seconds",
            "Added after: waits for the mark before the first byte and for the charge before the last",
            it.gates.clone(),
        );
        registry.register(
            "contents_lost",
            "Requests of which what was said is not kept, though their key wants it",
            it.contents_lost.clone(),
        );
        registry.register(
            "commit_calls",
            "Calls that one transaction of the store's writer holds",
            it.commit_calls.clone(),
        );
        registry.register(
            "commit_seconds",
            "From the beginning of a transaction of the store's writer until it is durable",
            it.commit.clone(),
        );
        families
    }
}

fn times() -> Histogram {
    Histogram::new(SECONDS)
}

/// Whose fault it is that an answer did not come to its end.
pub(super) const fn fault(ending: Ending) -> &'static str {
    match ending {
        Ending::Completed => "none",
        Ending::ClientLeft => "client",
        Ending::ProviderFailed => "provider",
        Ending::Stopped | Ending::Crashed => "gateway",
        Ending::Revoked | Ending::LimitReached => "key",
    }
}
