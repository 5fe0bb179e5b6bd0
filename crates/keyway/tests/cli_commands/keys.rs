//! What each command asks of the gateway.

use serde_json::{Value, json};

use super::gateway::Gateway;
use super::{MANAGEMENT_KEY, end, keyway, keyway_at};

const HASH: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn created() -> String {
    json!({"data": {"hash": HASH, "name": "ci"}, "key": "sk-or-v1-new"}).to_string()
}

fn key() -> String {
    json!({"data": {"hash": HASH, "name": "ci", "label": "sk-or-v1-abc...123"}}).to_string()
}

/// Runs `args` against an answer, and returns what was asked.
fn asked(args: &[&str], status: u16, answer: String) -> (String, Value) {
    let gateway = Gateway::scripted(vec![(status, answer)]);
    let ended = end(keyway_at(&gateway, args));
    assert_eq!(ended.code, Some(0), "{args:?}: {}", ended.err);
    let asked = gateway.asked();
    assert_eq!(asked.len(), 1, "{args:?}: {asked:?}");
    let authorization = format!("Bearer {MANAGEMENT_KEY}");
    assert_eq!(asked[0].header("authorization"), Some(authorization.as_str()));
    (asked[0].line.clone(), asked[0].json())
}

#[test]
fn creations_say_what_was_said_and_no_more() {
    for (args, body) in [
        (&[][..], json!({"name": "ci"})),
        (&["--limit", "5"], json!({"name": "ci", "limit": 5})),
        (&["--limit", "$0.010"], json!({"name": "ci", "limit": 0.01})),
        (
            &["--limit", "0", "--reset", "daily"],
            json!({"name": "ci", "limit": 0, "limit_reset": "daily"}),
        ),
        (
            &["--expires-at", "2030-01-02T03:04:05Z"],
            json!({"name": "ci", "expires_at": "2030-01-02T03:04:05Z"}),
        ),
        (&["--include-byok-in-limit"], json!({"name": "ci", "include_byok_in_limit": true})),
        (
            &["--requests-per-minute", "60", "--tokens-per-minute", "1000000000"],
            json!({"name": "ci", "requests_per_minute": 60, "tokens_per_minute": 1_000_000_000}),
        ),
        (
            &["--max-concurrent-requests", "4", "--on-limit", "clamp"],
            json!({"name": "ci", "max_concurrent_requests": 4, "on_limit": "clamp"}),
        ),
        (&["--log-content", "true"], json!({"name": "ci", "log_content": true})),
    ] {
        let args = [&["keys", "create", "--name", "ci"], args].concat();
        assert_eq!(asked(&args, 201, created()), ("POST /api/v1/keys".to_owned(), body));
    }
    let (line, body) = asked(&["management-keys", "create", "--name", "ops"], 201, created());
    assert_eq!((line.as_str(), body), ("POST /api/v1/management-keys", json!({"name": "ops"})));
}

#[test]
fn changes_tell_absent_from_null() {
    for (args, body) in [
        (&["--name", "new"][..], json!({"name": "new"})),
        (&["--limit", "7.5"], json!({"limit": 7.5})),
        (&["--no-limit"], json!({"limit": null})),
        (&["--reset", "weekly"], json!({"limit_reset": "weekly"})),
        (&["--no-reset"], json!({"limit_reset": null})),
        (&["--disable"], json!({"disabled": true})),
        (&["--enable"], json!({"disabled": false})),
        (&["--include-byok-in-limit", "false"], json!({"include_byok_in_limit": false})),
        (&["--requests-per-minute", "default"], json!({"requests_per_minute": null})),
        (
            &["--tokens-per-minute", "1", "--max-concurrent-requests", "default"],
            json!({"tokens_per_minute": 1, "max_concurrent_requests": null}),
        ),
        (&["--log-content", "false"], json!({"log_content": false})),
        (&["--on-limit", "refuse", "--enable"], json!({"disabled": false, "on_limit": "refuse"})),
        (
            &["--limit", "1", "--no-reset", "--enable"],
            json!({"disabled": false, "limit": 1, "limit_reset": null}),
        ),
    ] {
        let args = [&["keys", "update", HASH], args].concat();
        assert_eq!(asked(&args, 200, key()), (format!("PATCH /api/v1/keys/{HASH}"), body));
    }
}

