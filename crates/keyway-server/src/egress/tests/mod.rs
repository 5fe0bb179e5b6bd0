//! Ways to an address that nothing may go to. A listener stands where they lead; nothing may reach it.

mod http2;
mod pool;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::Full;
use keyway_core::address::{Reach, reach};
use proptest::prelude::*;
use tokio::net::TcpListener;

use super::connector::{Resolver, System};
use super::{Egress, EgressError, Place};
use crate::config::base_url;

/// Hosts that lead, or may be taken to lead, to this machine, its network or a cloud's secrets. Written
/// into a provider's `base_url`, none is connected to.
const HOSTS: &[&str] = &[
    // Other ways to write 127.0.0.1: decimal, octal, hexadecimal, short, mixed.
    "2130706433",
    "017700000001",
    "0x7f000001",
    "0x7F000001",
    "127.1",
    "127.0.1",
    "0177.0.0.1",
    "0177.0.0.01",
    "0x7f.0.0.1",
    "0x7f.0x0.0x0.0x1",
    "0x7f.1",
    "0177.1",
    "127.0.0.1.",
    "127.1.",
    "127.000.000.001",
    "0127.0.0.1",
    "127.0.0.0x1",
    "00000177.0.0.1",
    "127.0x1",
    "2130706433.",
    // Unspecified, which is this machine to many systems.
    "0",
    "0.0.0.0",
    "0x0",
    "00",
    "0.0",
    "0.1.2.3",
    "[::]",
    "[0:0:0:0:0:0:0:0]",
    // An IPv4 address inside of one of IPv6: mapped, compatible, NAT64, 6to4, Teredo.
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:127.0.0.1]",
    "[::FFFF:7F00:0001]",
    "[::ffff:10.0.0.1]",
    "[::ffff:192.168.0.1]",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[::ffff:0.0.0.0]",
    "[::127.0.0.1]",
    "[::7f00:1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b::10.0.0.1]",
    "[64:ff9b::169.254.169.254]",
    "[64:ff9b:1::127.0.0.1]",
    "[2002:7f00:1::]",
    "[2002:7f00:0001::1]",
    "[2002:a00:1::1]",
    "[2002:a9fe:a9fe::]",
    "[2001:0:7f00:1::]",
    "[2001:0:53aa:64c:0:0:80ff:fffe]",
    // Where clouds tell machines their secrets.
    "169.254.169.254",
    "169.254.169.254.",
    "169.254.170.2",
    "169.254.0.1",
    "2852039166",
    "0xa9fea9fe",
    "0xa9.0xfe.0xa9.0xfe",
    "0251.0376.0251.0376",
    "169.254.43518",
    "169.16689662",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "[fd00:ec2::254]",
    "[fe80::a9fe:a9fe]",
    // Link-local, site-local, multicast, reserved, documentation, benchmarks.
    "[fe80::1]",
    "[febf::1]",
    "[fec0::1]",
    "[ff02::1]",
    "[ff05::2]",
    "[100::1]",
    "[2001:db8::1]",
    "[3fff::1]",
    "[5f00::1]",
    "[4000::1]",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "192.0.2.1",
    "198.51.100.1",
    "203.0.113.1",
    "198.18.0.1",
    "198.19.255.255",
    "192.88.99.1",
    // User names, fragments, and what two readers read in two ways.
    "allowed.example@127.0.0.1",
    "127.0.0.1@allowed.example",
    "allowed.example:80@127.0.0.1",
    "allowed.example#@127.0.0.1",
    "allowed.example\\@127.0.0.1",
    "127.0.0.1\\.allowed.example",
    "allowed.example%2f@127.0.0.1",
    "127.0.0.1%00.example",
    "127.0.0.1%2eexample",
    "[::1%25lo]",
    "[::1%lo]",
    "127.0.0.1\t",
    "127.0.0.1\n",
    " 127.0.0.1",
    "127.0.0.1 .example",
    "[127.0.0.1]",
    "[::1",
    "::1",
    "127.0.0.1,allowed.example",
    "allowed.example;127.0.0.1",
    // Dots and digits of other scripts.
    "127。0。0。1",
    "127．0．0．1",
    "127｡0｡0｡1",
    "①②⑦.⓪.⓪.①",
    "１２７.０.０.１",
    "ⓛocalhost",
    "locaⅼhost",
    "localho\u{200b}st",
    "loc\u{ad}alhost",
    // Names of this machine but its plain one, and names that are said to lead to it.
    "localhost.",
    "LOCALHOST.",
    "localhost.localdomain",
    "ip6-localhost",
    "rebinding.example",
    "to-private.example",
    "to-metadata.example",
    "to-mapped.example",
    "public-then-private.example",
];

