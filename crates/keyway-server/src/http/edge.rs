//! What all clients together may take of this node, and what of it they have.

use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;
use keyway_core::network::Network;

use super::crowd::Crowd;
use super::error::ApiError;
use super::forwarded;
use super::memory::Memory;
use super::shed::{Shed, ShedCounts};
use super::strangers::Strangers;
use super::turns::{NoTurn, Turn, Turns, overloaded};
use crate::config::{ServerConfig, ServerLimits};

#[derive(Debug)]
pub struct Edge {
    pub limits: ServerLimits,
    trusted_proxies: Vec<Network>,
    pub(super) crowd: Arc<Crowd>,
    turns: Turns,
    pub(crate) memory: Arc<Memory>,
    pub(super) strangers: Strangers,
    pub(crate) shed: ShedCounts,
}

/// How much of what it bears is taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EdgeStanding {
    pub(crate) connections: usize,
    pub(crate) running: usize,
    pub(crate) memory_bytes: usize,
}

/// The other end of a request's connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

impl Edge {
    pub fn new(config: &ServerConfig) -> Self {
        let limits = config.limits;
        Self {
            limits,
            trusted_proxies: config.trusted_proxies.clone(),
            crowd: Arc::new(Crowd::new(limits.connections_max, limits.connections_per_address_max)),
            turns: Turns::new(limits.requests_max, limits.requests_waiting_max),
            memory: Arc::new(Memory::new(limits.memory_bytes_max)),
            strangers: Strangers::new(limits.bad_keys_per_minute),
            shed: ShedCounts::default(),
        }
    }

    pub(crate) fn standing(&self) -> EdgeStanding {
        EdgeStanding {
            connections: self.crowd.open(),
            running: self.turns.running(),
            memory_bytes: self.memory.held(),
        }
    }

    /// A turn for an inference request.
    ///
    /// # Errors
    /// 503 with `Retry-After`: at once where too many wait, else after a second at most.
    pub(crate) async fn turn(&self) -> Result<Turn, ApiError> {
        self.turns.take().await.map_err(|NoTurn| self.turn_away(Shed::Request))
    }

    /// There is no room for `what`, which is counted.
    pub(super) fn turn_away(&self, what: Shed) -> ApiError {
        self.shed.add(what);
        overloaded()
    }

    pub(super) fn is_trusted(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(address))
    }

    /// Who a request comes from: `peer`, or whom a trusted proxy says that it speaks for.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if self.trusted_proxies.is_empty() {
            return peer;
        }
        forwarded::client(peer, headers, |address| self.is_trusted(address))
    }
}
