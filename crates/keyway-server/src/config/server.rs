//! The HTTP server, and what it bears of its clients.

use std::time::Duration;

use keyway_core::network::Network;

use super::description::{Field, Kind, Presence, Section};
use super::rules::{self, base_url};
use super::view::View;

/// Of whatever is counted; more is a typing error.
const COUNT_MAX: u64 = 1_000_000;
/// Of whatever is measured in bytes and comes in one piece.
const BYTES_MAX: u64 = 1024 * 1024 * 1024;
const MEMORY_BYTES_MAX: u64 = 1024 * BYTES_MAX;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// Where clients reach this gateway, without a slash at the end.
    pub public_url: Option<String>,
    /// How long requests in flight may take to finish after a request to stop.
    pub shutdown_grace: Duration,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    pub limits: ServerLimits,
}

/// What the server bears of all clients, of one address, of one connection and of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// At once; further ones are told to come again.
    pub connections_max: usize,
    /// Of these from one address that is no trusted proxy.
    pub connections_per_address_max: usize,
    /// Streams that one HTTP/2 connection may have at once.
    pub http2_streams_max: u32,
    /// Inference requests at once, until each is settled.
    pub requests_max: usize,
    /// Inference requests that wait until another one ends.
    pub requests_waiting_max: usize,
    /// Bytes of bodies and of streams that are held at once.
    pub memory_bytes_max: usize,
    /// How long the head of a request may take to arrive.
    pub head_timeout: Duration,
    pub head_bytes_max: usize,
    pub headers_max: usize,
    /// How long a connection may stay without a request.
    pub idle_timeout: Duration,
    /// How long the body of a request may take to arrive.
    pub body_timeout: Duration,
    /// How fast it has to come, apart from its beginning.
    pub body_bytes_per_second_min: usize,
    /// Largest body of an inference request.
    pub body_bytes_max: usize,
    /// How long a client may take to read what is there.
    pub write_timeout: Duration,
    /// Attempts of one address with keys that do not exist.
    pub bad_keys_per_minute: u32,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections_max: 16_384,
            connections_per_address_max: 12_288,
            http2_streams_max: 128,
            requests_max: 16_384,
            requests_waiting_max: 256,
            memory_bytes_max: 512 * 1024 * 1024,
            head_timeout: Duration::from_secs(10),
            head_bytes_max: 64 * 1024,
            headers_max: 100,
            idle_timeout: Duration::from_secs(75),
            body_timeout: Duration::from_mins(5),
            body_bytes_per_second_min: 1024,
            body_bytes_max: 32 * 1024 * 1024,
            write_timeout: Duration::from_mins(1),
            bad_keys_per_minute: 300,
        }
    }
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            public_url: None,
            shutdown_grace: Duration::from_secs(30),
            trusted_proxies: Vec::new(),
            limits: ServerLimits::default(),
        }
    }
}

const fn count(name: &'static str, doc: &'static str, default: &'static str, most: u64) -> Field {
    Field { name, doc, presence: Presence::Default(default), kind: Kind::Count(most) }
}

const fn duration(name: &'static str, doc: &'static str, default: &'static str) -> Field {
    Field { name, doc, presence: Presence::Default(default), kind: Kind::Duration }
}

