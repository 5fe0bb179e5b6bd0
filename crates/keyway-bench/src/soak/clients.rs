//! Clients of every kind, with keys that come and go.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keyway_testkit::{Client, Random};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::exchange::{Asking, Told};
use crate::subject::{Keyway, asking};
use crate::tally::Tally;
use crate::wire::Wire;

/// At a time, each with one connection.
pub(super) const CLIENTS: u64 = 24;
/// Keys at a time; the oldest goes when another is made.
const KEYS: usize = 16;
const KEY_EVERY: Duration = Duration::from_millis(250);
/// One in so many connections is closed after an answer, one in so many streams is left.
const CLOSED_ONCE_IN: u64 = 20;
const LEFT_ONCE_IN: u64 = 8;
/// Between two requests of a client, in milliseconds.
const THINKING_MAX: u64 = 20;

pub(super) struct Clients {
    stop: CancellationToken,
    requests: JoinSet<Tally>,
    churn: JoinSet<u64>,
}

/// What became of all of them.
pub(super) struct Outcome {
    pub(super) tally: Tally,
    pub(super) keys: u64,
}

/// The keys that are valid, or were a moment ago: the hash and the two requests of each.
type Keys = Arc<Mutex<Vec<(String, [Arc<Asking>; 2])>>>;

impl Clients {
    pub(super) async fn start(keyway: &Keyway, seed: u64) -> Self {
        let (stop, keys) = (CancellationToken::new(), Keys::default());
        let mut maker = Maker {
            manager: keyway.manager(),
            authority: keyway.authority(),
            keys: Arc::clone(&keys),
            made: 0,
        };
        for _ in 0..KEYS {
            maker.make().await;
        }
        let mut churn = JoinSet::new();
        churn.spawn(maker.churn(stop.clone()));
        let mut requests = JoinSet::new();
        for number in 0..CLIENTS {
            let random = Random::new(seed).fork(number);
            requests.spawn(ask(Arc::clone(&keys), random, stop.clone()));
        }
        Self { stop, requests, churn }
    }

    pub(super) async fn stop(mut self) -> Outcome {
        self.stop.cancel();
        let mut tally = Tally::new();
        while let Some(told) = self.requests.join_next().await {
            tally.join(&told.expect("no client panics"));
        }
        let keys =
            self.churn.join_next().await.expect("one makes keys").expect("it does not panic");
        Outcome { tally, keys }
    }
}

/// Makes keys and deletes them.
struct Maker {
    manager: Client,
    /// `HOST:PORT`
    authority: String,
    keys: Keys,
    made: u64,
}

impl Maker {
    async fn make(&mut self) {
        let terms = json!({"name": format!("soak {}", self.made), "limit": 1_000});
        let (object, key) = self.manager.create_key(&terms).await;
        let hash = object["hash"].as_str().expect("a hash").to_owned();
        let asking =
            [false, true].map(|streamed| Arc::new(asking(&self.authority, &key, streamed)));
        lock(&self.keys).push((hash, asking));
        self.made += 1;
    }

    async fn churn(mut self, stop: CancellationToken) -> u64 {
        let mut ticks = tokio::time::interval(KEY_EVERY);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            self.make().await;
            let (hash, _) = lock(&self.keys).remove(0);
            self.manager.delete(&format!("/api/v1/keys/{hash}")).await;
        }
        self.made
    }
}

fn lock(keys: &Keys) -> std::sync::MutexGuard<'_, Vec<(String, [Arc<Asking>; 2])>> {
    keys.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One client: whole answers and streams with any key, over connections that it closes now and then.
async fn ask(keys: Keys, mut random: Random, stop: CancellationToken) -> Tally {
    let mut tally = Tally::new();
    let mut wire = None;
    while !stop.is_cancelled() {
        let asking = {
            let keys = lock(&keys);
            let (_, [plain, stream]) = &keys[random.index(keys.len())];
            Arc::clone(if random.once_in(2) { stream } else { plain })
        };
        let leaves = asking.streamed && random.once_in(LEFT_ONCE_IN);
        let told = one(&asking, &mut wire, leaves).await;
        tally.add(told.as_ref());
        if random.once_in(CLOSED_ONCE_IN) {
            wire = None;
        }
        tokio::time::sleep(Duration::from_millis(random.below(THINKING_MAX))).await;
    }
    tally
}

/// `None` where the connection broke, or was left in the middle.
async fn one(asking: &Asking, wire: &mut Option<Wire>, leaves: bool) -> Option<Told> {
    let mut open = match wire.take() {
        Some(open) => open,
        None => Wire::connect(&asking.authority).await.ok()?,
    };
    if leaves {
        open.send(&asking.request).await.ok()?;
        let mut body = open.head().await.ok()??.body;
        open.piece(&mut body).await.ok()?;
        return None;
    }
    let told = asking.ask(&mut open, Instant::now()).await.ok()?;
    // After a stream that was cut short nothing more can be told apart.
    if told.status != 0 {
        *wire = Some(open);
    }
    Some(told)
}
