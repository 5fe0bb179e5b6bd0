//! `X-Forwarded-For`, believed as far as trusted proxies wrote it.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Proxies in a row that are looked through.
const PROXIES_MAX: usize = 16;

/// The last address of the row that no trusted proxy has. Each proxy adds whom it was spoken to by, so
/// that what stands before an untrusted one is that one's own invention.
pub(super) fn client(
    peer: IpAddr,
    headers: &HeaderMap,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> IpAddr {
    let mut client = peer;
    let lines = headers.get_all(X_FORWARDED_FOR).iter().rev();
    let said = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
    for said in said.take(PROXIES_MAX) {
        if !is_trusted(client) {
            break;
        }
        let Some(address) = address(said.trim()) else { break };
        client = address;
    }
    client
}

/// Some proxies write the port, too.
fn address(text: &str) -> Option<IpAddr> {
    let address = text.parse().or_else(|_| text.parse::<SocketAddr>().map(|it| it.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_what_trusted_proxies_wrote_is_believed() {
        let cases: [(&str, &[&str], &str); 8] = [
            ("10.0.0.1", &["192.0.2.7"], "192.0.2.7"),
            ("10.0.0.1", &["203.0.113.9, 192.0.2.7, 10.0.0.2"], "192.0.2.7"),
            ("10.0.0.1", &["203.0.113.9, 192.0.2.7", "10.0.0.2"], "192.0.2.7"),
            ("192.0.2.7", &["203.0.113.9"], "192.0.2.7"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["192.0.2.7, nonsense"], "10.0.0.1"),
            ("10.0.0.1", &["192.0.2.7:4711"], "192.0.2.7"),
            ("10.0.0.1", &["[2001:db8::1]:4711"], "2001:db8::1"),
        ];
        for (peer, lines, expected) in cases {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(X_FORWARDED_FOR, HeaderValue::from_str(line).expect("a value"));
            }
            let trusted = |address: IpAddr| address.to_string().starts_with("10.");
            let found = client(peer.parse().expect("an address"), &headers, trusted);
            assert_eq!(found.to_string(), expected, "{peer} {lines:?}");
        }
    }
}
