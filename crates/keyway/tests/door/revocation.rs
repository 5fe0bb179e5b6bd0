//! What runs on a key that is revoked: cut within a second, and charged for what was delivered.

use std::time::Duration;

use futures_util::future::join_all;
use http::StatusCode;
use keyway_core::clock::{Clock, Timestamp};
use keyway_core::money::Nanos;
use keyway_server::clock::SystemClock;
use keyway_testkit::{Client, Cluster, Mode, Plan, Postgres, Reply, Streamed, eventually};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::gateway;
use crate::nodes::nodes;

const MODEL: &str = "keyway/echo";
/// A token every 10 ms, for a quarter of an hour: 9 tokens of prompt.
const ENDLESS: &str = "#echo tokens=90000 each_ms=10\nhello";
const PROMPT_NANOS: i64 = 9_000;
const TOKEN_NANOS: i64 = 2_000;
/// What is asked for long before anything comes.
const SLOW: &str = "#echo first_ms=60000\nhello";
const CUT_WITHIN: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug)]
enum Revocation {
    Disable,
    Delete,
}

async fn revoke(manager: &Client, hash: &str, how: Revocation) -> Reply {
    let path = format!("/api/v1/keys/{hash}");
    match how {
        Revocation::Disable => manager.patch(&path, &json!({"disabled": true})).await,
        Revocation::Delete => manager.delete(&path).await,
    }
}

/// A stream that was read for a while, and how many tokens were read.
async fn begin(client: &Client) -> (Streamed, i64) {
    let mut stream = client.chat_stream(MODEL, ENDLESS).await.expect("a head");
    assert_eq!(stream.status, StatusCode::OK);
    for _ in 0..5 {
        stream.next().await.expect("a token");
    }
    (stream, 5)
}

/// Reads to the end: how many tokens were delivered in all, when the last came, and what it ended with.
async fn end((mut stream, mut tokens): (Streamed, i64)) -> (i64, Instant, Value) {
    loop {
        let event = stream.next().await.expect("a stream that is cut says so");
        let event: Value = serde_json::from_str(&event).expect("JSON");
        if event.get("error").is_some() {
            assert_eq!(stream.next().await, None, "the error is the last word");
            return (tokens, Instant::now(), event);
        }
        tokens += 1;
    }
}

/// Waits until a request on the key is in flight.
async fn is_sent(manager: &Client, hash: &str) {
    eventually("it is sent", async || (manager.key(hash).await["held"] != json!(0)).then_some(()))
        .await;
}

fn check_last_word(event: &Value, words: &str) {
    assert_eq!(event["error"]["code"], 401, "{event}");
    assert_eq!(event["error"]["metadata"]["error_type"], "authentication");
    let message = event["error"]["message"].as_str().expect("a message");
    assert!(message.contains(words), "{message}");
    assert_eq!(event["choices"][0]["finish_reason"], "error");
}

fn in_seconds(seconds: i64) -> Timestamp {
    SystemClock.now().plus_seconds(seconds)
}

fn usage(key: &Value) -> Nanos {
    Nanos::parse_limit(&key["usage"].to_string()).expect("USD")
}

#[tokio::test]
async fn a_stream_of_a_revoked_key_is_cut_and_charged_for_what_came() {
    let gateway = gateway().await;
    let manager = gateway.manager();
    for how in [Revocation::Disable, Revocation::Delete] {
        let (key, string) = manager.create_key(&json!({"name": "a", "limit": 1})).await;
        let hash = key["hash"].as_str().expect("a hash");
        let client = gateway.client(&string);
        let streams = join_all((0..3).map(|_| begin(&client))).await;
        let called = Instant::now();
        let (ends, answered) = tokio::join!(join_all(streams.into_iter().map(end)), async {
            assert_eq!(revoke(&manager, hash, how).await.status, StatusCode::OK);
            called.elapsed()
        });
        let slowest = ends.iter().map(|(_, at, _)| *at - called).max().expect("three");
        println!(
            "{how:?}: answered after {answered:?}, the last of three streams cut after {slowest:?}"
        );
        assert!(slowest < CUT_WITHIN, "{slowest:?}");
        for (_, _, event) in &ends {
            check_last_word(event, "disabled or deleted");
        }
        if matches!(how, Revocation::Disable) {
            let tokens: i64 = ends.iter().map(|(tokens, _, _)| tokens).sum();
            let key = manager.key(hash).await;
            assert_eq!(usage(&key), Nanos::new(3 * PROMPT_NANOS + tokens * TOKEN_NANOS));
            assert_eq!(key["held"].to_string(), "0");
        }
    }
}

