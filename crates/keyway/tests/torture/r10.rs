//! R10: revocation is a barrier: once the call is answered no node lets the key in any more.
//!
//! `KEYWAY_TORTURE_REVOCATIONS` is how many, `KEYWAY_TORTURE_THINKING` how many milliseconds a client
//! waits between two requests: 0 asks for more than a small machine can do.

use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use http::StatusCode;
use keyway_core::money::Nanos;
use keyway_testkit::{Ask, Attempt, Client, Pace, Random, Reply, eventually};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::field::{Field, Key};
use crate::setting;

const NANOS_PER_TOKEN: i64 = 10_007;
/// Keys that are in use, and revoked, at a time.
const AT_ONCE: usize = 3;
const CLIENTS_OF_A_KEY: usize = 6;
/// How long a key is tried after it was revoked.
const AFTERWARDS: Duration = Duration::from_millis(400);
const MEDIAN_MAX: Duration = Duration::from_millis(300);
const SLOWEST_MAX: Duration = Duration::from_millis(1_100);
/// Scheduling on a busy machine.
const SLACK: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Revocation {
    Disable,
    Delete,
    LowerTheLimit,
    Rotate,
}

const ALL: [Revocation; 4] =
    [Revocation::Disable, Revocation::Delete, Revocation::LowerTheLimit, Revocation::Rotate];

/// How long a call took, and who was let in after it was answered.
struct Revoked {
    what: Revocation,
    answered: Instant,
    took: Duration,
    let_in: Vec<Attempt>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r10_whoever_is_revoked_is_let_in_nowhere() {
    let count = setting("KEYWAY_TORTURE_REVOCATIONS", 100);
    let first_most = Duration::from_millis(10);
    let field = Field::new(Pace { first_most, ..Pace::default() }, NANOS_PER_TOKEN, false).await;
    let rounds = stream::iter(0..count).map(|number| round(&field, number));
    let revoked: Vec<Revoked> = rounds.buffer_unordered(AT_ONCE).collect().await;
    let mut took: Vec<Duration> = revoked.iter().map(|revoked| revoked.took).collect();
    took.sort();
    let quantile = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)];
    let let_in: Vec<_> = revoked.iter().filter(|revoked| !revoked.let_in.is_empty()).collect();
    println!(
        "R10: {count} revocations, p50 {:?}, p99 {:?}, slowest {:?}; {} let somebody in afterwards",
        quantile(50),
        quantile(99),
        quantile(100),
        let_in.len()
    );
    for revoked in &let_in {
        let first = &revoked.let_in[0];
        let late = first.began - revoked.answered;
        println!("  {:?} took {:?}; {late:?} later {first:?}", revoked.what, revoked.took);
    }
    assert!(let_in.is_empty());
    assert!(quantile(50) <= MEDIAN_MAX && quantile(99) <= SLOWEST_MAX + SLACK);
}

async fn round(field: &Field, number: u64) -> Revoked {
    let mut random = Random::new(10).fork(number);
    let what = ALL[random.index(ALL.len())];
    let key = field.key(Some(Nanos::new(1_000_000_000_000))).await;
    let crowd = field
        .crowd(&key)
        .numbered_from(number << 32)
        .requests(u64::MAX, CLIENTS_OF_A_KEY)
        .thinking(Duration::from_millis(setting("KEYWAY_TORTURE_THINKING", 30)))
        .asking(number, |_, _| Ask::plain(1));
    let manager = field.cluster.manager(random.index(field.cluster.count()));
    let revoking = async {
        in_use_on_every_node(field, &key).await;
        let called = Instant::now();
        revoke(&manager, &key, what).await;
        let answered = Instant::now();
        sleep(AFTERWARDS).await;
        crowd.stop();
        (answered - called, answered)
    };
    let (told, (took, answered)) = tokio::join!(crowd.run(), revoking);
    let let_in = told
        .attempts
        .into_iter()
        .filter(|attempt| attempt.began > answered && attempt.outcome.is_admitted())
        .collect();
    Revoked { what, answered, took, let_in }
}

/// Waits until each node has the key in its memory.
async fn in_use_on_every_node(field: &Field, key: &Key) {
    for node in 0..field.cluster.count() {
        let client = field.cluster.client(node, &key.string);
        eventually("the key is in use", || async {
            let reply = client.chat("keyway/echo", "hello").await;
            (reply.status == 200).then_some(())
        })
        .await;
    }
}

/// Asks until it is done: on a machine that is too slow for its load a call may be refused, and one that
/// was refused may have been done.
async fn revoke(manager: &Client, key: &Key, what: Revocation) {
    eventually("the revocation is answered", || async {
        let reply = ask_to_revoke(manager, key, what).await;
        let done = reply.status.is_success() || reply.status == StatusCode::NOT_FOUND;
        assert!(done || reply.status == StatusCode::SERVICE_UNAVAILABLE, "{what:?}: {reply:?}");
        done.then_some(())
    })
    .await;
}

async fn ask_to_revoke(manager: &Client, key: &Key, what: Revocation) -> Reply {
    let path = format!("/api/v1/keys/{}", key.hash);
    match what {
        Revocation::Disable => manager.patch(&path, &json!({"disabled": true})).await,
        Revocation::Delete => manager.delete(&path).await,
        Revocation::LowerTheLimit => manager.patch(&path, &json!({"limit": 0})).await,
        Revocation::Rotate => {
            let body = json!({"grace_period_seconds": 0});
            manager.post(&format!("{path}/rotate"), &body).await
        }
    }
}
