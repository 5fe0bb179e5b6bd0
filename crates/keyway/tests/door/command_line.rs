//! The command line against a real gateway, and on a directory where none runs.

use std::process::{Command, Output, Stdio};

use http::StatusCode;
use keyway_testkit::{Gateway, MANAGEMENT_KEY};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use crate::gateway;

/// Runs `keyway` against `gateway` with the tests' management key.
async fn keyway(gateway: &Gateway, arguments: &[&str]) -> Output {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_keyway"));
    command.args(arguments).env("KEYWAY_URL", &gateway.url);
    command.env("KEYWAY_MANAGEMENT_KEY", MANAGEMENT_KEY);
    command.output().await.expect("the binary runs")
}

async fn printed(gateway: &Gateway, arguments: &[&str]) -> String {
    let output = keyway(gateway, arguments).await;
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[tokio::test]
async fn a_key_is_made_used_changed_rotated_and_deleted() {
    let gateway = gateway().await;
    let create = ["keys", "create", "--name", "team a", "--limit", "0.01", "--quiet"];
    let key = printed(&gateway, &create).await;
    let key = key.trim();
    assert_eq!(gateway.client(key).chat("keyway/echo", "hello").await.status, StatusCode::OK);

    let list: Value =
        serde_json::from_str(&printed(&gateway, &["keys", "list", "--json"]).await).expect("JSON");
    let hash = list["data"][0]["hash"].as_str().expect("a hash").to_owned();
    let table = printed(&gateway, &["keys", "list"]).await;
    assert!(table.contains("team a") && table.contains("0.000006"), "{table}");
    assert!(!table.contains(key), "{table}");

    let start = &hash[..12];
    printed(&gateway, &["keys", "update", start, "--limit", "5", "--reset", "weekly"]).await;
    let shown = printed(&gateway, &["keys", "show", start, "--json"]).await;
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    assert_eq!(
        (&shown["data"]["limit"], &shown["data"]["limit_reset"]),
        (&5.into(), &"weekly".into())
    );

    let rotated = printed(&gateway, &["keys", "rotate", start, "--quiet"]).await;
    assert_eq!(gateway.client(key).get("/api/v1/key").await.status, StatusCode::UNAUTHORIZED);
    let rotated = gateway.client(rotated.trim());
    assert_eq!(rotated.get("/api/v1/key").await.status, StatusCode::OK);

    let list = printed(&gateway, &["keys", "list", "--json"]).await;
    let list: Value = serde_json::from_str(&list).expect("JSON");
    let hash = list["data"][0]["hash"].as_str().expect("a hash");
    printed(&gateway, &["keys", "delete", hash, "--yes"]).await;
    assert_eq!(rotated.get("/api/v1/key").await.status, StatusCode::UNAUTHORIZED);
    let again = keyway(&gateway, &["keys", "delete", hash, "--yes"]).await;
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("Resource not found"), "{again:?}");
}

/// Runs `keyway` with `input` on its standard input.
async fn piped(gateway: &Gateway, arguments: &[&str], input: &str) -> Output {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_keyway"));
    command.args(arguments).env("KEYWAY_URL", &gateway.url).kill_on_drop(true);
    command.env("KEYWAY_MANAGEMENT_KEY", MANAGEMENT_KEY).env("OTHER", "sk-other-0123456789-EfGh");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary runs");
    let mut pipe = child.stdin.take().expect("a pipe");
    // One that does not read it has refused the arguments.
    let _ = pipe.write_all(input.as_bytes()).await;
    drop(pipe);
    child.wait_with_output().await.expect("it ends")
}