#[tokio::test]
async fn a_stream_is_cut_when_its_key_expires() {
    let gateway = gateway().await;
    let manager = gateway.manager();
    let expires_at = in_seconds(2);
    let body = json!({"name": "a", "limit": 1, "expires_at": expires_at.to_string()});
    let (key, string) = manager.create_key(&body).await;
    let (tokens, _, event) = end(begin(&gateway.client(&string)).await).await;
    let late = in_seconds(0).as_micros() - expires_at.as_micros();
    println!("cut {late} us after the key expired");
    check_last_word(&event, "expired");
    assert!((0..1_000_000).contains(&late), "{late}");
    let key = manager.key(key["hash"].as_str().expect("a hash")).await;
    assert_eq!(usage(&key), Nanos::new(PROMPT_NANOS + tokens * TOKEN_NANOS));
}

#[tokio::test]
async fn an_answer_of_a_revoked_key_is_not_given_and_not_charged() {
    let gateway = gateway().await;
    let manager = gateway.manager();
    for stream in [false, true] {
        let (key, string) = manager.create_key(&json!({"name": "a", "limit": 1})).await;
        let hash = key["hash"].as_str().expect("a hash");
        let client = gateway.client(&string);
        let asking = async {
            if stream {
                let stream = client.chat_stream(MODEL, SLOW).await.expect("a head");
                return stream.into_reply().await.expect("a whole answer");
            }
            client.chat(MODEL, SLOW).await
        };
        let (refused, called) = tokio::join!(asking, async {
            is_sent(&manager, hash).await;
            let called = Instant::now();
            assert_eq!(revoke(&manager, hash, Revocation::Disable).await.status, StatusCode::OK);
            called
        });
        println!("stream {stream}: refused {:?} after the call", called.elapsed());
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        assert!(refused.error().contains("disabled or deleted"), "{}", refused.error());
        assert!(called.elapsed() < CUT_WITHIN);
        let key = manager.key(hash).await;
        assert_eq!((usage(&key), key["held"].to_string()), (Nanos::ZERO, "0".to_owned()));
    }
}

#[tokio::test]
async fn other_changes_cut_nothing() {
    let gateway = gateway().await;
    let manager = gateway.manager();
    let (key, string) = manager.create_key(&json!({"name": "a", "limit": 1})).await;
    let hash = key["hash"].as_str().expect("a hash");
    let path = format!("/api/v1/keys/{hash}");
    let (mut stream, _) = begin(&gateway.client(&string)).await;
    assert_eq!(manager.patch(&path, &json!({"limit": 0})).await.status, StatusCode::OK);
    assert_eq!(manager.patch(&path, &json!({"name": "b"})).await.status, StatusCode::OK);
    let rotated =
        manager.post(&format!("{path}/rotate"), &json!({"grace_period_seconds": 0})).await;
    assert_eq!(rotated.status, StatusCode::CREATED);
    let hash = rotated.json()["data"]["hash"].as_str().expect("a hash").to_owned();
    for _ in 0..50 {
        let event = stream.next().await.expect("it goes on");
        assert!(!event.contains("error"), "{event}");
    }
    assert_eq!(revoke(&manager, &hash, Revocation::Delete).await.status, StatusCode::OK);
    let (_, _, event) = end((stream, 55)).await;
    check_last_word(&event, "disabled or deleted");
}

