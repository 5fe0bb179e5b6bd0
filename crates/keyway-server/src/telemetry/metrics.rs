//! Counting, where it is switched on. No figure has a key or anything of a prompt in it.

use std::time::Duration;

use keyway_core::ledger::{Ending, Settlement};
use keyway_core::money::Nanos;
use keyway_core::store::Observer;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tokio::time::Instant;

use super::offers::Offers;
use super::series::{Answered, At, Families, Refused};
use super::standing::Standing;

/// What every name begins with.
const PREFIX: &str = "keyway";

/// The figures of a node; switched off it counts nothing, and reads no clock.
#[derive(Debug, Default)]
pub struct Metrics(Option<On>);

#[derive(Debug)]
struct On {
    registry: Registry,
    families: Families,
    offers: Offers,
    gates: [Histogram; 2],
}

/// Which of an answer's bytes waited for the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    First,
    Last,
}

impl Metrics {
    /// Counts, and tells what stands there at the moment where anybody knows it.
    pub(crate) fn on(standing: Option<Standing>) -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let families = Families::new(&mut registry);
        if let Some(standing) = standing {
            registry.register_collector(Box::new(standing));
        }
        let gates = ["first_byte", "last_byte"];
        let gates = gates.map(|gate| families.gates.get_or_create_owned(&At { gate }));
        Self(Some(On { registry, families, offers: Offers::default(), gates }))
    }

    /// The figures as Prometheus reads them: OpenMetrics, text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        if let Some(on) = &self.0 {
            encode(&mut text, &on.registry).expect("a string takes all text");
        }
        text
    }

    /// Now, where it is of use.
    pub fn start(&self) -> Option<Instant> {
        self.0.as_ref().map(|_| Instant::now())
    }

    /// A request was settled.
    pub fn settled(&self, settlement: &Settlement) {
        let Some(on) = &self.0 else { return };
        let (request, usage) = (&settlement.request, &settlement.usage);
        let counters = on.offers.of(&on.families, &request.model, &request.provider);
        counters.charged.inc_by(nanodollars(settlement.charge));
        counters.overrun.inc_by(nanodollars(settlement.overrun));
        counters.absorbed.inc_by(nanodollars(settlement.absorbed));
        let tokens = [usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens];
        for (counter, count) in counters.tokens.iter().zip(tokens) {
            counter.inc_by(count);
        }
        counters.requests(&on.families, settlement.ending, request.streamed).inc();
    }

    /// A request for `model` ended of whose answer nothing came.
    pub fn unanswered(&self, model: &str, ending: Ending, streamed: bool) {
        let Some(on) = &self.0 else { return };
        on.offers.of(&on.families, model, "").requests(&on.families, ending, streamed).inc();
    }

    /// A request was answered with `status`; `refused` says why where it was refused.
    pub fn answered(&self, status: u16, refused: Option<String>) {
        let Some(On { families, .. }) = &self.0 else { return };
        families.responses.get_or_create(&Answered { status }).inc();
        if let Some(reason) = refused {
            families.refusals.get_or_create(&Refused { status, reason }).inc();
        }
    }

    /// A provider began to answer `after` it was asked for `model`.
    pub fn began(
        &self,
        model: &str,
        provider: &str,
        streamed: bool,
        after: impl FnOnce() -> Duration,
    ) {
        let Some(on) = &self.0 else { return };
        let counters = on.offers.of(&on.families, model, provider);
        counters.first_byte(&on.families, streamed).observe(after().as_secs_f64());
    }

    /// A request that arrived at `arrived` was sent at `sent`.
    pub fn admitted(&self, arrived: Option<Instant>, sent: Instant) {
        if let (Some(on), Some(arrived)) = (&self.0, arrived) {
            let took = sent.saturating_duration_since(arrived);
            on.families.admission.observe(took.as_secs_f64());
        }
    }

    /// What was said in `count` requests is not kept: there was no room for it.
    pub fn contents_lost(&self, count: u64) {
        if let Some(On { families, .. }) = &self.0 {
            families.contents_lost.inc_by(count);
        }
    }

    /// An answer waited at `gate` since `began`.
    pub fn waited(&self, gate: Gate, began: Option<Instant>) {
        if let (Some(on), Some(began)) = (&self.0, began) {
            on.gates[gate as usize].observe(began.elapsed().as_secs_f64());
        }
    }
}

impl Observer for Metrics {
    fn committed(&self, calls: usize, took: Duration) {
        let Some(On { families, .. }) = &self.0 else { return };
        // A batch has hundreds at most.
        families.commit_calls.observe(f64::from(u32::try_from(calls).unwrap_or(u32::MAX)));
        families.commit.observe(took.as_secs_f64());
    }
}

fn nanodollars(amount: Nanos) -> u64 {
    u64::try_from(amount.get()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switched_off_nothing_is_counted_and_no_clock_is_read() {
        let metrics = Metrics::default();
        metrics.answered(200, None);
        metrics.unanswered("a", Ending::ClientLeft, true);
        metrics.committed(1, Duration::ZERO);
        assert_eq!((metrics.start(), metrics.text()), (None, String::new()));
    }
}