pub(super) static SERVER: Section = Section {
    doc: "The HTTP server, and what it bears of its clients.",
    fields: &[
        Field {
            name: "public_url",
            doc: "Where clients reach this gateway, for links in messages.",
            presence: Presence::Optional,
            kind: Kind::Text(&rules::URL),
        },
        duration(
            "shutdown_grace",
            "How long requests in flight may take to finish after SIGTERM.",
            "30s",
        ),
        Field {
            name: "trusted_proxies",
            doc: "Addresses and networks of proxies before this gateway, whose X-Forwarded-For says who the client is. Nobody else's is believed.",
            presence: Presence::Optional,
            kind: Kind::Texts(&rules::NETWORK),
        },
        count(
            "connections_max",
            "Connections at once; further ones are answered 503.",
            "16384",
            COUNT_MAX,
        ),
        count(
            "connections_per_address_max",
            "Connections at once from one address (of IPv6: from one /64) that is no trusted proxy; further ones are answered 503.",
            "12288",
            COUNT_MAX,
        ),
        count(
            "http2_streams_max",
            "Requests that one HTTP/2 connection may have at once.",
            "128",
            COUNT_MAX,
        ),
        count(
            "requests_max",
            "Inference requests at once, each until its charge is durable.",
            "16384",
            COUNT_MAX,
        ),
        count(
            "requests_waiting_max",
            "Inference requests that may wait a second for another one to end; further ones are answered 503.",
            "256",
            COUNT_MAX,
        ),
        count(
            "memory_bytes_max",
            "Bytes of requests and of streams that may be held at once; what would need more is answered 503.",
            "536870912",
            MEMORY_BYTES_MAX,
        ),
        duration(
            "head_timeout",
            "How long the head of a request may take to arrive, from its first byte or, for a connection's first, from its beginning.",
            "10s",
        ),
        count(
            "head_bytes_max",
            "Largest head of a request, in bytes; 8192 where it says less.",
            "65536",
            BYTES_MAX,
        ),
        count("headers_max", "Headers that a request may have.", "100", COUNT_MAX),
        duration("idle_timeout", "How long a connection may stay without a request.", "75s"),
        duration("body_timeout", "How long the body of a request may take to arrive.", "5m"),
        count(
            "body_bytes_per_second_min",
            "How fast the body of a request has to arrive after its first ten seconds, in bytes a second on average.",
            "1024",
            BYTES_MAX,
        ),
        count(
            "body_bytes_max",
            "Largest body of an inference request, in bytes.",
            "33554432",
            BYTES_MAX,
        ),
        duration(
            "write_timeout",
            "How long a client may leave unread what it is sent; then its connection is closed.",
            "1m",
        ),
        count(
            "bad_keys_per_minute",
            "Attempts with keys that do not exist that one address may make in a minute; further ones are answered 429, without a look into the store.",
            "300",
            COUNT_MAX,
        ),
    ],
};

pub(super) fn server(root: View<'_>) -> Option<ServerConfig> {
    let default = ServerConfig::default();
    let Some(section) = root.section("server") else { return Some(default) };
    let proxies = section.texts("trusted_proxies").unwrap_or_default();
    Some(ServerConfig {
        public_url: match section.text("public_url") {
            Some(url) => Some(base_url(url).ok()?),
            None => None,
        },
        shutdown_grace: section.duration("shutdown_grace").unwrap_or(default.shutdown_grace),
        trusted_proxies: proxies.iter().map(|text| Network::parse(text)).collect::<Option<_>>()?,
        limits: limits(section)?,
    })
}

/// A figure that is out of range was reported by its field's check.
fn limits(section: View<'_>) -> Option<ServerLimits> {
    let default = ServerLimits::default();
    let count = |name, default: usize| match section.count(name) {
        Some(count) => usize::try_from(count).ok(),
        None => Some(default),
    };
    let small = |name, default: u32| match section.count(name) {
        Some(count) => u32::try_from(count).ok(),
        None => Some(default),
    };
    let duration = |name, default| section.duration(name).unwrap_or(default);
    Some(ServerLimits {
        connections_max: count("connections_max", default.connections_max)?,
        connections_per_address_max: count(
            "connections_per_address_max",
            default.connections_per_address_max,
        )?,
        http2_streams_max: small("http2_streams_max", default.http2_streams_max)?,
        requests_max: count("requests_max", default.requests_max)?,
        requests_waiting_max: count("requests_waiting_max", default.requests_waiting_max)?,
        memory_bytes_max: count("memory_bytes_max", default.memory_bytes_max)?,
        head_timeout: duration("head_timeout", default.head_timeout),
        head_bytes_max: count("head_bytes_max", default.head_bytes_max)?,
        headers_max: count("headers_max", default.headers_max)?,
        idle_timeout: duration("idle_timeout", default.idle_timeout),
        body_timeout: duration("body_timeout", default.body_timeout),
        body_bytes_per_second_min: count(
            "body_bytes_per_second_min",
            default.body_bytes_per_second_min,
        )?,
        body_bytes_max: count("body_bytes_max", default.body_bytes_max)?,
        write_timeout: duration("write_timeout", default.write_timeout),
        bad_keys_per_minute: small("bad_keys_per_minute", default.bad_keys_per_minute)?,
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    #[test]
    fn every_limit_is_read_from_its_own_field() {
        let read = |text: &str| {
            let text = format!("[server]\n{text}\n");
            let config = Config::parse(&text, Path::new("keyway.toml"), &|_| None).expect("valid");
            config.server
        };
        let mut seen = vec![ServerConfig::default()];
        for field in SERVER.fields {
            let value = match field.kind {
                Kind::Count(_) => "7",
                Kind::Duration => "\"7s\"",
                Kind::Texts(_) => "[\"10.0.0.0/8\"]",
                _ => "\"https://llm.example.com\"",
            };
            let config = read(&format!("{} = {value}", field.name));
            assert!(!seen.contains(&config), "{} changes nothing of its own", field.name);
            seen.push(config);
        }
    }
}
