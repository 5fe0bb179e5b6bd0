//! Naming a key by the first digits of its hash.

use serde_json::{Value, json};

use super::gateway::Gateway;
use super::{end, keyway_at};

const LIST: &str = "GET /api/v1/keys?include_disabled=true&include_expired=true&limit=1000";

/// A hash that begins with `digits`.
fn hash(digits: &str) -> String {
    format!("{digits:0<64}")
}

fn keys(hashes: &[String]) -> String {
    let keys: Vec<Value> = hashes.iter().map(|hash| json!({"hash": hash, "name": "n"})).collect();
    json!({"data": keys}).to_string()
}

#[test]
fn the_first_digits_are_enough_where_they_are_unique() {
    let list = keys(&[hash("abc123"), hash("abc124")]);
    let gateway = Gateway::scripted(vec![(200, list), (200, r#"{"data":{}}"#.to_owned())]);
    assert_eq!(end(keyway_at(&gateway, &["keys", "show", "ABC124"])).code, Some(0));
    let show = format!("GET /api/v1/keys/{}", hash("abc124"));
    assert_eq!(gateway.lines(), [LIST.to_owned(), show]);
}

#[test]
fn all_pages_are_searched() {
    let first: Vec<_> = (0..1_000).map(|n| hash(&format!("f{n:05}"))).collect();
    let second = keys(&[hash("abc123")]);
    let answers = vec![(200, keys(&first)), (200, second), (200, r#"{"data":{}}"#.to_owned())];
    let gateway = Gateway::scripted(answers);
    assert_eq!(end(keyway_at(&gateway, &["keys", "show", "abc123"])).code, Some(0));
    let after = format!("{LIST}&after={}", first[999]);
    let show = format!("GET /api/v1/keys/{}", hash("abc123"));
    assert_eq!(gateway.lines(), [LIST.to_owned(), after, show]);
}

#[test]
fn nothing_is_done_where_several_keys_are_meant() {
    let list = keys(&[hash("abc1231"), hash("abc1232"), hash("fff")]);
    let gateway = Gateway::scripted(vec![(200, list)]);
    let ended = end(keyway_at(&gateway, &["keys", "delete", "abc123", "--yes"]));
    assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""));
    let expected = format!(
        "error: 2 keys have a hash that begins with abc123:\n  {}  n\n  {}  n\n",
        hash("abc1231"),
        hash("abc1232")
    );
    assert_eq!(ended.err, expected);
    assert_eq!(gateway.lines(), [LIST]);
}

#[test]
fn nothing_is_done_where_no_key_is_meant() {
    let gateway = Gateway::scripted(vec![(200, keys(&[hash("abc123")]))]);
    let ended = end(keyway_at(&gateway, &["keys", "delete", "abc124", "--yes"]));
    assert_eq!(ended.code, Some(1));
    assert_eq!(ended.err, "error: there is no key whose hash begins with abc124\n");
}

#[test]
fn a_key_string_is_not_taken_and_not_repeated() {
    for text in ["sk-or-v1-planted", "abc12", "", "xyz123", &hash("a").repeat(2)] {
        let gateway = Gateway::scripted(Vec::new());
        let ended = end(keyway_at(&gateway, &["keys", "show", text]));
        assert_eq!(ended.code, Some(2), "{text}");
        assert!(ended.err.starts_with("error: this names no key; allowed: "), "{}", ended.err);
        assert!(!ended.err.contains("planted"), "{}", ended.err);
        assert!(gateway.asked().is_empty());
    }
}
