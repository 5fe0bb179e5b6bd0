//! More connections and requests than a node takes.

use std::time::Duration;

use http::StatusCode;
use keyway_testkit::{Gateway, Provider, Script, eventually};
use serde_json::json;
use tokio::io::AsyncReadExt;

use super::{
    answer, connect, connect_from, gateway, key, others_are_served, refusal, say, until_closed,
};
use crate::setup;

const DESCRIPTION: &str = "GET /api/v1/openapi.json HTTP/1.1\r\nhost: gateway\r\n\r\n";

#[tokio::test]
async fn connections_beyond_their_number_are_told_so() {
    let gateway = gateway("connections_max = 3").await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut stream = connect(&gateway).await;
        say(&mut stream, DESCRIPTION).await;
        answer(&mut stream).await;
        held.push(stream);
    }
    let mut stream = connect(&gateway).await;
    say(&mut stream, DESCRIPTION).await;
    let said = until_closed(&mut stream).await;
    assert_eq!(refusal(&said).0, 503);
    assert!(said.contains("retry-after: 1\r\n"), "{said}");
    // Those that are open are served, and room is for others once they end.
    say(&mut held[0], DESCRIPTION).await;
    assert!(answer(&mut held[0]).await.starts_with("HTTP/1.1 200"));
    drop(held);
    eventually("there is room", async || {
        let reply =
            gateway.anonymous().try_send(http::Method::GET, "/api/v1/openapi.json", "").await;
        reply.is_some_and(|reply| reply.status == StatusCode::OK).then_some(())
    })
    .await;
}

