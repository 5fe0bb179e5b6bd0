//! The figures that are looked up when somebody asks: how things stand at this moment.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::traces::SpanCounts;
use crate::http::edge::Edge;

/// Where the figures are.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) edge: Arc<Edge>,
    pub(crate) spans: Arc<SpanCounts>,
}

impl Standing {
    fn gauges(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let edge = self.edge.standing();
        let gauges = [
            ("connections_open", "Connections of clients that are open", edge.connections),
            ("requests_running", "Inference requests that have a turn", edge.running),
            ("memory_held_bytes", "Bytes that requests and streams hold", edge.memory_bytes),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            let metric = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(metric)?;
        }
        Ok(())
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

impl Collector for Standing {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.gauges(&mut encoder)?;
        self.spans(&mut encoder)
    }
}
