//! SIGTERM: no new work, what runs finishes, nothing is lost.

use keyway_testkit::{Gateway, eventually};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{gateway, setup};

async fn key(gateway: &Gateway) -> (String, String) {
    let (key, string) = gateway.manager().create_key(&json!({"name": "a", "limit": 1})).await;
    (key["hash"].as_str().expect("a hash").to_owned(), string)
}

#[tokio::test]
async fn streams_in_flight_finish_within_the_grace() {
    let gateway = gateway().await;
    let (hash, string) = key(&gateway).await;
    let content = "#echo tokens=100 each_ms=10\nhi";
    let mut stream =
        gateway.client(&string).chat_stream("keyway/echo", content).await.expect("a head");
    stream.next().await.expect("an event");
    gateway.signal(Signal::TERM);
    let latecomer = gateway.anonymous();
    eventually("new connections are refused", async || {
        let refused = latecomer.try_send(http::Method::GET, "/api/v1/models", "").await.is_none();
        refused.then_some(())
    })
    .await;
    let events = stream.rest().await;
    assert_eq!(events.last().map(String::as_str), Some("[DONE]"));
    let told: Value = serde_json::from_str(&events[events.len() - 2]).expect("JSON");

    let stopped = gateway.finished().await;
    assert_eq!(stopped.status.code(), Some(0), "{}", stopped.log());
    let gateway = stopped.start().await;
    let usage = gateway.manager().key(&hash).await["usage"].to_string();
    assert_eq!(usage, told["usage"]["cost"].to_string());
}

#[tokio::test]
async fn streams_beyond_the_grace_are_cut_and_charged_what_was_delivered() {
    let gateway = setup().config("[server]\nshutdown_grace = \"200ms\"\n").start().await;
    let (hash, string) = key(&gateway).await;
    let content = "#echo tokens=5000 each_ms=20\nhi";
    let mut stream =
        gateway.client(&string).chat_stream("keyway/echo", content).await.expect("a head");
    stream.next().await.expect("an event");
    gateway.signal(Signal::TERM);
    let events = stream.rest().await;
    let last: Value = serde_json::from_str(events.last().expect("an event")).expect("JSON");
    assert_eq!(last["error"]["code"], 503, "{last}");
    let delivered = events.len();
    let stopped = gateway.finished().await;
    assert_eq!(stopped.status.code(), Some(0), "{}", stopped.log());

    let gateway = stopped.start().await;
    let usage = gateway.manager().key(&hash).await["usage"].to_string();
    // 31 bytes of prompt are 8 tokens; each event but the last carried a token.
    let charged = keyway_core::money::Nanos::parse_limit(&usage).expect("an amount").get();
    let expected = 8_000 + 2_000 * i64::try_from(delivered).expect("few");
    assert!((charged - expected).abs() <= 4_000, "{charged} for {delivered} tokens");
}

#[tokio::test]
async fn an_idle_gateway_stops_at_once() {
    let stopped = gateway().await.terminate().await;
    assert_eq!(stopped.status.code(), Some(0));
    assert_eq!(stopped.printed, Vec::<String>::new());
}