#[tokio::test]
async fn a_credential_is_added_listed_changed_and_removed() {
    let gateway = gateway().await;
    let (key, _) = gateway.manager().create_key(&json!({"name": "its user"})).await;
    let hash = key["hash"].as_str().expect("a hash");
    let add = ["byok", "add", "--provider", "openai", "--name", "main", "--for-key", &hash[..12]];
    let added =
        piped(&gateway, &[&add[..], &["--json"]].concat(), "sk-proj-0123456789-AbCd\n").await;
    assert!(added.status.success(), "{added:?}");
    let added: Value = serde_json::from_slice(&added.stdout).expect("JSON");
    let id = added["data"]["id"].as_str().expect("an id");
    assert_eq!(added["data"]["label"], "sk-...AbCd");
    assert_eq!(added["data"]["allowed_api_key_hashes"], json!([hash]));
    assert_eq!(added["data"]["is_fallback"], false);

    let table = printed(&gateway, &["byok", "list", "--provider", "openai"]).await;
    for shown in [id, "main", "sk-...AbCd", "first", "1 keys", "active"] {
        assert!(table.contains(shown), "{shown} is missing in {table}");
    }
    let nothing = keyway(&gateway, &["byok", "list", "--provider", "groq"]).await;
    assert_eq!((nothing.status.code(), nothing.stdout.len()), (Some(0), 0));
    let update =
        ["byok", "update", id, "--key-variable", "OTHER", "--fallback", "--any-key", "--disable"];
    let updated = piped(&gateway, &update, "").await;
    let table = String::from_utf8(updated.stdout).expect("text");
    for shown in ["sk-...EfGh", "fallback", "all", "disabled"] {
        assert!(table.contains(shown), "{shown} is missing in {table}");
    }
    printed(&gateway, &["byok", "update", id, "--fallback=false", "--enable"]).await;
    let shown = printed(&gateway, &["byok", "show", id, "--json"]).await;
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    assert_eq!(
        (&shown["data"]["is_fallback"], &shown["data"]["disabled"]),
        (&json!(false), &json!(false))
    );
    let removed = printed(&gateway, &["byok", "remove", id, "--yes"]).await;
    assert_eq!(removed, "Removed sk-...EfGh of openai.\n");
    let again = keyway(&gateway, &["byok", "show", id]).await;
    assert!(String::from_utf8_lossy(&again.stderr).contains("Resource not found"), "{again:?}");
}

#[tokio::test]
async fn a_credential_that_is_not_there_or_wrong_is_not_added() {
    let gateway = gateway().await;
    for (arguments, input, code, expected) in [
        (&["--key-file", "/nowhere"][..], "", 1, "cannot read /nowhere"),
        (&["--key-variable", "NOWHERE"], "", 2, "the variable NOWHERE is not set"),
        (&["--key-file", "-"], "", 1, "key: must not be empty"),
        (&[], "two words", 1, "key: must be visible ASCII"),
        (&["sk-as-an-argument"], "", 2, "unexpected argument"),
    ] {
        let arguments = [&["byok", "add", "--provider", "openai"], arguments].concat();
        let ended = piped(&gateway, &arguments, input).await;
        assert_eq!(ended.status.code(), Some(code), "{arguments:?}: {ended:?}");
        assert!(String::from_utf8_lossy(&ended.stderr).contains(expected), "{ended:?}");
    }
    let unknown = piped(&gateway, &["byok", "add", "--provider", "opnai"], "sk-0123456789").await;
    assert!(
        String::from_utf8_lossy(&unknown.stderr).contains("did you mean openai?"),
        "{unknown:?}"
    );
    let nothing = keyway(&gateway, &["byok", "update", "main", "--disable"]).await;
    assert_eq!(nothing.status.code(), Some(2), "{nothing:?}");
    let list = printed(&gateway, &["byok", "list", "--json"]).await;
    let list: Value = serde_json::from_str(&list).expect("JSON");
    assert_eq!(list["total_count"], 0);
}

#[tokio::test]
async fn a_management_key_can_be_made_where_no_gateway_runs() {
    let gateway = gateway().await;
    let data_dir = gateway.data_dir().to_str().expect("a path").to_owned();
    let offline = [
        "management-keys",
        "create",
        "--name",
        "rescue",
        "--offline",
        "--quiet",
        "--data-dir",
        &data_dir,
    ];
    let refused = keyway(&gateway, &offline).await;
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains(&gateway.pid().to_string()), "{said}");

    let stopped = gateway.terminate().await;
    let made = Command::new(env!("CARGO_BIN_EXE_keyway")).args(offline).output().expect("it runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let key = String::from_utf8(made.stdout).expect("text");
    let gateway = stopped.start().await;
    let rescued = gateway.client(key.trim()).get("/api/v1/keys").await;
    assert_eq!(rescued.status, StatusCode::OK);
    let list = printed(&gateway, &["management-keys", "list"]).await;
    assert!(list.contains("rescue"), "{list}");
}

#[tokio::test]
async fn what_is_wrong_is_said_on_standard_error() {
    let gateway = gateway().await;
    let output = keyway(&gateway, &["keys", "create", "--name", "a", "--limit", "-1"]).await;
    assert!(!output.status.success());
    assert!(output.stdout.is_empty(), "{output:?}");
    let unknown = keyway(&gateway, &["keys", "show", &"0".repeat(64)]).await;
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("Resource not found"), "{unknown:?}");
    let url = gateway.url.clone();
    gateway.terminate().await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyway"));
    command.args(["keys", "list", "--url", &url]).env("KEYWAY_MANAGEMENT_KEY", MANAGEMENT_KEY);
    let gone = command.output().expect("it runs");
    let said = String::from_utf8_lossy(&gone.stderr);
    assert!(!gone.status.success() && said.contains(&url), "{said}");
}