/// Says of names what a hostile name server would; of numbers and names of the machine, what it says.
#[derive(Debug, Default)]
struct Hostile {
    asked: AtomicUsize,
}

#[async_trait]
impl Resolver for Hostile {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        let addresses: &[&str] = match host {
            "rebinding.example" if asked.is_multiple_of(2) => &["127.0.0.1"],
            "rebinding.example" => &["10.0.0.1"],
            "to-private.example" => &["192.168.1.1"],
            "to-metadata.example" => &["169.254.169.254"],
            "to-mapped.example" => &["::ffff:127.0.0.1"],
            "public-then-private.example" => &["8.8.8.8", "127.0.0.1"],
            // The machine itself reads numbers in all their forms; a name server is not asked.
            host if host.starts_with(|it: char| it.is_ascii_digit()) && !host.ends_with('.') => {
                return System.resolve(host, port).await;
            }
            _ => &["127.0.0.1"],
        };
        let address = |it: &&str| SocketAddr::new(it.parse().expect("an address"), port);
        Ok(addresses.iter().map(address).collect())
    }
}

fn place(uri: &str, allow_private: bool) -> Place {
    let uri: Uri = uri.parse().expect("a URI");
    Place { uri, allow_private, connect_timeout: Duration::from_secs(5) }
}

async fn send(egress: &Egress, url: &str) -> Result<http::StatusCode, EgressError> {
    let request = Request::post(url).body(Full::new(Bytes::new())).expect("a request");
    egress.send(request).await.map(|response| response.status())
}

/// A listener, how often it was reached, and its port.
async fn tripwire() -> (Arc<AtomicUsize>, u16, tokio_util::task::AbortOnDropHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let reached = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&reached);
    #[expect(clippy::disallowed_methods, reason = "aborted when the test drops it")]
    let task = tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            // The answer to a request that was not read yet would be none.
            let mut request = [0; 1_024];
            while socket.readable().await.is_ok() && socket.try_read(&mut request).is_err() {}
            let _ = socket.try_write(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
        }
    });
    (reached, port, tokio_util::task::AbortOnDropHandle::new(task))
}

#[tokio::test]
async fn nothing_reaches_an_address_that_nobody_meant() {
    let (reached, port, _listening) = tripwire().await;
    assert!(HOSTS.len() >= 120, "{}", HOSTS.len());
    for host in HOSTS {
        let url = format!("http://{host}:{port}/v1");
        // What the configuration refuses goes nowhere.
        let Ok(url) = base_url(&url) else { continue };
        let egress = Egress::with_resolver([place(&url, false)], Arc::<Hostile>::default());
        assert!(matches!(send(&egress, &url).await, Err(EgressError::Connect(_))), "{host}");
        assert_eq!(reached.load(Ordering::SeqCst), 0, "{host}");
    }
}

