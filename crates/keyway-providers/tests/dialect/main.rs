//! The dialects from outside: what providers are known to send, and what clients are
//! known to accept.

mod adapters;
mod clients;
mod errands;
mod golden;
mod nulls;
mod passed;
mod quirks;

use keyway_core::clock::Timestamp;
use keyway_core::money::Rate;
use keyway_core::pricing::{Pricing, Usage};
use keyway_providers::chat::{Envelope, Receipt};

fn envelope() -> Envelope {
    Envelope {
        id: "gen-1700000000-abcdefghijklmnopqrst".into(),
        model: "acme/fast".into(),
        provider: "Acme".into(),
        created: 1_700_000_000,
    }
}

fn receipt(usage: Usage) -> Receipt {
    let pricing =
        Pricing::per_token(Rate::from_femtos(1_000_000_000), Rate::from_femtos(2_000_000_000));
    let cost = pricing.cost(usage, Timestamp::default());
    Receipt { usage, cost, charge: cost.total, byok: None }
}
