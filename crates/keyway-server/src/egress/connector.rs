//! Connects to places of the configuration: resolves, checks every address, and connects to what was
//! checked, so that no second answer of a name server comes between.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use http::Uri;
use hyper_util::rt::TokioIo;
use keyway_core::address::{Reach, reach};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tower::Service;

use super::Place;

/// Addresses of one name that are looked at.
const ADDRESSES_MAX: usize = 32;

/// Why nothing was connected to.
#[derive(Debug, Error)]
pub(super) enum ConnectError {
    #[error("{0} is no place that the configuration names")]
    Unknown(String),
    #[error("{host} leads to {address}, which may not be connected to")]
    Forbidden { host: String, address: IpAddr },
    #[error("{0} has no address")]
    NoAddress(String),
    #[error("it took too long")]
    TimedOut,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Finds the addresses of a name.
#[async_trait]
pub(super) trait Resolver: fmt::Debug + Send + Sync {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
}

/// As the machine is set up to.
#[derive(Debug)]
pub(super) struct System;

#[async_trait]
impl Resolver for System {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.take(ADDRESSES_MAX).collect())
    }
}

/// Opens connections to places that the configuration names, and to no others.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    places: Arc<HashMap<(String, u16), Terms>>,
    resolver: Arc<dyn Resolver>,
}

/// On which terms a place is connected to.
#[derive(Clone, Copy, Debug)]
struct Terms {
    allow_private: bool,
    timeout: Duration,
}

impl Connector {
    /// Where a place is named twice, the more generous terms count.
    pub(super) fn new(
        places: impl IntoIterator<Item = Place>,
        resolver: Arc<dyn Resolver>,
    ) -> Self {
        let mut known: HashMap<(String, u16), Terms> = HashMap::new();
        for place in places {
            let Some(key) = key(&place.uri) else { continue };
            let terms = known.entry(key).or_insert(Terms {
                allow_private: place.allow_private,
                timeout: place.connect_timeout,
            });
            terms.allow_private |= place.allow_private;
            terms.timeout = terms.timeout.max(place.connect_timeout);
        }
        Self { places: Arc::new(known), resolver }
    }

    async fn connect(&self, uri: &Uri) -> Result<TcpStream, ConnectError> {
        let unknown = || ConnectError::Unknown(uri.host().unwrap_or_default().to_owned());
        let (host, port) = key(uri).ok_or_else(unknown)?;
        let terms = self.places.get(&(host.clone(), port)).ok_or_else(unknown)?;
        let until = Instant::now() + terms.timeout;
        let addresses = timeout(terms.timeout, self.addresses(&host, port, *terms)).await;
        let addresses = addresses.map_err(|_| ConnectError::TimedOut)??;
        if addresses.is_empty() {
            return Err(ConnectError::NoAddress(host));
        }
        first_that_answers(&addresses, until).await
    }

    /// Every one of them may be connected to, or none is.
    async fn addresses(
        &self,
        host: &str,
        port: u16,
        terms: Terms,
    ) -> Result<Vec<SocketAddr>, ConnectError> {
        let literal = literal(host);
        let addresses = match literal {
            Some(address) => vec![SocketAddr::new(address, port)],
            None => self.resolver.resolve(host, port).await?,
        };
        // Who writes the address itself, or this machine's name, means it.
        let may_be_private = terms.allow_private || literal.is_some() || host == "localhost";
        let forbidden =
            addresses.iter().map(SocketAddr::ip).find(|address| match reach(*address) {
                Reach::Public => false,
                Reach::Private => !may_be_private,
                Reach::Never => true,
            });
        if let Some(address) = forbidden {
            return Err(ConnectError::Forbidden { host: host.to_owned(), address });
        }
        // A resolver does not choose the port either.
        Ok(addresses.into_iter().map(|it| SocketAddr::new(it.ip(), port)).collect())
    }
}

/// Each address gets its share of what time is left.
async fn first_that_answers(
    addresses: &[SocketAddr],
    until: Instant,
) -> Result<TcpStream, ConnectError> {
    let mut last = ConnectError::TimedOut;
    for (address, left) in addresses.iter().zip((1..=addresses.len()).rev()) {
        let share = until.saturating_duration_since(Instant::now())
            / u32::try_from(left).unwrap_or(u32::MAX);
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(socket)) => {
                socket.set_nodelay(true)?;
                return Ok(socket);
            }
            Ok(Err(error)) => last = error.into(),
            Err(_) => last = ConnectError::TimedOut,
        }
    }
    Err(last)
}

/// The host, as names are compared, and the port.
fn key(uri: &Uri) -> Option<(String, u16)> {
    let port = match (uri.port_u16(), uri.scheme_str()?) {
        (Some(port), _) => port,
        (None, "https") => 443,
        (None, "http") => 80,
        _ => return None,
    };
    Some((uri.host()?.to_ascii_lowercase(), port))
}

/// An address that is written out, as addresses are written: no other way of writing one is.
fn literal(host: &str) -> Option<IpAddr> {
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match bracketed {
        Some(address) => address.parse().ok().map(IpAddr::V6),
        None => host.parse().ok().map(IpAddr::V4),
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = ConnectError;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            let connected = connector.connect(&uri).await;
            if let Err(error @ (ConnectError::Forbidden { .. } | ConnectError::Unknown(_))) =
                &connected
            {
                tracing::warn!(%error, "a connection was refused; see allow_private of a provider");
            }
            connected.map(TokioIo::new)
        })
    }
}
