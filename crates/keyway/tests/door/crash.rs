//! `kill -9` at random moments: nothing answered goes uncharged, and no limit is passed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use keyway_core::money::Nanos;
use keyway_testkit::{Client, Gateway};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::setup;

const KILLS: usize = 50;
const CLIENTS: usize = 8;
const LIMIT: Nanos = Nanos::new(200_000_000);

/// What the clients were told, by the id of the generation.
type Ledger = Arc<Mutex<Told>>;

#[derive(Debug, Default)]
struct Told {
    /// The cost that the usage event said.
    complete: BTreeMap<String, Nanos>,
    /// At least a byte of the answer arrived, and not its end: so many tokens were delivered.
    partial: BTreeMap<String, i64>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_kills_lose_no_charge() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut gateway = setup().start_in(&directory.path().join("data")).await;
    let body = json!({"name": "a", "limit": 0.2});
    let (key, string) = gateway.manager().create_key(&body).await;
    let hash = key["hash"].as_str().expect("a hash").to_owned();
    let told = Ledger::default();
    let mut random = Random(0x5eed);
    for _ in 0..KILLS {
        let client = gateway.client(&string);
        let clients = (0..CLIENTS).map(|number| run(client.clone(), Arc::clone(&told), number));
        let clients = futures_util::future::join_all(clients);
        let moment = Duration::from_micros(5_000 + random.below(120_000));
        let (_, stopped) = tokio::join!(clients, kill_after(gateway, moment));
        gateway = stopped.start().await;
    }
    let usage = gateway.manager().key(&hash).await["usage"].to_string();
    let usage = Nanos::parse_limit(&usage).expect("an amount");
    let stopped = gateway.terminate().await;
    check(&told.lock().unwrap_or_else(PoisonError::into_inner), usage, stopped.data_dir());
}

async fn kill_after(gateway: Gateway, moment: Duration) -> keyway_testkit::Stopped {
    // The moment of the kill is the test's input, not a wait for something.
    tokio::time::timeout(moment, std::future::pending::<()>()).await.expect_err("it is over");
    gateway.kill().await
}

/// Asks again and again until the gateway is gone.
async fn run(client: Client, told: Ledger, number: usize) {
    let content = format!("#echo tokens={} each_ms=1\n{}", 5 + number * 3, "x".repeat(100));
    loop {
        let alive = if number.is_multiple_of(2) {
            plain(&client, &content, &told).await
        } else {
            streamed(&client, &content, &told).await
        };
        if alive.is_none() {
            return;
        }
    }
}

async fn plain(client: &Client, content: &str, told: &Ledger) -> Option<()> {
    let body = json!({"model": "keyway/echo", "messages": [{"role": "user", "content": content}]});
    let path = "/api/v1/chat/completions";
    let reply = client.try_send(http::Method::POST, path, body.to_string()).await?;
    if reply.status != StatusCode::OK {
        return Some(());
    }
    let answer = reply.json();
    let id = answer["id"].as_str().expect("an id").to_owned();
    told.lock().unwrap_or_else(PoisonError::into_inner).complete.insert(id, cost(&answer));
    Some(())
}

async fn streamed(client: &Client, content: &str, told: &Ledger) -> Option<()> {
    let mut stream = client.chat_stream("keyway/echo", content).await?;
    if stream.status != StatusCode::OK {
        return Some(());
    }
    let id = stream.headers["x-generation-id"].to_str().expect("an id").to_owned();
    while let Some(event) = stream.next().await {
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        if event == "[DONE]" {
            return Some(());
        }
        let chunk: Value = serde_json::from_str(&event).expect("JSON");
        if chunk.get("usage").is_some() {
            told.partial.remove(&id);
            told.complete.insert(id.clone(), cost(&chunk));
        } else if chunk["choices"][0]["delta"]["content"].is_string() {
            *told.partial.entry(id.clone()).or_default() += 1;
        }
    }
    None
}

fn cost(answer: &Value) -> Nanos {
    Nanos::parse_limit(&answer["usage"]["cost"].to_string()).expect("an amount")
}

/// Joins what the clients were told with the books.
fn check(told: &Told, usage: Nanos, data_dir: &std::path::Path) {
    let books = Connection::open(data_dir.join("keyway.db")).expect("the store");
    let mut rows = books
        .prepare("SELECT id, charge_nanos, estimated, ending FROM generation")
        .expect("a statement");
    let mut charges: BTreeMap<String, (Nanos, bool, String)> = BTreeMap::new();
    let mut read = rows.query([]).expect("rows");
    while let Some(row) = read.next().expect("a row") {
        let id: [u8; 16] = row.get(0).expect("an id");
        let id = keyway_core::id::GenerationId::from_bytes(id).to_string();
        let charge = Nanos::new(row.get::<_, i64>(1).expect("all are settled"));
        charges.insert(id, (charge, row.get(2).expect("a flag"), row.get(3).expect("an ending")));
    }
    for (id, cost) in &told.complete {
        let (charge, estimated, _) = charges.get(id).expect("what was answered is in the books");
        assert_eq!((charge, *estimated), (cost, false), "{id} is charged what its client was told");
    }
    for (id, tokens) in &told.partial {
        let (charge, ..) = charges.get(id).expect("what was begun is in the books");
        assert!(charge.get() >= tokens * 2_000, "{id}: {charge} for {tokens} tokens");
    }
    let mut beyond = 0_usize;
    for (id, (charge, estimated, ending)) in &charges {
        if !told.complete.contains_key(id) && *charge > Nanos::ZERO {
            beyond += 1;
            // A plain answer may be charged and lost on its way; anything else was cut and marked.
            let cut = *estimated && ending == "crashed";
            let lost_on_its_way = !*estimated && ending == "completed";
            let left = ending == "client_left";
            assert!(cut || lost_on_its_way || left, "{id}: {charge} {ending}");
        }
    }
    let sum: i64 = charges.values().map(|(charge, ..)| charge.get()).sum();
    let said: i64 = told.complete.values().map(|cost| cost.get()).sum();
    assert_eq!(usage.get(), sum, "the key's usage is the sum of its charges");
    assert!(said <= sum && usage <= LIMIT, "{said} <= {sum} <= {}", LIMIT.get());
    assert!(beyond <= KILLS * CLIENTS, "only what was in flight: {beyond}");
    println!(
        "{KILLS} kills: {} answers told, {beyond} more charged that were in flight, usage {usage}",
        told.complete.len()
    );
}

/// A small generator with a seed, so that a failure can be tried again.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}
