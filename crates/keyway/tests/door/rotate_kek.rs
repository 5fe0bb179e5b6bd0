//! Another key-encryption key takes the place of the store's, however often that is killed on its way.

use std::path::Path;
use std::process::Stdio;

use http::StatusCode;
use keyway_testkit::{Gateway, Postgres, Provider, Random, Script, Setup, eventually};
use rusqlite::{Connection, OpenFlags};
use serde_json::json;
use tokio::process::Command;
use tokio_postgres::NoTls;

use crate::byok::keep;
use crate::setup;

const CREDENTIALS: i64 = 150;
const KILLS: i64 = 6;
/// How many credentials are not under the first key any more.
const MOVED: &str = "SELECT count(*) FROM credential \
                     WHERE kek_version > (SELECT min(version) FROM key_encryption_key)";
/// How many keys the store knows.
const KEYS: &str = "SELECT count(*) FROM key_encryption_key";

fn before(provider: &Provider) -> Setup {
    setup().config(&format!(
        "[[providers]]\nslug = \"acme\"\ndialect = \"openai\"\nbase_url = \"{}\"\n\n\
         [[models]]\nid = \"acme/fast\"\ncontext_length = 8000\nmax_completion_tokens = 100\n\n\
         [[models.endpoints]]\nprovider = \"acme\"\nupstream_model = \"mock\"\n\
         pricing = {{ prompt = \"0.000001\", completion = \"0.000002\" }}\n",
        provider.base_url
    ))
}

async fn provider() -> Provider {
    let provider = Provider::start().await;
    let message = json!({"role": "assistant", "content": "hi"});
    provider.always(Script::json(
        200,
        &json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "mock",
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14},
        }),
    ));
    provider
}

fn secret(number: i64) -> String {
    format!("sk-credential-{number:04}-0123456789")
}

async fn keep_all(gateway: &Gateway) {
    for number in 0..CREDENTIALS {
        let body = json!({"provider": "acme", "key": secret(number), "sort_order": number});
        keep(&gateway.manager(), &body).await;
    }
}

/// Every credential is presented, as it was kept: each is the first until it is wiped.
async fn assert_all_are_presented(gateway: &Gateway, provider: &Provider) {
    let manager = gateway.manager();
    let (_, key) = manager.create_key(&json!({"name": "asks"})).await;
    let client = gateway.client(&key);
    let seen = provider.received().len();
    loop {
        let list = manager.get("/api/v1/byok?limit=1").await.json();
        let Some(id) = list["data"][0]["id"].as_str() else { break };
        assert_eq!(client.chat("acme/fast", "hello").await.status, StatusCode::OK);
        assert_eq!(manager.delete(&format!("/api/v1/byok/{id}")).await.status, StatusCode::OK);
    }
    let received = provider.received();
    let presented: Vec<&str> = received[seen..]
        .iter()
        .map(|it| it.headers["authorization"].to_str().expect("text"))
        .collect();
    let kept: Vec<String> =
        (0..CREDENTIALS).map(|number| format!("Bearer {}", secret(number))).collect();
    assert_eq!(presented, kept);
}

fn rotate(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyway"));
    command.args(["credentials", "rotate-kek"]).args(arguments).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Begins it again and again, and kills it after a few credentials more.
async fn kill_on_the_way(command: impl Fn() -> Command, moved: impl AsyncFn() -> i64) {
    let mut random = Random::new(29);
    for kill in 0..KILLS {
        let before = moved().await;
        // The last leaves something to do.
        let more = i64::try_from(random.below(4)).expect("few");
        let target = (before + more).min(CREDENTIALS - 5);
        let mut child = command().spawn().expect("it runs");
        let moved = &moved;
        let on_its_way = || async move { (moved().await > target).then_some(()) };
        tokio::select! {
            () = eventually("more credentials are under the new key", on_its_way) => {}
            ended = child.wait() => println!("it was quicker: {ended:?}"),
        }
        child.kill().await.expect("it is killed");
        let moved = moved().await;
        println!("kill {kill}: {moved} of {CREDENTIALS} credentials are under the new key");
        assert!(moved >= before, "none goes back");
    }
    let ended = command().stderr(Stdio::piped()).output().await.expect("it runs");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}

/// What a gateway says that does not start.
async fn refused_start(data_dir: &Path, variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyway"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data_dir);
    command.current_dir(data_dir).envs(variables.iter().copied()).kill_on_drop(true);
    let output = command.output().await.expect("it runs");
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_is_killed_goes_on() {
    let folder = tempfile::tempdir().expect("a directory");
    let home = folder.path().join("data");
    let provider = provider().await;
    let gateway = before(&provider).start_in(&home).await;
    keep_all(&gateway).await;
    gateway.terminate().await;
    let number = |query: &str| {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let store = Connection::open_with_flags(home.join("keyway.db"), flags).expect("a store");
        // The writer may be about to begin or to end its journal.
        store.busy_timeout(std::time::Duration::from_secs(5)).expect("it waits");
        store.query_row(query, [], |row| row.get::<_, i64>(0)).expect("a count")
    };
    let data_dir = home.to_str().expect("UTF-8");
    kill_on_the_way(|| rotate(&["--data-dir", data_dir]), async || number(MOVED)).await;
    assert_eq!(number(KEYS), 1, "the old key is forgotten");
    assert!(!home.join("kek.key.next").exists());
    let gateway = before(&provider).start_in(&home).await;
    assert_all_are_presented(&gateway, &provider).await;
    gateway.terminate().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_go_on_while_their_key_is_rotated_and_killed() {
    let server = Postgres::start(&[]);
    let url = server.database("keyway");
    let files = tempfile::tempdir().expect("a directory");
    let file = |name: &str, digits: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, digits.repeat(32)).expect("a secret");
        path.to_str().expect("UTF-8").to_owned()
    };
    let (installation, new) = (file("secret.key", "ab"), file("new.key", "cd"));
    let provider = provider().await;
    let node = |name: &str| {
        before(&provider)
            .variable("KEYWAY_STORE_URL", &url)
            .variable("KEYWAY_NODE_NAME", name)
            .variable("KEYWAY_SECRET_FILE", &installation)
    };
    let old = node("old").start().await;
    keep_all(&old).await;
    let (_, key) = old.manager().create_key(&json!({"name": "asks"})).await;
    let (database, connection) = tokio_postgres::connect(&url, NoTls).await.expect("a connection");
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    tokio::spawn(connection);
    let number =
        async |query: &str| database.query_one(query, &[]).await.expect("a count").get::<_, i64>(0);
    let moved = async || {
        assert_eq!(old.client(&key).chat("acme/fast", "hello").await.status, StatusCode::OK);
        number(MOVED).await
    };
    let command = || {
        let mut command = rotate(&["--store-url", &url, "--to", &new]);
        command.env("KEYWAY_SECRET_FILE", &installation);
        command
    };
    kill_on_the_way(command, moved).await;
    assert_eq!(number(KEYS).await, 1, "the old key is forgotten");

    let body = json!({"provider": "acme", "key": "sk-late-0123456789"});
    let late = old.manager().post("/api/v1/byok", &body).await;
    assert_eq!(late.status, StatusCode::SERVICE_UNAVAILABLE, "it has no key to seal it under");
    let variables = [("KEYWAY_STORE_URL", url.as_str()), ("KEYWAY_SECRET_FILE", &installation)];
    let refused = refused_start(files.path(), &variables).await;
    assert!(refused.contains("sealed under another key-encryption key"), "{refused}");
    let next = node("next").variable("KEYWAY_KEK_FILE", &new).start().await;
    assert_all_are_presented(&next, &provider).await;
}