#[test]
fn the_other_commands_ask_one_route_each() {
    let list = r#"{"data":[]}"#.to_owned();
    let get = |args: &[&str], answer: &str| asked(args, 200, answer.to_owned()).0;
    assert_eq!(get(&["keys", "list"], &list), "GET /api/v1/keys?limit=100&sort=-created_at");
    let all = [
        "keys",
        "list",
        "--search",
        "a&b c/ä",
        "--limit",
        "1000",
        "--sort",
        "-usage",
        "--after",
        HASH,
        "--include-disabled",
        "--include-expired",
    ];
    assert_eq!(
        get(&all, &list),
        format!(
            "GET /api/v1/keys?limit=1000&sort=-usage&q=a%26b%20c%2F%C3%A4&after={HASH}\
             &include_disabled=true&include_expired=true"
        )
    );
    assert_eq!(get(&["keys", "show", HASH], &key()), format!("GET /api/v1/keys/{HASH}"));
    assert_eq!(get(&["management-keys", "list"], &list), "GET /api/v1/management-keys");
    let revoke = get(&["management-keys", "revoke", HASH, "--yes"], r#"{"deleted":true}"#);
    assert_eq!(revoke, format!("DELETE /api/v1/management-keys/{HASH}"));
    for (args, seconds) in [(&[][..], 0), (&["--grace-period", "3600"], 3_600)] {
        let args = [&["keys", "rotate", HASH], args].concat();
        let expected = json!({"grace_period_seconds": seconds});
        let line = format!("POST /api/v1/keys/{HASH}/rotate");
        assert_eq!(asked(&args, 201, created()), (line, expected));
    }
}

#[test]
fn a_deletion_looks_first_what_it_deletes() {
    let gateway = Gateway::scripted(vec![(200, key()), (200, r#"{"deleted":true}"#.to_owned())]);
    let ended = end(keyway_at(&gateway, &["keys", "delete", HASH, "--yes"]));
    assert_eq!(ended.out, "Deleted ci (sk-or-v1-abc...123).\n");
    let expected = [format!("GET /api/v1/keys/{HASH}"), format!("DELETE /api/v1/keys/{HASH}")];
    assert_eq!(gateway.lines(), expected);
}

#[test]
fn an_idempotency_key_travels_as_a_header() {
    let gateway = Gateway::scripted(vec![(201, created())]);
    let args = ["keys", "create", "--name", "ci", "--idempotency-key", "run 17"];
    assert_eq!(end(keyway_at(&gateway, &args)).code, Some(0));
    assert_eq!(gateway.asked()[0].header("idempotency-key"), Some("run 17"));
}

#[test]
fn the_management_key_may_stand_in_a_file_and_the_address_in_an_argument() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "sk-or-v1-from-the-file\n").expect("written");
    let gateway = Gateway::scripted(vec![(200, key())]);
    let base_url = format!("{}/api/v1/", gateway.url);
    let path = file.path().to_str().expect("UTF-8");
    let args = ["keys", "--url", &base_url, "show", HASH, "--management-key-file", path];
    let mut command = keyway(&args);
    command.env("KEYWAY_MANAGEMENT_KEY", "sk-or-v1-from-the-environment");
    assert_eq!(end(command).code, Some(0));
    let asked = gateway.asked();
    assert_eq!(asked[0].line, format!("GET /api/v1/keys/{HASH}"));
    assert_eq!(asked[0].header("authorization"), Some("Bearer sk-or-v1-from-the-file"));
}
