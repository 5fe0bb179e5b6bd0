//! Nodes that bring one database up to date at the same time, and are killed while they do.

use std::path::Path;
use std::process::Stdio;

use http::StatusCode;
use keyway_testkit::{Postgres, Setup, eventually};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio_postgres::{Client, NoTls};

use crate::setup;

const NODES: usize = 4;
/// All that a migration may want to change; whoever only reads is not in its way.
const HELD: &str = "
    DO $$ DECLARE name regclass; BEGIN
        FOR name IN SELECT oid FROM pg_class
            WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace LOOP
            EXECUTE format('LOCK TABLE %s IN ACCESS SHARE MODE', name);
        END LOOP;
    END $$";

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("a connection");
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    tokio::spawn(connection);
    client
}

fn node(url: &str, secret: &Path, number: usize) -> Setup {
    setup()
        .variable("KEYWAY_STORE_URL", url)
        .variable("KEYWAY_NODE_NAME", &format!("node-{number}"))
        .variable("KEYWAY_SECRET_FILE", secret.to_str().expect("UTF-8"))
}

/// One that nobody waits for.
fn doomed(url: &str, secret: &Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyway"));
    command
        .args(["serve", "--listen", "127.0.0.1:0"])
        .env("KEYWAY_STORE_URL", url)
        .env("KEYWAY_SECRET_FILE", secret)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    command.spawn().expect("it starts")
}

/// Waits until so many connections wait for a lock.
async fn waiting(looking: &Client, expected: usize) {
    let sql = "SELECT count(*) FROM pg_stat_activity
               WHERE datname = current_database() AND wait_event_type = 'Lock'";
    eventually(&format!("{expected} wait for a lock"), || async {
        let waiting: i64 = looking.query_one(sql, &[]).await.expect("it answers").get(0);
        (waiting == i64::try_from(expected).expect("few")).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_are_killed_in_the_middle_of_a_migration_leave_nothing_half_done() {
    let server = Postgres::start(&[]);
    let url = server.database("upgrade");
    let folder = tempfile::tempdir().expect("a directory");
    let secret = folder.path().join("secret.key");
    std::fs::write(&secret, "ab".repeat(32)).expect("a secret");
    let (mut holding, looking) = (connect(&url).await, connect(&url).await);
    let first =
        include_str!("../../../keyway-store-postgres/migrations/0001_installation_keys_ledger.sql");
    let known = "CREATE TABLE schema_version (
                   one BIGINT PRIMARY KEY CHECK (one = 1), version BIGINT NOT NULL);
                 INSERT INTO schema_version VALUES (1, 1);";
    looking.batch_execute(&format!("{first}\n{known}")).await.expect("the first version");

    let held = holding.transaction().await.expect("a transaction");
    held.batch_execute(HELD).await.expect("locked");
    // One is in the middle of it, and the others wait for that one.
    let mut doomed: Vec<Child> = (0..NODES).map(|_| doomed(&url, &secret)).collect();
    waiting(&looking, NODES).await;
    for child in &mut doomed {
        child.kill().await.expect("it is killed");
    }
    let mut starting = JoinSet::new();
    for number in 0..NODES {
        starting.spawn(node(&url, &secret, number).start());
    }
    // The database does not know yet that those before them are gone.
    waiting(&looking, 2 * NODES).await;
    held.rollback().await.expect("let go");

    let gateways = starting.join_all().await;
    let version: i64 =
        looking.query_one("SELECT version FROM schema_version", &[]).await.expect("one").get(0);
    assert!(version > 1, "it was brought up to date");
    let (_, key) = gateways[0].manager().create_key(&serde_json::json!({"name": "shared"})).await;
    for gateway in gateways {
        let known = gateway.client(&key).get("/api/v1/key").await;
        assert_eq!(known.status, StatusCode::OK);
        let keys = gateway.manager().get("/api/v1/management-keys").await;
        assert_eq!(keys.json()["data"].as_array().map(Vec::len), Some(1), "made by one of them");
        gateway.terminate().await;
    }
}
