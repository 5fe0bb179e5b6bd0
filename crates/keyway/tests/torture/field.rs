//! What most of the tests stand on: three nodes, their database, and a provider.

use http::StatusCode;
use keyway_core::money::Nanos;
use keyway_testkit::{Cluster, Crowd, Pace, Plan, Postgres, Upstream, eventually};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

use crate::books::{self, Source};

/// One test at a time: two would measure each other.
static ALONE: Mutex<()> = Mutex::const_new(());

/// Waits until no other test runs.
pub(crate) async fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().await
}

/// Everything that a test needs. Taken down when dropped, the nodes first.
pub(crate) struct Field {
    pub(crate) cluster: Cluster,
    pub(crate) upstream: Upstream,
    pub(crate) postgres: Postgres,
    pub(crate) store_url: String,
    pub(crate) nanos_per_token: i64,
    _alone: MutexGuard<'static, ()>,
}

/// By how many seconds clocks are off the machine's.
pub(crate) struct Clocks {
    pub(crate) store: i64,
    pub(crate) nodes: Vec<i64>,
}

/// A key that a test made.
pub(crate) struct Key {
    pub(crate) hash: String,
    pub(crate) string: String,
    pub(crate) limit: Option<Nanos>,
}

impl Field {
    /// Three nodes on one PostgreSQL, each behind a network of its own where `proxied`.
    pub(crate) async fn new(pace: Pace, nanos_per_token: i64, proxied: bool) -> Self {
        Self::with_clocks(pace, nanos_per_token, proxied, || Clocks { store: 0, nodes: vec![0; 3] })
            .await
    }

    /// As many nodes as there are clocks for them. The clocks are asked for when the test has its turn.
    pub(crate) async fn with_clocks(
        pace: Pace,
        nanos_per_token: i64,
        proxied: bool,
        clocks: impl FnOnce() -> Clocks,
    ) -> Self {
        let alone = alone().await;
        let clocks = clocks();
        let postgres = tokio::task::block_in_place(|| Postgres::start_off(&[], clocks.store));
        let store_url = tokio::task::block_in_place(|| postgres.database("torture"));
        Self::on(alone, postgres, &store_url, pace, nanos_per_token, proxied, &clocks.nodes).await
    }

    /// Three nodes on a PostgreSQL that a standby follows. They know both.
    pub(crate) async fn with_standby(pace: Pace, nanos_per_token: i64) -> (Self, Postgres) {
        let alone = alone().await;
        let postgres = tokio::task::block_in_place(|| Postgres::start(&[]));
        let store_url = tokio::task::block_in_place(|| postgres.database("torture"));
        let standby = tokio::task::block_in_place(|| postgres.standby());
        let second = standby.url("torture");
        let (_, second) = second.split_once('@').expect("a user");
        let both = store_url.replace("/torture", &format!(",{second}"));
        let field = Self::on(alone, postgres, &both, pace, nanos_per_token, false, &[0; 3]).await;
        (Self { store_url, ..field }, standby)
    }

    async fn on(
        alone: MutexGuard<'static, ()>,
        postgres: Postgres,
        url: &str,
        pace: Pace,
        nanos_per_token: i64,
        proxied: bool,
        clocks: &[i64],
    ) -> Self {
        let upstream = Upstream::start(pace);
        let plan = Plan {
            binary: env!("CARGO_BIN_EXE_keyway"),
            nodes: clocks.len(),
            config: &upstream.config(nanos_per_token),
            store_url: Some(url),
            proxied,
            clocks,
        };
        let cluster = Cluster::start(&plan).await;
        let store_url = url.to_owned();
        Self { cluster, upstream, postgres, store_url, nanos_per_token, _alone: alone }
    }

    pub(crate) async fn key(&self, limit: Option<Nanos>) -> Key {
        key(&self.cluster, limit).await
    }

    /// A key with further `terms`, as the API names them.
    pub(crate) async fn key_with(&self, limit: Option<Nanos>, terms: Value) -> Key {
        key_with(&self.cluster, limit, terms).await
    }

    /// Clients of all nodes that present `key`.
    pub(crate) fn crowd(&self, key: &Key) -> Crowd {
        Crowd::new(&self.cluster.urls(), &key.string)
    }

    /// The books of `key`, once nothing is in motion any more.
    pub(crate) async fn books(&self, key: &Key) -> keyway_testkit::Books {
        books::when_quiet(&Source::Postgres(self.store_url.clone()), &key.hash, key.limit).await
    }

    /// What each node says that `key` has spent.
    pub(crate) async fn usages(&self, key: &Key) -> Vec<Nanos> {
        let mut usages = Vec::new();
        for node in 0..self.cluster.count() {
            usages.push(usage(&self.cluster, node, &key.hash).await);
        }
        usages
    }
}

/// A field of a single node with a database of its own kind: SQLite.
pub(crate) struct Lonely {
    pub(crate) cluster: Cluster,
    pub(crate) upstream: Upstream,
    pub(crate) nanos_per_token: i64,
    _alone: MutexGuard<'static, ()>,
}

impl Lonely {
    pub(crate) async fn new(pace: Pace, nanos_per_token: i64) -> Self {
        let alone = alone().await;
        let upstream = Upstream::start(pace);
        let plan = Plan {
            binary: env!("CARGO_BIN_EXE_keyway"),
            nodes: 1,
            config: &upstream.config(nanos_per_token),
            store_url: None,
            proxied: false,
            clocks: &[],
        };
        let cluster = Cluster::start(&plan).await;
        Self { cluster, upstream, nanos_per_token, _alone: alone }
    }
}

pub(crate) async fn key(cluster: &Cluster, limit: Option<Nanos>) -> Key {
    key_with(cluster, limit, json!({})).await
}

async fn key_with(cluster: &Cluster, limit: Option<Nanos>, mut body: Value) -> Key {
    let usd = limit.map(|limit| -> Value {
        serde_json::from_str(&limit.to_string()).expect("an amount is a number")
    });
    body["name"] = json!("torture");
    body["limit"] = json!(usd);
    // A machine that is too slow for its load may say so.
    let made = eventually("a key is made", || async {
        let reply = cluster.manager(0).post("/api/v1/keys", &body).await;
        (reply.status == StatusCode::CREATED).then(|| reply.json())
    });
    let made = made.await;
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    Key { hash: text(&made["data"]["hash"]), string: text(&made["key"]), limit }
}

pub(crate) async fn usage(cluster: &Cluster, node: usize, hash: &str) -> Nanos {
    let usage = cluster.manager(node).key(hash).await["usage"].to_string();
    Nanos::parse_limit(&usage).expect("an amount")
}
