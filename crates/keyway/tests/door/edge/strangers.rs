//! Keys that do not exist, tried again and again.

use http::StatusCode;
use keyway_core::secret::{KEY_ENTROPY_BYTES, KeyPrefix, KeySecret};
use keyway_testkit::{Client, Gateway};

use super::{gateway, key};

const KEY: &str = "/api/v1/key";

/// A key that has the form of one, check digits and all.
fn guess(number: u8) -> String {
    let prefix = KeyPrefix::new("sk-or-v1-").expect("a prefix");
    KeySecret::mint(&prefix, &[number; KEY_ENTROPY_BYTES]).expose().to_owned()
}

async fn guesses(gateway: &Gateway, forwarded_for: &str, count: u8) {
    for number in 0..count {
        let client = gateway.client(&guess(number)).with_header("x-forwarded-for", forwarded_for);
        assert_eq!(client.get(KEY).await.status, StatusCode::UNAUTHORIZED, "{number}");
    }
}

async fn is_refused(client: &Client) {
    let reply = client.get(KEY).await;
    assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS, "{reply:?}");
    let seconds: u32 =
        reply.headers["retry-after"].to_str().expect("text").parse().expect("seconds");
    assert!((1..=60).contains(&seconds), "{seconds}");
    let message = "Too many attempts with keys that do not exist came from your address";
    assert_eq!(reply.error(), message);
}

#[tokio::test]
async fn an_address_that_guesses_is_held_up_and_keys_in_use_go_on() {
    let gateway = gateway("bad_keys_per_minute = 5").await;
    let key = key(&gateway).await;
    let client = gateway.client(&key);
    assert_eq!(client.get(KEY).await.status, StatusCode::OK);
    guesses(&gateway, "192.0.2.1", 5).await;
    // Nobody trusts whoever says so: the address is the connection's.
    is_refused(&gateway.client(&guess(6)).with_header("x-forwarded-for", "192.0.2.2")).await;
    assert_eq!(client.get(KEY).await.status, StatusCode::OK);
    // Nor is a key refused that nobody used yet: others may come from the same address.
    let unused = self::key(&gateway).await;
    assert_eq!(gateway.client(&unused).get(KEY).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_trusted_proxy_says_who_guesses() {
    let lines = "bad_keys_per_minute = 5\ntrusted_proxies = [\"127.0.0.0/8\", \"10.0.0.0/8\"]";
    let gateway = gateway(lines).await;
    guesses(&gateway, "203.0.113.9, 192.0.2.1, 10.0.0.7", 5).await;
    // What the client wrote itself stands before what the proxies added.
    let again = "198.51.100.1, 192.0.2.1";
    is_refused(&gateway.client(&guess(7)).with_header("x-forwarded-for", again)).await;
    guesses(&gateway, "192.0.2.2", 1).await;
}
