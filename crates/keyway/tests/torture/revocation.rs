//! What R10 and R11 do to keys, and how they judge it.

use std::time::Duration;

use http::StatusCode;
use keyway_testkit::{Attempt, Client, Reply, Told, eventually};
use serde_json::json;
use tokio::time::Instant;

use crate::field::{Field, Key};

/// Scheduling on a busy machine.
const SLACK: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Revocation {
    Disable,
    Delete,
    LowerTheLimit,
    Rotate,
    /// Nobody calls: the key's time is over.
    Expire,
}

pub(crate) const CALLED: [Revocation; 4] =
    [Revocation::Disable, Revocation::Delete, Revocation::LowerTheLimit, Revocation::Rotate];

/// How long a call took, and who was let in after it was answered.
pub(crate) struct Revoked {
    what: Revocation,
    answered: Instant,
    took: Option<Duration>,
    /// How many were let in before.
    before: usize,
    let_in: Vec<Attempt>,
    /// What was wrong with a node meanwhile.
    during: String,
}

impl Revoked {
    /// `took` is `None` where there was no call.
    pub(crate) fn new(
        what: Revocation,
        took: Option<Duration>,
        answered: Instant,
        told: Told,
    ) -> Self {
        let admitted = told.attempts.into_iter().filter(|attempt| attempt.outcome.is_admitted());
        let (let_in, before): (Vec<_>, Vec<_>) =
            admitted.partition(|attempt| attempt.began > answered);
        Self { what, answered, took, before: before.len(), let_in, during: String::new() }
    }

    pub(crate) fn during(mut self, what: String) -> Self {
        self.during = what;
        self
    }
}

/// Prints the figures of all of them, and fails where somebody was let in or a call took too long.
pub(crate) fn judge(name: &str, revoked: &[Revoked], median_max: Duration, slow_max: Duration) {
    let mut took: Vec<Duration> = revoked.iter().filter_map(|revoked| revoked.took).collect();
    took.sort();
    let quantile = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)];
    let let_in: Vec<_> = revoked.iter().filter(|revoked| !revoked.let_in.is_empty()).collect();
    println!(
        "{name}: {} revocations ({} expired by themselves), p50 {:?}, p99 {:?}, slowest {:?}; {} \
         requests let in before, {} keys let somebody in afterwards",
        revoked.len(),
        revoked.len() - took.len(),
        quantile(50),
        quantile(99),
        quantile(100),
        revoked.iter().map(|revoked| revoked.before).sum::<usize>(),
        let_in.len()
    );
    for revoked in revoked.iter().filter(|revoked| revoked.took > Some(slow_max)) {
        println!("  slow: {:?} took {:?}, {}", revoked.what, revoked.took, revoked.during);
    }
    for revoked in &let_in {
        let first = &revoked.let_in[0];
        let late = first.began - revoked.answered;
        println!("  {:?} took {:?}; {late:?} later {first:?}", revoked.what, revoked.took);
    }
    assert!(let_in.is_empty());
    assert!(revoked.iter().any(|revoked| revoked.before > 0), "they were in use");
    assert!(quantile(50) <= median_max && quantile(99) <= slow_max + SLACK);
}

/// Waits until each node has the key in its memory.
pub(crate) async fn in_use_on_every_node(field: &Field, key: &Key) {
    for node in 0..field.cluster.count() {
        let client = field.cluster.client(node, &key.string);
        eventually("the key is in use", || async {
            let reply = client.chat("keyway/echo", "hello").await;
            (reply.status == 200).then_some(())
        })
        .await;
    }
}

/// Asks until it is done, and answers how long that took and when it was: on a machine that is too slow
/// for its load a call may be refused, and one that was refused may have been done.
pub(crate) async fn revoke(manager: &Client, key: &Key, what: Revocation) -> (Duration, Instant) {
    let called = Instant::now();
    let waited_for = format!("{what:?} is answered");
    eventually(&waited_for, || async {
        let reply = ask_to_revoke(manager, key, what).await;
        let done = reply.status.is_success() || reply.status == StatusCode::NOT_FOUND;
        assert!(done || reply.status == StatusCode::SERVICE_UNAVAILABLE, "{what:?}: {reply:?}");
        done.then_some(())
    })
    .await;
    let answered = Instant::now();
    (answered - called, answered)
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
        Revocation::Expire => unreachable!("nobody asks for it"),
    }
}
