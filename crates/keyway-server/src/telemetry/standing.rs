//! The figures that are looked up when somebody asks: how things stand at this moment.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use keyway_core::store::{Store, Writing};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::traces::SpanCounts;
use crate::http::edge::Edge;
use crate::http::shed::Shed;
use crate::relay::meter::Meter;

/// Where the figures are.
pub(crate) struct Standing {
    pub(crate) edge: Arc<Edge>,
    pub(crate) spans: Arc<SpanCounts>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) store: Arc<dyn Store>,
}

impl Standing {
    fn gauges(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let edge = self.edge.standing();
        let (held, leased) = self.meter.standing();
        let queued = self.store.writing().map_or(0, Writing::queued);
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let gauges = [
            ("connections_open", "Connections of clients that are open", count(edge.connections)),
            ("requests_running", "Inference requests that have a turn", count(edge.running)),
            ("memory_held_bytes", "Bytes that requests and streams hold", count(edge.memory_bytes)),
            ("held_nanodollars", "Held by requests in flight", held.get()),
            ("leased_nanodollars", "Of the installation's budget, to this node", leased.get()),
            ("store_queue", "Calls that wait to be written to the store", count(queued)),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(value);
            single(encoder, name, help, &gauge)?;
        }
        Ok(())
    }

    fn shed(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let counts = Shed::ALL.iter().map(|what| (what.as_str(), self.edge.shed.of(*what)));
        let memory = ("memory", self.edge.memory.refused());
        let counts: Vec<_> = counts.chain([memory]).collect();
        let help = "What was turned away because there was no room for it";
        family(encoder, ("shed", help), "reason", &counts)
    }

    /// Of the ledger: who waited for others' reservations, and what became of leases.
    fn ledger(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let counts = &self.meter.counts;
        let waits = [("admitted", &counts.waits_admitted), ("refused", &counts.waits_refused)];
        let help = "Requests that waited for the reservations of others";
        family(encoder, ("reservation_waits", help), "outcome", &waits)?;
        let leases = [
            ("granted", &counts.leases_granted),
            ("returned", &counts.leases_returned),
            ("recalled", &counts.leases_recalled),
        ];
        family(encoder, ("leases", "Leases by what became of them"), "event", &leases)?;
        let waited = Duration::from_micros(counts.waited_micros.load(Ordering::Relaxed));
        let help = "How long all of them waited";
        single(encoder, "reservation_wait_seconds", help, &ConstCounter::new(waited.as_secs_f64()))
    }

    fn spans(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let outcomes = [
            ("told", &self.spans.told),
            ("failed", &self.spans.failed),
            ("dropped", &self.spans.dropped),
        ];
        family(encoder, ("spans", "Spans for the collector"), "outcome", &outcomes)
    }
}

fn single(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    metric: &impl EncodeMetric,
) -> fmt::Result {
    metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)
}

/// Counters that one label tells apart.
fn family(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help): (&str, &str),
    label: &'static str,
    counters: &[(&'static str, &AtomicU64)],
) -> fmt::Result {
    let of_type = ConstCounter::new(0_u64).metric_type();
    let mut family = encoder.encode_descriptor(name, help, None, of_type)?;
    for (value, count) in counters {
        let counter = ConstCounter::new(count.load(Ordering::Relaxed));
        counter.encode(family.encode_family(&[(label, *value)])?)?;
    }
    Ok(())
}

impl fmt::Debug for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Standing").finish_non_exhaustive()
    }
}

impl Collector for Standing {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.gauges(&mut encoder)?;
        self.shed(&mut encoder)?;
        self.ledger(&mut encoder)?;
        self.spans(&mut encoder)
    }
}
