//! Counting, where it is switched on. No figure has a key or anything of a prompt in it.

use std::time::Duration;

use keyway_core::ledger::{Ending, Settlement};
use keyway_core::money::Nanos;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::time::Instant;

use super::series::{Answered, At, Counted, Ended, Refused, Series, Waited, fault};
use super::standing::Standing;

/// What every name begins with.
const PREFIX: &str = "keyway";

/// The figures of a node; switched off it counts nothing, and reads no clock.
#[derive(Debug, Default)]
pub struct Metrics(Option<On>);

#[derive(Debug)]
struct On {
    registry: Registry,
    series: Series,
}

/// Which of an answer's bytes waited for the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    First,
    Last,
}

impl Metrics {
    /// Counts, and tells what stands there at the moment.
    pub(crate) fn on(standing: Standing) -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let series = Series::new(&mut registry);
        registry.register_collector(Box::new(standing));
        Self(Some(On { registry, series }))
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

    fn series(&self) -> Option<&Series> {
        self.0.as_ref().map(|on| &on.series)
    }

    /// A request was settled.
    pub fn settled(&self, settlement: &Settlement) {
        let Some(series) = self.series() else { return };
        let (request, usage) = (&settlement.request, &settlement.usage);
        let offer = series.offer(&request.model, &request.provider);
        let amounts = [
            (&series.charged, settlement.charge),
            (&series.overrun, settlement.overrun),
            (&series.absorbed, settlement.absorbed),
        ];
        for (family, amount) in amounts {
            family.get_or_create(&offer).inc_by(nanodollars(amount));
        }
        let tokens = [
            ("prompt", usage.prompt_tokens),
            ("cached", usage.cached_tokens),
            ("completion", usage.completion_tokens),
        ];
        for (kind, count) in tokens {
            let (model, provider) = (offer.model.clone(), offer.provider.clone());
            series.tokens.get_or_create(&Counted { model, provider, kind }).inc_by(count);
        }
        let (ending, streamed) = (settlement.ending, request.streamed);
        self.ended(&request.model, &request.provider, ending, streamed);
    }

    /// A request for `model` ended; without a `provider` nothing of an answer came.
    pub fn ended(&self, model: &str, provider: &str, ending: Ending, streamed: bool) {
        let Some(series) = self.series() else { return };
        let offer = series.offer(model, provider);
        let ended = Ended {
            model: offer.model,
            provider: offer.provider,
            ending: ending.as_str(),
            fault: fault(ending),
            streamed,
        };
        series.requests.get_or_create(&ended).inc();
    }

    /// A request was answered with `status`; `refused` says why where it was refused.
    pub fn answered(&self, status: u16, refused: Option<String>) {
        let Some(series) = self.series() else { return };
        series.responses.get_or_create(&Answered { status }).inc();
        if let Some(reason) = refused {
            series.refusals.get_or_create(&Refused { status, reason }).inc();
        }
    }

    /// A provider began to answer `after` it was asked.
    pub fn began(&self, provider: &str, streamed: bool, after: Duration) {
        let Some(series) = self.series() else { return };
        let waited = Waited { provider: provider.to_owned(), streamed };
        series.first_byte.get_or_create(&waited).observe(after.as_secs_f64());
    }

    /// A request that arrived at `arrived` was sent at `sent`.
    pub fn admitted(&self, arrived: Option<Instant>, sent: Instant) {
        if let (Some(series), Some(arrived)) = (self.series(), arrived) {
            series.admission.observe(sent.saturating_duration_since(arrived).as_secs_f64());
        }
    }

    /// What was said in `count` requests is not kept: there was no room for it.
    pub fn contents_lost(&self, count: u64) {
        if let Some(series) = self.series() {
            series.contents_lost.inc_by(count);
        }
    }

    /// An answer waited at `gate` since `began`.
    pub fn waited(&self, gate: Gate, began: Option<Instant>) {
        if let (Some(series), Some(began)) = (self.series(), began) {
            let gate = match gate {
                Gate::First => "first_byte",
                Gate::Last => "last_byte",
            };
            series.gates.get_or_create(&At { gate }).observe(began.elapsed().as_secs_f64());
        }
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
        metrics.ended("a", "b", Ending::Completed, true);
        assert_eq!((metrics.start(), metrics.text()), (None, String::new()));
    }
}
