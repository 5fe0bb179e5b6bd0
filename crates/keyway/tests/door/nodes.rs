//! Several nodes on one PostgreSQL.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use keyway_core::money::Nanos;
use keyway_testkit::{Gateway, Postgres};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::setup;

const REQUESTS: usize = 300;

pub(crate) struct Nodes {
    pub(crate) gateways: Vec<Gateway>,
    /// Removed at the end; the nodes read it when they start.
    _secret: tempfile::TempDir,
    _server: Postgres,
}

pub(crate) async fn nodes(count: usize) -> Nodes {
    let server = Postgres::start(&[]);
    let url = server.database("keyway");
    let secret = tempfile::tempdir().expect("a directory");
    let file = secret.path().join("secret.key");
    std::fs::write(&file, "ab".repeat(32)).expect("a secret");
    let mut gateways = Vec::new();
    for number in 0..count {
        let setup = setup()
            .variable("KEYWAY_STORE_URL", &url)
            .variable("KEYWAY_NODE_NAME", &format!("node-{number}"))
            .variable("KEYWAY_SECRET_FILE", file.to_str().expect("UTF-8"));
        gateways.push(setup.start().await);
    }
    Nodes { gateways, _secret: secret, _server: server }
}

fn parse(usd: &Value) -> Nanos {
    Nanos::parse_limit(&usd.to_string()).expect("USD")
}

const MODEL: &str = "keyway/echo";

#[tokio::test]
async fn a_limit_is_one_limit_on_three_nodes() {
    let nodes = nodes(3).await;
    let manager = nodes.gateways[0].manager();
    let (_, probe) = manager.create_key(&json!({"name": "probe"})).await;
    let answer = nodes.gateways[1].client(&probe).chat(MODEL, "hello").await.json();
    let cost: Nanos = parse(&answer["usage"]["cost"]);
    // A budget for a hundred of them, and not quite another.
    let limit = Nanos::new(cost.get() * 100 + cost.get() / 2);
    let limit: Value = serde_json::from_str(&limit.to_string()).expect("a number");
    let (key, secret) = manager.create_key(&json!({"name": "shared", "limit": limit})).await;
    let hash = key["hash"].as_str().expect("a hash").to_owned();

    let room = Arc::new(Semaphore::new(96));
    let mut asking = JoinSet::new();
    for number in 0..REQUESTS {
        let client = nodes.gateways[number % 3].client(&secret);
        let room = Arc::clone(&room);
        asking.spawn(async move {
            let _permit = room.acquire_owned().await.expect("it is never closed");
            client.chat(MODEL, "hello").await.status
        });
    }
    let statuses = asking.join_all().await;
    let answered = statuses.iter().filter(|status| **status == 200).count();
    let refused = statuses.iter().filter(|status| [402, 403].contains(&status.as_u16())).count();
    println!("{answered} answered, {refused} refused");
    assert_eq!((answered, refused), (100, REQUESTS - 100), "{statuses:?}");
    for node in &nodes.gateways {
        let shown = node.manager().key(&hash).await;
        assert_eq!(parse(&shown["usage"]), Nanos::new(cost.get() * 100));
    }
}

/// Sends to all nodes in turn, and counts what each answered.
async fn answered(nodes: &Nodes, secret: &str, requests: usize) -> [usize; 3] {
    let mut asking = JoinSet::new();
    for number in 0..requests {
        let client = nodes.gateways[number % 3].client(secret);
        asking.spawn(async move { (number % 3, client.chat(MODEL, "hello").await.status) });
    }
    let mut answered = [0; 3];
    for (node, status) in asking.join_all().await {
        assert!([200, 429].contains(&status.as_u16()), "{status}");
        answered[node] += usize::from(status == 200);
    }
    answered
}

