//! `keyway store migrate`: an installation moves from its data directory into PostgreSQL.

use std::path::Path;
use std::process::{Output, Stdio};

use http::StatusCode;
use keyway_core::money::Nanos;
use keyway_testkit::{Gateway, Postgres, Random, Setup, eventually};
use rusqlite::Connection;
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio_postgres::{Client, NoTls};

use crate::{byok, setup};

const MODEL: &str = "keyway/echo";
const KEYS: &str = "/api/v1/keys";
/// Requests that were charged long ago; enough for many batches.
const GENERATIONS: i64 = 40_000;
const KILLS: u32 = 10;

/// A gateway on the data directory `home`.
async fn on_sqlite(home: &Path) -> Gateway {
    setup().start_in(home).await
}

fn on_postgres(home: &Path, url: &str) -> Setup {
    let secret = home.join("secret.key");
    let kek = home.join("kek.key");
    setup()
        .variable("KEYWAY_STORE_URL", url)
        .variable("KEYWAY_SECRET_FILE", secret.to_str().expect("UTF-8"))
        .variable("KEYWAY_KEK_FILE", kek.to_str().expect("UTF-8"))
}

fn command(home: &Path, url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyway"));
    command.args(["store", "migrate", "--to", url, "--data-dir"]).arg(home);
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

async fn migrate(home: &Path, url: &str) -> Output {
    command(home, url).output().await.expect("it runs")
}

/// What it said when it did not do it.
async fn refusal(home: &Path, url: &str) -> String {
    let output = migrate(home, url).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr).expect("text")
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("a connection");
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    tokio::spawn(connection);
    client
}

async fn number(client: &Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.expect("readable").get(0)
}

/// Charges that were made long ago.
fn fill(home: &Path) {
    let sql = format!(
        "WITH RECURSIVE number (n) AS
           (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {GENERATIONS})
         INSERT INTO generation (id, key_id, accounts, window_day, window_week, window_month, model,
             provider, streamed, admitted_at, epoch, reserved_nanos, authorised_nanos, charge_nanos,
             byok_nanos, overrun_nanos, absorbed_nanos, prompt_tokens, completion_tokens, ending,
             estimated, settled_at)
         SELECT randomblob(16), (SELECT max(id) FROM api_key), X'00', 0, 0, 0, 'm', 'p', n % 2, n, 1,
             {GENERATIONS}, 0, n, 0, 0, 0, 5, 7, 'completed', 0, n FROM number"
    );
    let database = Connection::open(home.join("keyway.db")).expect("the database");
    database.execute_batch(&sql).expect("writable");
}

/// Generations that have arrived; none where there is no such table yet.
async fn arrived(client: &Client) -> i64 {
    let row = client.query_one("SELECT count(*) FROM generation", &[]).await;
    row.map_or(0, |row| row.get(0))
}

/// Begins or goes on, and is killed when more than so many have arrived; answers how many have.
async fn kill_after(home: &Path, url: &str, client: &Client, rows: i64) -> i64 {
    let mut command = command(home, url);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child: Child = command.spawn().expect("it runs");
    eventually("more has arrived", || async { (arrived(client).await > rows).then_some(()) }).await;
    child.kill().await.expect("it is killed");
    arrived(client).await
}

/// What a gateway says that does not serve from there.
async fn not_served(home: &Path, url: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_keyway"))
        .args(["serve", "--listen", "127.0.0.1:0"])
        .env("KEYWAY_STORE_URL", url)
        .env("KEYWAY_SECRET_FILE", home.join("secret.key"))
        .output();
    let output = output.await.expect("it runs");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr).expect("text")
}

/// All keys, as the API shows them.
async fn listed(gateway: &Gateway) -> Value {
    let path = format!("{KEYS}?include_disabled=true&include_expired=true&limit=100");
    let list = gateway.manager().get(&path).await;
    assert_eq!(list.status, StatusCode::OK);
    list.json()
}