#[tokio::test]
async fn what_the_configuration_names_is_reached_and_its_neighbours_are_not() {
    let (reached, port, _listening) = tripwire().await;
    let named = format!("http://127.0.0.1:{port}");
    let egress = Egress::with_resolver([place(&named, false)], Arc::<Hostile>::default());
    let sent = send(&egress, &named).await;
    assert!(sent.is_ok(), "an address that is written out is meant: {sent:?}");
    assert_eq!(reached.load(Ordering::SeqCst), 1);
    for other in ["localhost", "127.0.0.2", "[::1]", "rebinding.example"] {
        let url = format!("http://{other}:{port}");
        assert!(send(&egress, &url).await.is_err(), "{other}");
    }
    let (others, other_port, _listening) = tripwire().await;
    assert!(send(&egress, &format!("http://127.0.0.1:{other_port}")).await.is_err());
    assert_eq!((reached.load(Ordering::SeqCst), others.load(Ordering::SeqCst)), (1, 0));
}

#[tokio::test]
async fn a_name_may_lead_into_a_private_network_where_that_is_allowed() {
    let (reached, port, _listening) = tripwire().await;
    let url = format!("http://model.example:{port}");
    let resolver = Arc::<Hostile>::default();
    let asked = Arc::clone(&resolver);
    let egress = Egress::with_resolver([place(&url, true)], resolver);
    assert!(send(&egress, &url).await.is_ok());
    assert_eq!(reached.load(Ordering::SeqCst), 1);
    assert_eq!(asked.asked.load(Ordering::Relaxed), 1, "checked and connected to by one answer");
    let url = format!("http://to-metadata.example:{port}");
    let egress = Egress::with_resolver([place(&url, true)], Arc::<Hostile>::default());
    assert!(send(&egress, &url).await.is_err(), "not even then");
}

/// Never answers.
#[derive(Debug)]
struct Silent;

#[async_trait]
impl Resolver for Silent {
    async fn resolve(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_may_wait_for_a_connection_for_less_than_its_place_does() {
    let began = tokio::time::Instant::now();
    let request = |url: &str| Request::get(url).body(Full::<Bytes>::default()).expect("a request");
    let url = "http://provider.example/";
    let egress = Egress::with_resolver([place(url, false)], Arc::new(Silent));
    let late = egress.send_within(request(url), Some(Duration::from_secs(1)), None).await;
    assert!(matches!(late, Err(EgressError::Late)), "{late:?}");
    assert_eq!(began.elapsed(), Duration::from_secs(1));
    let late = egress.send_within(request(url), Some(Duration::from_mins(1)), None).await;
    assert!(matches!(late, Err(EgressError::Connect(_))), "{late:?}");
}

#[test]
fn public_addresses_are_public() {
    for address in [
        "8.8.8.8",
        "1.1.1.1",
        "172.15.0.1",
        "172.32.0.1",
        "100.63.0.1",
        "100.128.0.1",
        "11.0.0.1",
        "2606:4700::1111",
        "2a00:1450::1",
        "2001:4860::8888",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
    ] {
        assert_eq!(reach(address.parse().expect("an address")), Reach::Public, "{address}");
    }
    for address in
        ["10.1.2.3", "127.9.9.9", "172.31.0.1", "192.168.9.9", "100.64.0.1", "::1", "fd12::1"]
    {
        assert_eq!(reach(address.parse().expect("an address")), Reach::Private, "{address}");
    }
}

proptest! {
    /// The library's own, narrower words for special addresses agree.
    #[test]
    fn no_special_address_is_public(bits in any::<u32>()) {
        let address = std::net::Ipv4Addr::from_bits(bits);
        let special = address.is_private()
            || address.is_loopback()
            || address.is_link_local()
            || address.is_multicast()
            || address.is_broadcast()
            || address.is_documentation()
            || address.is_unspecified();
        prop_assert!(!special || reach(IpAddr::V4(address)) != Reach::Public);
        let mapped = reach(IpAddr::V6(address.to_ipv6_mapped()));
        prop_assert_eq!(mapped == Reach::Public, reach(IpAddr::V4(address)) == Reach::Public);
    }
}
