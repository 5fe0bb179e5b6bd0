//! What an operator sees: figures on a listener of their own, probes, a line in the log.

use std::collections::BTreeSet;

use http::{Method, StatusCode};
use keyway_testkit::{Client, Gateway};
use serde_json::{Value, json};

use crate::{gateway, setup};

const OPERATING: &str = include_str!("../../../../docs/operating.md");

async fn counting() -> (Gateway, Client) {
    let gateway = setup().config("[metrics]\nlisten = \"127.0.0.1:0\"\n").start().await;
    let line = gateway.welcome.iter().find_map(|line| line.strip_prefix("metrics on "));
    let url = line.expect("it says where").strip_suffix("/metrics").expect("the path");
    let scraper = gateway.anonymous().at(url);
    (gateway, scraper)
}

async fn scrape(scraper: &Client) -> String {
    let reply = scraper.get("/metrics").await;
    assert_eq!(reply.status, StatusCode::OK);
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(reply.headers["content-type"], kind);
    String::from_utf8(reply.body.to_vec()).expect("text")
}

/// The figure of the line that begins with `name` and has all of `labels`.
fn figure(text: &str, name: &str, labels: &[&str]) -> f64 {
    let line = text.lines().find(|line| {
        line.split(['{', ' ']).next() == Some(name)
            && labels.iter().all(|label| line.contains(label))
    });
    let value = line.and_then(|line| line.rsplit(' ').next()?.parse().ok());
    value.unwrap_or_else(|| panic!("no {name} with {labels:?} in\n{text}"))
}

