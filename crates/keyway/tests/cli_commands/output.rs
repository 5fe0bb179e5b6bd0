//! What goes where: results to standard output, remarks and errors to standard error.

use std::io::Read;
use std::process::Stdio;

use serde_json::json;

use super::gateway::Gateway;
use super::{end, keyway_at};

const HASH: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
/// Formatted as no library would, so that any rewriting shows.
const CREATED: &str =
    "{ \"data\": {\"name\":\"ci\",\"hash\":\"ba7816\",\"limit\":1.50},\n\"key\" :\"sk-or-v1-new\"}";

fn key(name: &str, limit: &str, remaining: &str, used: &str) -> String {
    format!(
        r#"{{"hash":"{HASH}","name":"{name}","label":"sk-or-v1-abc...123","disabled":false,
        "limit":{limit},"limit_remaining":{remaining},"limit_reset":"monthly","usage":7,
        "usage_daily":0,"usage_weekly":0.5,"usage_monthly":{used},"byok_usage":0,
        "created_at":"2026-01-02T03:04:05Z","updated_at":null,"expires_at":null,"last_used_at":null}}"#
    )
}

fn list() -> String {
    let limited = key("ci", "10", "2.500000001", "7.499999999");
    let unlimited = key("a\\u001b[31m name", "null", "null", "0");
    let spent =
        key("spent", "0.01", "0", "0.01").replace("\"disabled\":false", "\"disabled\":true");
    format!(r#"{{"data":[{limited},{unlimited},{spent}]}}"#)
}

#[test]
fn a_new_key_stands_alone_on_standard_output() {
    for command in [&["keys", "create", "--name", "ci"][..], &["keys", "rotate", HASH]] {
        let gateway = Gateway::scripted(vec![(201, CREATED.to_owned()); 3]);
        let people = end(keyway_at(&gateway, command));
        assert_eq!(people.out, "sk-or-v1-new\n");
        assert!(people.err.contains("shown this once"), "{}", people.err);
        assert!(!people.err.contains("sk-or-v1-new"), "{}", people.err);

        let quiet = end(keyway_at(&gateway, &[command, &["--quiet"]].concat()));
        assert_eq!((quiet.out.as_str(), quiet.err.as_str()), ("sk-or-v1-new\n", ""));

        let programs = end(keyway_at(&gateway, &[command, &["--json"]].concat()));
        assert_eq!((programs.out, programs.err.as_str()), (format!("{CREATED}\n"), ""));
    }
}

#[test]
fn programs_get_the_answer_as_it_is() {
    let document = "{\"data\":  [ {\"usage\":0.10, \"new_field\": 1e2} ]}";
    for command in [
        &["keys", "list"][..],
        &["keys", "show", HASH],
        &["keys", "update", HASH, "--enable"],
        &["management-keys", "list"],
        &["management-keys", "revoke", HASH],
    ] {
        let gateway = Gateway::scripted(vec![(200, document.to_owned())]);
        let ended = end(keyway_at(&gateway, &[command, &["--json"]].concat()));
        assert_eq!((ended.out, ended.err.as_str()), (format!("{document}\n"), ""), "{command:?}");
    }
}

#[test]
fn people_get_a_table() {
    let gateway = Gateway::scripted(vec![(200, list())]);
    let ended = end(keyway_at(&gateway, &["keys", "list"]));
    let expected = "\
HASH          NAME         KEY                     LIMIT  RESET            USED     REMAINING              STATUS
ba7816bf8f01  ci           sk-or-v1-abc...123        $10  monthly  $7.499999999  $2.500000001  ███████░░░  active
ba7816bf8f01  a\u{fffd}[31m name  sk-or-v1-abc...123  unlimited  monthly            $0                            active
ba7816bf8f01  spent        sk-or-v1-abc...123      $0.01  monthly         $0.01            $0  ██████████  disabled
";
    assert_eq!(ended.out, expected);
}

#[test]
fn rate_limits_are_shown_where_there_are_some() {
    let own = r#""requests_per_minute":60,"tokens_per_minute":null,"max_concurrent_requests":4,"on_limit":"clamp","log_content":true,"byok_usage""#;
    let limited = key("ci", "null", "null", "0").replace("\"byok_usage\"", own);
    let gateway = Gateway::scripted(vec![
        (200, format!(r#"{{"data":[{limited},{}]}}"#, key("free", "null", "null", "0"))),
        (200, format!(r#"{{"data":{limited}}}"#)),
    ]);
    let listed = end(keyway_at(&gateway, &["keys", "list"])).out;
    let lines: Vec<&str> = listed.lines().collect();
    assert!(lines[0].ends_with("STATUS  RATE LIMITS"), "{listed}");
    assert!(lines[1].ends_with("active  60 requests/min, 4 at once"), "{listed}");
    assert!(lines[2].ends_with("active"), "{listed}");
    let shown = end(keyway_at(&gateway, &["keys", "show", HASH])).out;
    let facts: Vec<Vec<&str>> =
        shown.lines().map(|line| line.split_whitespace().collect()).collect();
    for fact in [
        &["on", "limit", "clamp"][..],
        &["requests", "a", "minute", "60"],
        &["tokens", "a", "minute", "default"],
        &["requests", "at", "once", "4"],
        &["what", "is", "said", "kept"],
    ] {
        assert!(facts.iter().any(|known| known == fact), "{fact:?} in {shown}");
    }
}

#[test]
fn colours_are_for_terminals_and_for_who_forces_them() {
    let escape = '\u{1b}';
    for (variables, coloured) in [
        (&[][..], false),
        (&[("CLICOLOR_FORCE", "1")][..], true),
        (&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")][..], false),
    ] {
        let gateway = Gateway::scripted(vec![(200, list())]);
        let mut command = keyway_at(&gateway, &["keys", "list"]);
        command.envs(variables.iter().copied());
        let ended = end(command);
        assert_eq!(ended.out.contains(escape), coloured, "{variables:?}");
        assert!(!ended.out.contains("\u{1b}[31m name"), "the name is obeyed: {}", ended.out);
    }
}

#[test]
fn an_empty_list_and_a_full_page_are_remarked_on() {
    let gateway = Gateway::scripted(vec![(200, r#"{"data":[]}"#.to_owned()), (200, list())]);
    let empty = end(keyway_at(&gateway, &["keys", "list"]));
    assert_eq!((empty.code, empty.out.as_str()), (Some(0), ""));
    assert!(empty.err.contains("keyway keys create"), "{}", empty.err);
    let full = end(keyway_at(&gateway, &["keys", "list", "--limit", "3"]));
    assert_eq!(full.err, "There may be more: --after ba7816bf8f01\n");
}

#[test]
fn one_key_is_told_in_full() {
    let data = key("ci", "10", "2.5", "7.5");
    let gateway = Gateway::scripted(vec![(200, format!("{{\"data\":{data}}}"))]);
    let ended = end(keyway_at(&gateway, &["keys", "show", HASH]));
    for line in [HASH, "$7.5", "monthly", "2026-01-02T03:04:05Z"] {
        assert!(ended.out.contains(line), "{line}: {}", ended.out);
    }
}

#[test]
fn nobody_reading_is_a_failure_without_a_word() {
    let many: Vec<String> = (0..1_000).map(|_| key("ci", "1", "1", "0")).collect();
    let gateway = Gateway::scripted(vec![(200, format!("{{\"data\":[{}]}}", many.join(",")))]);
    let mut command = keyway_at(&gateway, &["keys", "list", "--limit", "1000"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    drop(child.stdout.take());
    let mut err = String::new();
    child.stderr.take().expect("it is piped").read_to_string(&mut err).expect("UTF-8");
    assert_eq!((child.wait().expect("it ends").code(), err.as_str()), (Some(1), ""));
}

#[test]
fn answers_that_lack_the_key_are_not_taken_for_one() {
    let gateway = Gateway::scripted(vec![(201, json!({"data": {}}).to_string())]);
    let ended = end(keyway_at(&gateway, &["keys", "create", "--name", "ci", "--quiet"]));
    assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""));
}
