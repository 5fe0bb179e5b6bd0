//! What R10 and R11 do to keys, and how they judge it.

use std::cell::RefCell;
use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use http::StatusCode;
use keyway_testkit::{Attempt, Client, Reply, Told, eventually};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::field::{Field, Key};

/// Scheduling on a busy machine.
const SLACK: Duration = Duration::from_millis(100);
/// However slow the machine is.
const TOOK_MAX: Duration = Duration::from_secs(5);
const BETWEEN_CHANGES: Duration = Duration::from_millis(200);

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

/// How a call went.
#[derive(Clone, Copy)]
pub(crate) struct Call {
    pub(crate) took: Duration,
    pub(crate) answered: Instant,
    /// The longest that a change took meanwhile which waits for no node: what the machine, the database
    /// and the locks in it cost whatever is promised.
    pub(crate) round_trip: Duration,
}

impl Call {
    /// How long the call waited for other nodes: what is promised has a bound on this. Two round trips are
    /// its own: the change is written, and read back.
    fn waited(&self) -> Duration {
        self.took.saturating_sub(2 * self.round_trip)
    }
}

/// A call, and who was let in after it was answered.
pub(crate) struct Revoked {
    what: Revocation,
    answered: Instant,
    call: Option<Call>,
    /// How many were let in before.
    before: usize,
    let_in: Vec<Attempt>,
    /// What was wrong with a node meanwhile.
    during: String,
}

impl Revoked {
    pub(crate) fn called(what: Revocation, call: Call, told: Told) -> Self {
        Self::new(what, Some(call), call.answered, told)
    }

    /// Nobody called: the key's time was over at `expired`.
    pub(crate) fn expired(expired: Instant, told: Told) -> Self {
        Self::new(Revocation::Expire, None, expired, told)
    }

    fn new(what: Revocation, call: Option<Call>, answered: Instant, told: Told) -> Self {
        let admitted = told.attempts.into_iter().filter(|attempt| attempt.outcome.is_admitted());
        let (let_in, before): (Vec<_>, Vec<_>) =
            admitted.partition(|attempt| attempt.began > answered);
        Self { what, answered, call, before: before.len(), let_in, during: String::new() }
    }

    pub(crate) fn during(mut self, what: String) -> Self {
        self.during = what;
        self
    }
}

/// Prints the figures of all of them, and fails where somebody was let in or a call waited too long for
/// other nodes.
pub(crate) fn judge(name: &str, revoked: &[Revoked], median_max: Duration, slow_max: Duration) {
    let calls: Vec<Call> = revoked.iter().filter_map(|revoked| revoked.call).collect();
    let let_in: Vec<_> = revoked.iter().filter(|revoked| !revoked.let_in.is_empty()).collect();
    let waited = Spread::of(calls.iter().map(Call::waited));
    let took = Spread::of(calls.iter().map(|call| call.took));
    println!(
        "{name}: {} revocations ({} expired by themselves): {took}; other changes meanwhile: {}; waited \
         for nodes: {waited}; {} requests let in before, {} keys let somebody in afterwards",
        revoked.len(),
        revoked.len() - calls.len(),
        Spread::of(calls.iter().map(|call| call.round_trip)),
        revoked.iter().map(|revoked| revoked.before).sum::<usize>(),
        let_in.len()
    );
    for revoked in revoked {
        if let Some(call) = revoked.call.filter(|call| call.waited() > slow_max) {
            let Call { took, round_trip, .. } = call;
            let Revoked { what, during, .. } = revoked;
            println!("  slow: {what:?} took {took:?}, others {round_trip:?}, {during}");
        }
    }
    for revoked in &let_in {
        let first = &revoked.let_in[0];
        let late = first.began - revoked.answered;
        println!("  {:?}: {late:?} after its answer {first:?}", revoked.what);
    }
    assert!(let_in.is_empty());
    assert!(revoked.iter().any(|revoked| revoked.before > 0), "they were in use");
    // The median is as it is; what is slower may be what the machine was busy with.
    assert!(took.median <= median_max && waited.slow <= slow_max + SLACK);
    assert!(took.slowest <= TOOK_MAX);
}

struct Spread {
    median: Duration,
    /// All but one in a hundred take no longer.
    slow: Duration,
    slowest: Duration,
}

impl Spread {
    fn of(durations: impl Iterator<Item = Duration>) -> Self {
        let mut sorted: Vec<Duration> = durations.collect();
        sorted.sort();
        let quantile =
            |percent: usize| sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)];
        Self { median: quantile(50), slow: quantile(99), slowest: quantile(100) }
    }
}

impl Display for Spread {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { median, slow, slowest } = self;
        write!(f, "p50 {median:.3?}, p99 {slow:.3?}, slowest {slowest:.3?}")
    }
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

/// Asks until it is done, and answers how that went: on a machine that is too slow for its load a call
/// may be refused, and one that was refused may have been done.
pub(crate) async fn revoke(manager: &Client, key: &Key, what: Revocation) -> Call {
    let called = Instant::now();
    let waited_for = format!("{what:?} is answered");
    let changes = RefCell::new(Changes::default());
    let revoking = eventually(&waited_for, || async {
        let reply = ask_to_revoke(manager, key, what).await;
        let done = reply.status.is_success() || reply.status == StatusCode::NOT_FOUND;
        assert!(done || reply.status == StatusCode::SERVICE_UNAVAILABLE, "{what:?}: {reply:?}");
        done.then_some(())
    });
    tokio::select! {
        () = revoking => {}
        () = change_otherwise(manager, &changes) => {}
    }
    let answered = Instant::now();
    Call { took: answered - called, answered, round_trip: changes.borrow().slowest() }
}

/// Changes that wait for no node.
#[derive(Default)]
struct Changes {
    slowest: Duration,
    under_way: Option<Instant>,
}

impl Changes {
    /// The longest that one took, or has taken until now.
    fn slowest(&self) -> Duration {
        self.under_way.map(|since| since.elapsed()).unwrap_or_default().max(self.slowest)
    }
}

/// Makes keys, which takes its turn with all changes to keys and waits for no node, one after the other
/// without an end.
async fn change_otherwise(manager: &Client, changes: &RefCell<Changes>) {
    loop {
        changes.borrow_mut().under_way = Some(Instant::now());
        manager.post("/api/v1/keys", &json!({"name": "made meanwhile"})).await;
        let slowest = changes.borrow().slowest();
        *changes.borrow_mut() = Changes { slowest, under_way: None };
        sleep(BETWEEN_CHANGES).await;
    }
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