#[tokio::test]
async fn figures_say_what_happened_and_name_no_key() {
    let (gateway, scraper) = counting().await;
    let manager = gateway.manager();
    let (object, string) = manager.create_key(&json!({"name": "a", "limit": 0.01})).await;
    let client = gateway.client(&string);
    // A prompt of 2 bytes is a token, and so is what is said of it: $0.000003.
    assert_eq!(client.chat("keyway/echo", "hi").await.status, StatusCode::OK);
    let stream = client.chat_stream("keyway/echo", "hi").await.expect("a head");
    stream.rest().await;
    assert_eq!(
        client.chat("keyway/echo", "#echo fail=503").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    let (_, poor) = manager.create_key(&json!({"name": "poor", "limit": 0.000_001})).await;
    let refused = gateway.client(&poor).chat("keyway/echo", "hi").await;
    assert_eq!(refused.status, StatusCode::PAYMENT_REQUIRED);

    let text = scrape(&scraper).await;
    let echo = "model=\"keyway/echo\",provider=\"keyway\"";
    for streamed in ["streamed=\"false\"", "streamed=\"true\""] {
        let labels = [echo, "ending=\"completed\"", "fault=\"none\"", streamed];
        assert!((figure(&text, "keyway_requests_total", &labels) - 1.0).abs() < 0.5);
        let labels = ["provider=\"keyway\"", streamed];
        assert!((figure(&text, "keyway_first_byte_seconds_count", &labels) - 1.0).abs() < 0.5);
    }
    let failed = [echo, "ending=\"provider_failed\"", "fault=\"provider\""];
    assert!((figure(&text, "keyway_requests_total", &failed) - 1.0).abs() < 0.5);
    let reason = ["status=\"402\"", "reason=\"key_limit\""];
    assert!((figure(&text, "keyway_refusals_total", &reason) - 1.0).abs() < 0.5);
    assert!((figure(&text, "keyway_charged_nanodollars_total", &[echo]) - 6_000.0).abs() < 0.5);
    assert!((figure(&text, "keyway_tokens_total", &[echo, "kind=\"prompt\""]) - 2.0).abs() < 0.5);
    assert!(figure(&text, "keyway_admission_seconds_count", &[]) > 1.5);
    assert!((figure(&text, "keyway_gate_seconds_count", &["first_byte"]) - 1.0).abs() < 0.5);
    assert!(figure(&text, "keyway_gate_seconds_count", &["last_byte"]) > 1.5);
    assert!(figure(&text, "keyway_connections_open", &[]) > 0.5);
    // The installation is leased to the only node, and each request is charged in some transaction.
    assert!(figure(&text, "keyway_leases_total", &["event=\"granted\""]) > 0.5);
    assert!(figure(&text, "keyway_commit_calls_sum", &[]) > 2.5);
    let commits = figure(&text, "keyway_commit_calls_count", &[]);
    assert!(commits > 0.5);
    assert!((figure(&text, "keyway_commit_seconds_count", &[]) - commits).abs() < 0.5);
    assert!(figure(&text, "keyway_shed_total", &["reason=\"requests\""]) < 0.5);
    let hash = object["hash"].as_str().expect("a hash");
    assert!(!text.contains(&string) && !text.contains(&hash[..12]), "{text}");
    // They are not where clients are.
    assert_eq!(gateway.anonymous().get("/metrics").await.status, StatusCode::NOT_FOUND);
    assert_eq!(scraper.get("/api/v1/models").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_documented_figures_are_those_that_are_there() {
    let (gateway, scraper) = counting().await;
    let (_, string) = gateway.manager().create_key(&json!({"name": "a"})).await;
    let client = gateway.client(&string);
    client.chat_stream("keyway/echo", "hi").await.expect("a head").rest().await;
    gateway.client("sk-none").get("/api/v1/key").await;
    let text = scrape(&scraper).await;
    let names = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let there: BTreeSet<&str> = names.collect();
    let rows = OPERATING.lines().filter_map(|line| line.strip_prefix("| `keyway_"));
    let documented: BTreeSet<String> =
        rows.filter_map(|row| Some(format!("keyway_{}", row.split('`').next()?))).collect();
    assert_eq!(there, documented.iter().map(String::as_str).collect());
    // And each with the labels that its row says, in this order.
    for row in OPERATING.lines().filter(|line| line.starts_with("| `keyway_")) {
        let cells: Vec<&str> = row.split('|').collect();
        let name = cells[1].trim().trim_matches('`');
        let said = cells[2].split('`').skip(1).step_by(2).collect::<Vec<_>>();
        let line = text.lines().find(|line| line.starts_with(name) && !line.starts_with('#'));
        let line = line.unwrap_or_else(|| panic!("no {name}"));
        let labels = line.split_once('{').map_or("", |(_, rest)| rest);
        let found: Vec<&str> = labels
            .split("\",")
            .filter_map(|label| Some(label.split_once("=\"")?.0))
            .filter(|label| *label != "le")
            .collect();
        assert_eq!(found, said, "{line}");
    }
}

#[tokio::test]
async fn without_a_listener_nothing_is_told() {
    let gateway = gateway().await;
    assert!(!gateway.welcome.iter().any(|line| line.contains("metrics")));
    let reply = gateway.anonymous().get("/metrics").await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn probes_tell_whether_it_runs_and_takes_requests() {
    let gateway = gateway().await;
    for path in ["/healthz", "/readyz"] {
        let reply = gateway.anonymous().send(Method::GET, path, "").await;
        assert_eq!(
            (reply.status, reply.json()),
            (StatusCode::OK, json!({"status": "ok"})),
            "{path}"
        );
    }
}

#[tokio::test]
async fn each_request_has_a_line_with_its_id() {
    let gateway = setup().variable("KEYWAY_LOG_FORMAT", "json").start().await;
    let (_, string) = gateway.manager().create_key(&json!({"name": "a"})).await;
    let content = "a prompt that nobody logs";
    let reply = gateway.client(&string).chat("keyway/echo", content).await;
    let id = reply.headers["x-generation-id"].to_str().expect("text").to_owned();
    let failed = gateway.client(&string).chat("keyway/echo", "#echo fail=503").await;
    assert_eq!(failed.status, StatusCode::SERVICE_UNAVAILABLE);
    let log = gateway.terminate().await.log();
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect();
    let of = |message: &str| {
        let line = lines.iter().find(|line| line["message"] == message);
        line.unwrap_or_else(|| panic!("no {message:?} in {log}"))
    };
    assert_eq!(of("a request was accepted")["id"], id);
    let settled = of("a request was settled");
    assert_eq!((&settled["id"], &settled["ending"]), (&json!(id), &json!("completed")));
    assert_eq!(
        (&settled["model"], &settled["provider"]),
        (&json!("keyway/echo"), &json!("keyway"))
    );
    let endings: Vec<&Value> = lines
        .iter()
        .filter(|line| line["message"] == "a request was settled")
        .map(|line| &line["ending"])
        .collect();
    assert_eq!(endings, ["completed", "provider_failed"]);
    assert!(!log.contains(content) && !log.contains(&string), "{log}");
}