#[tokio::test]
async fn a_rate_limit_is_one_limit_on_three_nodes() {
    let nodes = nodes(3).await;
    let manager = nodes.gateways[0].manager();
    for figure in [20, 3, 2, 1] {
        let (key, secret) = manager.create_key(&json!({"name": format!("{figure}")})).await;
        let path = format!("/api/v1/keys/{}", key["hash"].as_str().expect("a hash"));
        // In force on every node when it is answered: so every node has heard of the others.
        let change = json!({"requests_per_minute": figure});
        assert_eq!(manager.patch(&path, &change).await.status, 200);
        let answered = answered(&nodes, &secret, 60).await;
        println!("{figure} requests per minute: the nodes answered {answered:?}");
        assert_eq!(answered.iter().sum::<usize>(), figure, "{answered:?}");
        let (least, most) = (answered.iter().min(), answered.iter().max());
        assert!(most.zip(least).is_some_and(|(most, least)| most - least <= 1), "{answered:?}");
        let change = json!({"requests_per_minute": figure + 3});
        assert_eq!(manager.patch(&path, &change).await.status, 200);
        assert_eq!(self::answered(&nodes, &secret, 60).await, [1; 3], "one more for each");
    }
}

#[tokio::test]
async fn a_key_that_is_disabled_on_one_node_is_refused_by_all() {
    let nodes = nodes(2).await;
    let manager = nodes.gateways[0].manager();
    let mut took = Vec::new();
    for round in 0..10 {
        let (key, secret) = manager.create_key(&json!({"name": format!("key {round}")})).await;
        let hash = key["hash"].as_str().expect("a hash");
        let other = nodes.gateways[1].client(&secret);
        assert_eq!(other.chat(MODEL, "hello").await.status, 200);
        let begin = Instant::now();
        let path = format!("/api/v1/keys/{hash}");
        let disabled = manager.patch(&path, &json!({"disabled": true})).await;
        assert_eq!(disabled.status, 200);
        took.push(begin.elapsed());
        assert_eq!(other.chat(MODEL, "hello").await.status, 401);
    }
    took.sort();
    println!("changes were in force everywhere after {took:?}");
    assert!(took[took.len() / 2] < Duration::from_secs(1), "{took:?}");
}

/// The address comes from the configuration, and its password from elsewhere.
#[tokio::test]
async fn the_store_is_named_by_the_configuration() {
    let server = Postgres::start(&[]);
    let [url, other] = ["configured", "named"].map(|database| server.database(database));
    let secret = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(secret.path(), "ab".repeat(32)).expect("a secret");
    let secret = secret.path().to_str().expect("UTF-8");
    let configured = || {
        setup()
            .config("[store]\nurl = \"env:DATABASE_URL\"\n")
            .variable("DATABASE_URL", &url)
            .variable("KEYWAY_SECRET_FILE", secret)
    };
    let gateway = configured().start().await;
    let (_, key) = gateway.manager().create_key(&json!({"name": "kept"})).await;
    gateway.terminate().await;

    let named = configured().variable("KEYWAY_STORE_URL", &other).start().await;
    let unknown = named.client(&key).get("/api/v1/key").await;
    assert_eq!(unknown.status, StatusCode::UNAUTHORIZED, "the environment goes before the file");
    named.terminate().await;
    let gateway = configured().start().await;
    assert_eq!(gateway.client(&key).get("/api/v1/key").await.status, StatusCode::OK);

    // Beside the gateway, for who has lost all management keys.
    let made = std::process::Command::new(env!("CARGO_BIN_EXE_keyway"))
        .args(["management-keys", "create", "--name", "rescue", "--offline", "--quiet"])
        .env("KEYWAY_STORE_URL", &url)
        .env("KEYWAY_SECRET_FILE", secret)
        .output()
        .expect("it runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let rescue = String::from_utf8(made.stdout).expect("text");
    let rescued = gateway.client(rescue.trim()).get("/api/v1/keys").await;
    assert_eq!(rescued.status, StatusCode::OK);
    gateway.terminate().await;
}
