//! Figures for Prometheus.

use std::net::SocketAddr;

use super::description::{Field, Kind, Presence, Section};
use super::rules;
use super::view::View;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MetricsConfig {
    /// Where they are told; `None` counts nothing.
    pub listen: Option<SocketAddr>,
}

pub(super) static METRICS: Section = Section {
    doc: "Figures for Prometheus, on a listener of their own.",
    fields: &[Field {
        name: "listen",
        doc: "The address and port of GET /metrics; absent counts nothing. Whoever reaches it may read it.",
        presence: Presence::Optional,
        kind: Kind::Text(&rules::SOCKET),
    }],
};

pub(super) fn metrics(root: View<'_>) -> Option<MetricsConfig> {
    let listen = root.section("metrics").and_then(|section| section.text("listen"));
    Some(MetricsConfig {
        listen: match listen {
            Some(text) => Some(text.parse().ok()?),
            None => None,
        },
    })
}
