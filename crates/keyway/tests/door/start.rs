//! Starting: the first time, again, twice at once, with a mistake.

use std::process::Command;

use http::StatusCode;
use serde_json::json;

use crate::{gateway, setup};

#[tokio::test]
async fn the_first_start_prints_a_management_key_once() {
    let first = setup().makes_its_own_key().start().await;
    let printed = first.welcome.join("\n");
    let at = printed.find("sk-or-v1-").expect("a key is printed");
    let key = printed[at..at + 73].to_owned();
    assert_eq!(printed.matches("sk-or-v1-").count(), 1, "{printed}");
    let reply = first.client(&key).post("/api/v1/keys", &json!({"name": "first"})).await;
    assert_eq!(reply.status, StatusCode::CREATED);

    let second = first.terminate().await.start().await;
    assert_eq!(second.welcome, Vec::<String>::new(), "it is shown once");
    let list = second.client(&key).get("/api/v1/keys").await.json();
    assert_eq!(list["data"][0]["name"], "first");
}

#[tokio::test]
async fn a_brought_management_key_is_taken_once_and_never_printed() {
    let brought = "a-key-of-the-operator's-own/with+signs=0123456789";
    let variable = "KEYWAY_BOOTSTRAP_MANAGEMENT_KEY";
    let first = setup().makes_its_own_key().variable(variable, brought).start().await;
    assert_eq!(first.welcome, Vec::<String>::new());
    let list = first.client(brought).get("/api/v1/keys").await;
    assert_eq!(list.status, StatusCode::OK);

    let directory = tempfile::tempdir().expect("a directory");
    let one =
        setup().makes_its_own_key().variable(variable, brought).start_in(directory.path()).await;
    one.terminate().await;
    let other = "another-key-that-comes-too-late-0123456789";
    let again =
        setup().makes_its_own_key().variable(variable, other).start_in(directory.path()).await;
    assert_eq!(again.client(other).get("/api/v1/keys").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(again.client(brought).get("/api/v1/keys").await.status, StatusCode::OK);
}

#[test]
fn a_brought_management_key_that_is_too_short_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let output = keyway(
        directory.path(),
        &["serve", "--listen", "127.0.0.1:0"],
        &[("KEYWAY_BOOTSTRAP_MANAGEMENT_KEY", "short-secret")],
    );
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("32 to 256 printable ASCII characters"), "{said}");
    assert!(!said.contains("short-secret"), "{said}");
}

#[tokio::test]
async fn a_second_server_on_one_directory_says_who_holds_it() {
    let first = gateway().await;
    let directory = tempfile::tempdir().expect("a directory");
    let data_dir = first.data_dir().to_str().expect("a path");
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--data-dir", data_dir];
    let output = keyway(directory.path(), &arguments, &[]);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(&first.pid().to_string()), "{said}");
    assert_eq!(first.manager().get("/api/v1/keys").await.status, StatusCode::OK);
}

#[test]
fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let directory = tempfile::tempdir().expect("a directory");
    let output = keyway(directory.path(), &["--listen", &address], &[]);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(&address), "{said}");
}

#[test]
fn every_mistake_of_the_configuration_is_told_at_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = "[server]\nshutdown_grace = \"soon\"\n[store]\ndurability = \"never\"\n[extra]\n";
    std::fs::write(directory.path().join("keyway.toml"), config).expect("written");
    let output = keyway(directory.path(), &["--listen", "127.0.0.1:0"], &[]);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    for mistake in ["keyway.toml:2:", "keyway.toml:4:", "keyway.toml:5:", "durability", "flush"] {
        assert!(said.contains(mistake), "{mistake} is not in:\n{said}");
    }
    assert!(!directory.path().join("keyway-data").exists(), "nothing was made");
}

/// Runs the binary to its end in `directory`.
fn keyway(
    directory: &std::path::Path,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyway"));
    command.args(arguments).current_dir(directory).envs(variables.iter().copied());
    command.output().expect("the binary runs")
}

#[tokio::test]
async fn keys_outlive_a_change_of_the_prefix() {
    let directory = tempfile::tempdir().expect("a directory");
    let before = setup().start_in(directory.path()).await;
    let (_, old) = before.manager().create_key(&json!({"name": "old"})).await;
    before.terminate().await;
    let config = "[keys]\nprefix = \"kw-\"\n";
    let after = setup().config(config).start_in(directory.path()).await;
    let (_, new) = after.manager().create_key(&json!({"name": "new"})).await;
    assert!(new.starts_with("kw-"), "{new}");
    for key in [old, new] {
        assert_eq!(after.client(&key).get("/api/v1/key").await.status, StatusCode::OK);
    }
}

#[test]
fn a_first_key_that_nobody_can_read_is_no_start() {
    let directory = tempfile::tempdir().expect("a directory");
    let full = std::fs::File::options().write(true).open("/dev/full").expect("a full device");
    let output = Command::new(env!("CARGO_BIN_EXE_keyway"))
        .args(["--listen", "127.0.0.1:0"])
        .current_dir(directory.path())
        .env_remove("KEYWAY_BOOTSTRAP_MANAGEMENT_KEY")
        .stdout(full)
        .stderr(std::process::Stdio::piped())
        .spawn()
        .and_then(std::process::Child::wait_with_output)
        .expect("the binary runs");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("--offline"), "{said}");
}