fn usd(value: &Value) -> Nanos {
    Nanos::parse_limit(&value.to_string()).expect("USD")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_is_what_it_was_and_goes_on_from_what_it_spent() {
    let folder = tempfile::tempdir().expect("a directory");
    let home = folder.path().join("data");
    let gateway = on_sqlite(&home).await;
    let manager = gateway.manager();
    let (_, probe) = manager.create_key(&json!({"name": "probe"})).await;
    let answer = gateway.client(&probe).chat(MODEL, "hello").await.json();
    let cost = usd(&answer["usage"]["cost"]);
    let limit: Value =
        serde_json::from_str(&Nanos::new(cost.get() * 10).to_string()).expect("a number");
    let creation = json!({"name": "limited", "limit": limit, "limit_reset": "monthly"});
    let repeating = manager.clone().with_header("idempotency-key", "order-17");
    let created = repeating.post(KEYS, &creation).await;
    let limited = created.json()["key"].as_str().expect("a key").to_owned();
    let (off, off_secret) = manager.create_key(&json!({"name": "off"})).await;
    let (gone, gone_secret) = manager.create_key(&json!({"name": "gone"})).await;
    for secret in [&limited, &off_secret, &gone_secret] {
        assert_eq!(gateway.client(secret).chat(MODEL, "hello").await.status, StatusCode::OK);
    }
    let path = |key: &Value| format!("{KEYS}/{}", key["hash"].as_str().expect("a hash"));
    manager.patch(&path(&off), &json!({"disabled": true})).await;
    let grace = json!({"grace_period_seconds": 86_400});
    let rotated = manager.post(&format!("{}/rotate", path(&off)), &grace).await.json();
    manager.delete(&path(&gone)).await;
    let credential = json!({
        "provider": "openai", "key": "sk-0123456789abcdefgh", "allowed_models": ["a/b"],
        "allowed_api_key_hashes": [rotated["data"]["hash"]],
    });
    byok::keep(&manager, &credential).await;
    let credentials = manager.get("/api/v1/byok").await.json();
    let before = listed(&gateway).await;
    // Not in an orderly way: what it left open is settled first.
    gateway.kill().await;

    let server = Postgres::start(&[]);
    let url = server.database("moved");
    let output = migrate(&home, &url).await;
    let table = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{table}{}", String::from_utf8_lossy(&output.stderr));
    assert!(table.contains("generation") && !table.contains("DIFFERS"), "{table}");
    println!("{table}");

    let gateway = on_postgres(&home, &url).start().await;
    assert_eq!(listed(&gateway).await, before, "digit for digit");
    assert_eq!(gateway.manager().get("/api/v1/byok").await.json(), credentials);
    let repeating = gateway.manager().with_header("idempotency-key", "order-17");
    let again = repeating.post(KEYS, &creation).await;
    assert_eq!((again.status, &again.body), (created.status, &created.body));
    for (secret, status) in [
        (limited.as_str(), StatusCode::OK),
        (&off_secret, StatusCode::UNAUTHORIZED),
        (rotated["key"].as_str().expect("a key"), StatusCode::UNAUTHORIZED),
        (&gone_secret, StatusCode::UNAUTHORIZED),
    ] {
        assert_eq!(gateway.client(secret).get("/api/v1/key").await.status, status);
    }
    // Nine of ten are left, and not one more.
    let client = gateway.client(&limited);
    for _ in 0..9 {
        // Where the machine is too slow for its load a node answers 503, and is asked again.
        let answered = async || client.chat(MODEL, "hello").await.status;
        eventually("it is served", async || (answered().await == StatusCode::OK).then_some(()))
            .await;
    }
    assert_eq!(client.chat(MODEL, "hello").await.status, StatusCode::FORBIDDEN);
    let spent = client.get("/api/v1/key").await.json()["data"]["usage"].clone();
    assert_eq!(usd(&spent).get(), cost.get() * 10);
    let (new, _) = gateway.manager().create_key(&json!({"name": "new"})).await;
    assert_eq!(listed(&gateway).await["data"][0]["hash"], new["hash"], "numbers go on");
    gateway.terminate().await;

    let said = refusal(&home, &url).await;
    assert!(said.contains("holds this installation already"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_must_not_be_moved_is_refused() {
    let folder = tempfile::tempdir().expect("a directory");
    let [home, other] = ["data", "other"].map(|name| folder.path().join(name));
    let server = Postgres::start(&[]);
    let url = server.database("target");
    let nothing = refusal(&home, &url).await;
    assert!(nothing.contains("no installation in"), "{nothing}");
    assert!(!home.exists(), "nothing is made");

    let gateway = on_sqlite(&home).await;
    gateway.manager().create_key(&json!({"name": "used"})).await;
    let in_use = refusal(&home, &url).await;
    assert!(in_use.contains(&gateway.pid().to_string()), "{in_use}");
    gateway.terminate().await;
    on_sqlite(&other).await.terminate().await;
    assert!(migrate(&other, &url).await.status.success());
    let occupied = refusal(&home, &url).await;
    assert!(occupied.contains("another installation"), "{occupied}");

    // One that arrived in part, and differs then.
    let url = server.database("partly");
    fill(&home);
    let client = connect(&url).await;
    assert!(kill_after(&home, &url, &client, 0).await > 0);
    assert!(not_served(&home, &url).await.contains("not all of it has arrived"));
    let foreign = refusal(&other, &url).await;
    assert!(foreign.contains("on its way"), "{foreign}");
    client.execute("UPDATE account SET limit_nanos = 7 WHERE id = 0", &[]).await.expect("written");
    let output = migrate(&home, &url).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("DIFFERS"), "{output:?}");
    assert!(not_served(&home, &url).await.contains("not all of it has arrived"));
    on_sqlite(&home).await.terminate().await;
    let stale = refusal(&home, &url).await;
    assert!(stale.contains("served since"), "{stale}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_is_killed_goes_on_where_it_was() {
    let folder = tempfile::tempdir().expect("a directory");
    let home = folder.path().join("data");
    let gateway = on_sqlite(&home).await;
    let (_, key) = gateway.manager().create_key(&json!({"name": "used"})).await;
    gateway.client(&key).chat(MODEL, "hello").await;
    let before = listed(&gateway).await;
    gateway.terminate().await;
    fill(&home);

    let server = Postgres::start(&[]);
    let url = server.database("moved");
    let client = connect(&url).await;
    let mut random = Random::new(7);
    let mut rows = 0;
    for kill in 0..KILLS {
        // Sometimes at once, sometimes a few batches later.
        let more = i64::try_from(random.below(3_000)).expect("few");
        rows = kill_after(&home, &url, &client, rows.min(GENERATIONS - 12_000) + more).await;
        println!("kill {kill}: {rows} generations had arrived");
        assert!(rows <= GENERATIONS, "none has arrived twice");
    }
    let output = migrate(&home, &url).await;
    // Where the last kill came after the end there is nothing left to do.
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() || said.contains("holds this installation"), "{said}");
    let sums = "SELECT (count(*) + sum(charge_nanos))::BIGINT FROM generation WHERE model = 'm'";
    let expected = GENERATIONS + GENERATIONS * (GENERATIONS + 1) / 2;
    assert_eq!(number(&client, sums).await, expected);
    assert_eq!(number(&client, "SELECT count(*) FROM transfer").await, 0);

    let gateway = on_postgres(&home, &url).start().await;
    assert_eq!(listed(&gateway).await, before);
    let client = gateway.client(&key);
    // Where the machine is too slow for its load a node answers 503, and is asked again.
    let answered = async || client.chat(MODEL, "hello").await.status;
    eventually("it is served", async || (answered().await == StatusCode::OK).then_some(())).await;
    gateway.terminate().await;
}