#[tokio::test]
async fn one_address_leaves_connections_to_others() {
    let gateway = gateway("connections_per_address_max = 2").await;
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(connect_from(&gateway, [127, 0, 0, 7]).await);
    }
    let mut third = connect_from(&gateway, [127, 0, 0, 7]).await;
    assert_eq!(refusal(&until_closed(&mut third).await).0, 503);
    let mut other = connect_from(&gateway, [127, 0, 0, 8]).await;
    say(&mut other, DESCRIPTION).await;
    assert!(answer(&mut other).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_trusted_proxy_brings_many() {
    let lines = "connections_per_address_max = 1\ntrusted_proxies = [\"127.0.0.7\"]";
    let gateway = gateway(lines).await;
    let mut held = Vec::new();
    for _ in 0..5 {
        let mut stream = connect_from(&gateway, [127, 0, 0, 7]).await;
        say(&mut stream, DESCRIPTION).await;
        assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200"));
        held.push(stream);
    }
}

/// A stream that runs until it is dropped.
async fn occupy(gateway: &Gateway, key: &str) -> keyway_testkit::Streamed {
    let content = "#echo tokens=100000 each_ms=50\nhi";
    let stream = gateway.client(key).chat_stream("keyway/echo", content).await;
    let mut stream = stream.expect("a head");
    assert_eq!(stream.status, StatusCode::OK);
    stream.next().await.expect("it runs");
    stream
}

#[tokio::test]
async fn requests_beyond_their_number_are_shed_and_management_is_not() {
    let gateway = gateway("requests_max = 2\nrequests_waiting_max = 1").await;
    let key = key(&gateway).await;
    let _running = [occupy(&gateway, &key).await, occupy(&gateway, &key).await];
    let client = gateway.client(&key);
    let (one, two, three) = tokio::join!(
        client.chat("keyway/echo", "hi"),
        client.chat("keyway/echo", "hi"),
        client.chat("keyway/echo", "hi"),
    );
    for reply in [one, two, three] {
        assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(reply.headers["retry-after"], "1");
        assert_eq!(reply.error(), "This gateway has as much to do as it can; try again");
        let error_type = &reply.json()["error"]["metadata"]["error_type"];
        assert_eq!(*error_type, json!("provider_overloaded"));
    }
    let words = json!({"model": "keyway/echo", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]});
    let reply = client.post("/api/v1/messages", &words).await;
    assert_eq!(reply.json()["error"]["type"], "overloaded_error", "{reply:?}");
    assert_eq!(gateway.manager().get("/api/v1/keys").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_request_waits_for_its_turn_and_gets_it() {
    let gateway = setup().config("[server]\nrequests_max = 1\n").start().await;
    let key = key(&gateway).await;
    let client = gateway.client(&key);
    let brief = "#echo first_ms=100\nhi";
    let (one, two) =
        tokio::join!(client.chat("keyway/echo", brief), client.chat("keyway/echo", brief));
    assert_eq!((one.status, two.status), (StatusCode::OK, StatusCode::OK));
    others_are_served(&gateway, &key).await;
}

/// Half of them silent, half in the middle of a head, as many as one address may have.
#[tokio::test]
async fn a_crowd_that_says_nothing_leaves_others_be() {
    let gateway = gateway("connections_per_address_max = 2000").await;
    let key = key(&gateway).await;
    let mut crowd = Vec::new();
    for number in 0..2_000 {
        let mut stream = connect_from(&gateway, [127, 0, 0, 9]).await;
        if number % 2 == 0 {
            say(&mut stream, "GET /api/v1/models HTTP/1.1\r\nx: ").await;
        }
        crowd.push(stream);
        if number % 200 == 0 {
            others_are_served(&gateway, &key).await;
        }
    }
    for _ in 0..20 {
        others_are_served(&gateway, &key).await;
    }
    let mut one_more = connect_from(&gateway, [127, 0, 0, 9]).await;
    let mut said = Vec::new();
    one_more.read_to_end(&mut said).await.expect("an answer");
    assert!(said.starts_with(b"HTTP/1.1 503"), "{}", String::from_utf8_lossy(&said));
}

/// A provider that bears one request at a time is sent one; others go elsewhere, or are told to come again.
#[tokio::test]
async fn a_provider_is_sent_no_more_at_once_than_it_bears() {
    let (small, large) = (Provider::start().await, Provider::start().await);
    // Longer than both of the others wait for its turn.
    let long = vec![(Duration::from_secs(6), "data: [DONE]\n\n".to_owned())];
    let chunk = json!({"choices": [{"index": 0, "delta": {"content": "hi"}}]});
    let said = (Duration::ZERO, format!("data: {chunk}\n\n"));
    small.then(Script::Stream { pieces: [vec![said], long].concat(), breaks: false });
    let answer = json!({
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    });
    large.always(Script::json(200, &answer));
    let provider = |slug: &str, at: &Provider, more: &str| {
        format!(
            "[[providers]]\nslug = \"{slug}\"\ndialect = \"openai\"\nbase_url = \"{}\"\n{more}\n",
            at.base_url
        )
    };
    let endpoint = |slug: &str| {
        format!(
            "[[models.endpoints]]\nprovider = \"{slug}\"\nupstream_model = \"m\"\npricing = {{ prompt = \"0\", completion = \"0\" }}\n"
        )
    };
    let model = |id: &str| format!("[[models]]\nid = \"acme/{id}\"\ncontext_length = 8000\n");
    let toml = provider("small", &small, "requests_max = 1")
        + &provider("large", &large, "")
        + &(model("one") + &endpoint("small"))
        + &(model("two") + &endpoint("small") + &endpoint("large"));
    let gateway = setup().config(&toml).start().await;
    let key = key(&gateway).await;
    let client = gateway.client(&key);
    let mut running = client.chat_stream("acme/one", "hi").await.expect("a head");
    running.next().await.expect("it runs");

    let refused = client.chat("acme/one", "hi").await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{refused:?}");
    assert_eq!(refused.headers["retry-after"], "1");
    let order = json!({
        "model": "acme/two", "provider": {"order": ["small", "large"]},
        "messages": [{"role": "user", "content": "hi"}],
    });
    let elsewhere = client.post("/api/v1/chat/completions", &order).await;
    assert_eq!(elsewhere.status, StatusCode::OK, "{elsewhere:?}");
    assert_eq!((small.received().len(), large.received().len()), (1, 1));

    // Whoever is answered to the end gives the turn back.
    small.always(Script::json(200, &answer));
    running.rest().await;
    assert_eq!(client.chat("acme/one", "hi").await.status, StatusCode::OK);
}
