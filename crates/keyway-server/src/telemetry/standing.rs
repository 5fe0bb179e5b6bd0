//! The figures that are looked up when somebody asks: how things stand at this moment.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;

use crate::http::edge::Edge;

#[derive(Debug)]
pub(super) struct Standing(pub(super) Arc<Edge>);

impl Collector for Standing {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let standing = self.0.standing();
        let gauges = [
            ("connections_open", "Connections of clients that are open", standing.connections),
            ("requests_running", "Inference requests that have a turn", standing.running),
            ("memory_held_bytes", "Bytes that requests and streams hold", standing.memory_bytes),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            let metric = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(metric)?;
        }
        Ok(())
    }
}