#[tokio::test]
async fn streams_are_cut_on_every_node() {
    let nodes = nodes(2).await;
    let manager = nodes.gateways[0].manager();
    for how in [Revocation::Disable, Revocation::Delete] {
        let (key, string) = manager.create_key(&json!({"name": "a", "limit": 1})).await;
        let hash = key["hash"].as_str().expect("a hash");
        let clients: Vec<_> = nodes.gateways.iter().map(|node| node.client(&string)).collect();
        let streams = join_all(clients.iter().map(begin)).await;
        let called = Instant::now();
        let (ends, answered) = tokio::join!(join_all(streams.into_iter().map(end)), async {
            assert_eq!(revoke(&manager, hash, how).await.status, StatusCode::OK);
            called.elapsed()
        });
        let cut: Vec<_> = ends.iter().map(|(_, at, _)| *at - called).collect();
        println!("{how:?}: answered after {answered:?}, cut after {cut:?}, one a node");
        assert!(cut.iter().all(|cut| *cut < CUT_WITHIN), "{cut:?}");
        if matches!(how, Revocation::Disable) {
            let tokens: i64 = ends.iter().map(|(tokens, _, _)| tokens).sum();
            let charged = usage(&manager.key(hash).await);
            assert_eq!(charged, Nanos::new(2 * PROMPT_NANOS + tokens * TOKEN_NANOS));
        }
    }
}

/// Two nodes on one database, with a network that can be cut before each.
async fn cluster() -> (Cluster, Postgres) {
    let postgres = Postgres::start(&[]);
    let url = postgres.database("keyway");
    let binary = env!("CARGO_BIN_EXE_keyway");
    let (store_url, clocks) = (Some(url.as_str()), [].as_slice());
    let plan = Plan { binary, nodes: 2, config: "", store_url, proxied: true, clocks };
    (Cluster::start(&plan).await, postgres)
}

#[tokio::test]
async fn a_node_that_was_paused_gives_no_first_byte_to_a_key_that_was_revoked_meanwhile() {
    let (cluster, _postgres) = cluster().await;
    let manager = cluster.manager(0);
    for stream in [true, false] {
        let (key, string) = manager.create_key(&json!({"name": "a", "limit": 1})).await;
        let hash = key["hash"].as_str().expect("a hash").to_owned();
        let client = cluster.client(1, &string);
        let asked = Instant::now();
        let due = Duration::from_secs(2);
        let asking = async {
            let content = format!("#echo first_ms={} tokens=9\nhello", due.as_millis());
            if !stream {
                return client.chat(MODEL, &content).await;
            }
            let stream = client.chat_stream(MODEL, &content).await.expect("a head");
            stream.into_reply().await.expect("a whole answer")
        };
        let (refused, ()) = tokio::join!(asking, async {
            is_sent(&cluster.manager(1), &hash).await;
            // One that is paused while it asks for more keeps the account locked: not meant here.
            tokio::time::sleep(Duration::from_millis(300)).await;
            cluster.pause(1).await;
            let called = Instant::now();
            let revoked = revoke(&manager, &hash, Revocation::Disable).await;
            assert_eq!(revoked.status, StatusCode::OK, "{revoked:?}");
            println!("answered after {:?} beside a node that is paused", called.elapsed());
            // What it was to say is due when it wakes up.
            tokio::time::sleep_until(asked + due).await;
            cluster.resume(1).await;
        });
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{refused:?}");
        assert_eq!(usage(&manager.key(&hash).await), Nanos::ZERO);
    }
}

#[tokio::test]
async fn a_node_that_is_cut_off_gives_no_more_than_was_authorised() {
    let (cluster, _postgres) = cluster().await;
    let manager = cluster.manager(0);
    let (key, string) = manager.create_key(&json!({"name": "a", "limit": 1})).await;
    let hash = key["hash"].as_str().expect("a hash");
    let (mut stream, _) = begin(&cluster.client(1, &string)).await;
    cluster.partition(1, Mode::Cut);
    assert_eq!(revoke(&manager, hash, Revocation::Disable).await.status, StatusCode::OK);
    let mut tokens = 5;
    loop {
        let event = stream.next().await.expect("it is told why it ends");
        let event: Value = serde_json::from_str(&event).expect("JSON");
        if event.get("error").is_some() {
            assert_eq!(event["error"]["code"], 503, "{event}");
            break;
        }
        tokens += 1;
    }
    println!("{tokens} tokens were delivered, of 1,024 bytes that were authorised");
    assert!(tokens * 4 <= 1_024, "{tokens}");
    let charged = eventually("the other node ends it", async || {
        let charged = usage(&manager.key(hash).await);
        (charged > Nanos::ZERO).then_some(charged)
    })
    .await;
    assert!(charged >= Nanos::new(PROMPT_NANOS + tokens * TOKEN_NANOS), "{charged}");
}
