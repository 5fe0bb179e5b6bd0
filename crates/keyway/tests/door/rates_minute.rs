//! A rate limit over more than a minute, on nodes of which one is killed.

use std::time::Duration;

use http::StatusCode;
use keyway_testkit::Client;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};

use crate::nodes::nodes;

const MODEL: &str = "keyway/echo";
const FIGURE: usize = 12;
const MINUTE: Duration = Duration::from_mins(1);
/// Long enough for what was admitted first to come round again, on the nodes that are left.
const LASTS: Duration = Duration::from_secs(80);
const KILLED_AFTER: Duration = Duration::from_secs(5);
const ASKS_EVERY: Duration = Duration::from_millis(250);

/// When a request that was answered was sent, and when the answer was there.
type Answered = (Instant, Instant);

async fn ask(client: Client, until: Instant) -> Vec<Answered> {
    let mut ticks = interval(ASKS_EVERY);
    let mut answered = Vec::new();
    while Instant::now() < until {
        ticks.tick().await;
        let sent = Instant::now();
        if client.chat(MODEL, "hello").await.status == StatusCode::OK {
            answered.push((sent, Instant::now()));
        }
    }
    answered
}

/// The most that were certainly admitted within a minute: sent and answered in it.
fn most_in_a_minute(answered: &[Answered]) -> usize {
    let within = |from: Instant| {
        let inside = |(sent, done): &&Answered| *sent >= from && *done <= from + MINUTE;
        answered.iter().filter(inside).count()
    };
    answered.iter().map(|(sent, _)| within(*sent)).max().unwrap_or_default()
}

#[tokio::test]
async fn no_minute_has_more_than_the_limit_though_a_node_is_killed() {
    let mut nodes = nodes(3).await;
    let manager = nodes.gateways[0].manager();
    let (key, secret) = manager.create_key(&json!({"name": "paced"})).await;
    let path = format!("/api/v1/keys/{}", key["hash"].as_str().expect("a hash"));
    // In force on every node when it is answered: so every node has heard of the others.
    let change = json!({"requests_per_minute": FIGURE});
    assert_eq!(manager.patch(&path, &change).await.status, StatusCode::OK);

    let began = Instant::now();
    let mut asking = JoinSet::new();
    for node in &nodes.gateways[..2] {
        asking.spawn(ask(node.client(&secret), began + LASTS));
    }
    let killed = nodes.gateways.pop().expect("the third");
    let mut answered = ask(killed.client(&secret), began + KILLED_AFTER).await;
    killed.kill().await;
    for of_node in asking.join_all().await {
        answered.extend(of_node);
    }
    let most = most_in_a_minute(&answered);
    println!("{} answered in {LASTS:?}, {most} in the fullest minute", answered.len());
    assert_eq!(most, FIGURE, "all of the limit is used, and no more");
    assert!(answered.len() > FIGURE, "what is a minute old counts no more");
}
