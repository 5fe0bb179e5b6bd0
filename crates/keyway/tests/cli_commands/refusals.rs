//! How commands fail: with a reason on standard error, 1 where it failed, 2 where it was asked wrongly.

use std::net::TcpListener;

use super::gateway::Gateway;
use super::{MANAGEMENT_KEY, end, keyway, keyway_at};

#[test]
fn the_gateway_is_quoted() {
    let envelope = |message: &str| format!(r#"{{"error":{{"code":400,"message":"{message}"}}}}"#);
    for (status, body, expected) in [
        (400, envelope("limit: is too large"), "error: limit: is too large (400)\n"),
        (401, envelope("User not found."), "error: User not found. (401)\n"),
        (
            503,
            envelope("Service \\u001b[2J unavailable"),
            "error: Service \u{fffd}[2J unavailable (503)\n",
        ),
    ] {
        let gateway = Gateway::scripted(vec![(status, body)]);
        let ended = end(keyway_at(&gateway, &["keys", "list"]));
        assert_eq!((ended.code, ended.out.as_str(), ended.err.as_str()), (Some(1), "", expected));
    }
}

#[test]
fn what_is_no_gateway_is_named() {
    for (status, body) in [(502, "<html>Bad Gateway</html>"), (200, "Welcome"), (404, "{}")] {
        let gateway = Gateway::scripted(vec![(status, body.to_owned())]);
        let ended = end(keyway_at(&gateway, &["keys", "list"]));
        assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""));
        let expected = format!("error: what runs at {} answered {status}", gateway.url);
        assert!(ended.err.starts_with(&expected), "{}", ended.err);
        assert!(ended.err.ends_with("which is not Keyway's API\n"), "{}", ended.err);
    }
}

#[test]
fn a_gateway_that_does_not_run_is_said_how_to_start() {
    // Nothing listens on a port that was free a moment ago.
    let free = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port");
    let mut command = keyway(&["keys", "list"]);
    command.env("KEYWAY_URL", format!("http://{free}"));
    command.env("KEYWAY_MANAGEMENT_KEY", MANAGEMENT_KEY);
    let ended = end(command);
    assert_eq!(ended.code, Some(1));
    let expected = format!("error: cannot reach a gateway at http://{free}: Connection refused");
    assert!(ended.err.starts_with(&expected), "{}", ended.err);
    assert!(ended.err.contains("keyway serve") && ended.err.contains("--url"), "{}", ended.err);
    assert!(!ended.err.contains(MANAGEMENT_KEY), "{}", ended.err);
}

#[test]
fn without_a_management_key_it_is_said_where_one_is_looked_for() {
    let list = end(keyway(&["keys", "list"]));
    assert_eq!(list.code, Some(2));
    assert!(list.err.contains("KEYWAY_MANAGEMENT_KEY"), "{}", list.err);
    let create = end(keyway(&["management-keys", "create", "--name", "ops"]));
    assert_eq!(create.code, Some(2));
    assert!(create.err.contains("KEYWAY_MANAGEMENT_KEY"), "{}", create.err);
    assert!(create.err.contains("--offline --data-dir DIR"), "{}", create.err);
}

#[test]
fn a_management_key_that_cannot_be_sent_is_not_shown() {
    let mut command = keyway(&["keys", "list"]);
    command.env("KEYWAY_MANAGEMENT_KEY", "planted\nX-Injected: 1");
    let ended = end(command);
    assert_eq!(ended.code, Some(2));
    assert!(!ended.err.contains("planted"), "{}", ended.err);
}

#[test]
fn what_cannot_be_meant_is_refused_before_anything_is_asked() {
    let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    for args in [
        &["keys", "create"][..],
        &["keys", "create", "--name", "ci", "--limit", "-1"],
        &["keys", "create", "--name", "ci", "--limit", "1000000000.1"],
        &["keys", "create", "--name", "ci", "--limit", "NaN"],
        &["keys", "create", "--name", "ci", "--reset", "hourly"],
        &["keys", "create", "--name", "ci", "--expires-at", "2030-01-02T03:04:05+02:00"],
        &["keys", "create", "--name", "ci", "--quiet", "--json"],
        &["keys", "create", "--name", "ci", "--requests-per-minute", "0"],
        &["keys", "create", "--name", "ci", "--max-concurrent-requests", "1000000001"],
        &["keys", "create", "--name", "ci", "--on-limit", "shrink"],
        &["keys", "update", hash, "--tokens-per-minute", "-1"],
        &["keys", "update", hash],
        &["keys", "update", hash, "--limit", "1", "--no-limit"],
        &["keys", "update", hash, "--reset", "daily", "--no-reset"],
        &["keys", "update", hash, "--enable", "--disable"],
        &["keys", "rotate", hash, "--grace-period", "2592001"],
        &["keys", "list", "--limit", "0"],
        &["keys", "list", "--limit", "1001"],
        &["keys", "list", "--sort", "usage"],
        &["keys", "list", "--url", "ftp://127.0.0.1"],
        &["keys", "list", "--management-key", "sk-or-v1-x"],
        &["--listen", "127.0.0.1:0", "keys", "list"],
        &["serve", "--listen", "nowhere"],
        &["sevre"],
    ] {
        let gateway = Gateway::scripted(Vec::new());
        let mut command = keyway_at(&gateway, args);
        if args.contains(&"--url") {
            command.env_remove("KEYWAY_URL");
        }
        let ended = end(command);
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{args:?}: {}", ended.err);
        assert!(ended.err.starts_with("error: "), "{args:?}: {}", ended.err);
    }
}
