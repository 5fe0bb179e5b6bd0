//! Clients that take their time.

use std::time::Duration;

use http::StatusCode;
use keyway_testkit::eventually;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpSocket;
use tokio::time::Instant;

use super::{
    address, answer, connect, gateway, key, others_are_served, refusal, say, until_closed,
};

const MODELS: &str = "GET /api/v1/openapi.json HTTP/1.1\r\nhost: gateway\r\n\r\n";

#[tokio::test]
async fn a_head_that_does_not_come_is_not_waited_for() {
    let gateway = gateway("head_timeout = \"300ms\"\nidle_timeout = \"1h\"").await;
    let key = key(&gateway).await;
    let mut slow = Vec::new();
    for number in 0..200 {
        let mut stream = connect(&gateway).await;
        if number % 2 == 0 {
            say(&mut stream, "POST /api/v1/chat/completions HTTP/1.1\r\nhost: gat").await;
        }
        slow.push(stream);
    }
    others_are_served(&gateway, &key).await;
    for (number, mut stream) in slow.into_iter().enumerate() {
        let said = until_closed(&mut stream).await;
        if number % 2 == 0 {
            let (status, body) = refusal(&said);
            assert_eq!(status, 408);
            let message = "The head of the request took longer than 300ms";
            assert_eq!(body["error"]["message"], message);
        } else {
            assert_eq!(said, "", "who says nothing is told nothing");
        }
    }
    others_are_served(&gateway, &key).await;
}

/// The first request came at once; a later one gets no more time than it.
#[tokio::test]
async fn a_later_head_is_not_waited_for_either() {
    let gateway = gateway("head_timeout = \"300ms\"\nidle_timeout = \"1h\"").await;
    let mut stream = connect(&gateway).await;
    say(&mut stream, MODELS).await;
    answer(&mut stream).await;
    say(&mut stream, "GET /api/v1/mod").await;
    assert_eq!(refusal(&until_closed(&mut stream).await).0, 408);
}

#[tokio::test]
async fn a_connection_that_nothing_is_asked_on_is_closed() {
    let gateway = gateway("idle_timeout = \"300ms\"\nhead_timeout = \"1h\"").await;
    let mut stream = connect(&gateway).await;
    say(&mut stream, MODELS).await;
    assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200 OK"));
    assert_eq!(until_closed(&mut stream).await, "");
    others_are_served(&gateway, &key(&gateway).await).await;
}

/// A request with `body`, as it goes over the connection.
fn chat(key: &str, body: &Value) -> String {
    let body = body.to_string();
    format!(
        "POST /api/v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {key}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Silence counts from the end of the last request, also where that took longer than silence may.
#[tokio::test]
async fn a_connection_that_was_busy_for_long_is_closed_as_well() {
    let gateway = gateway("idle_timeout = \"300ms\"\nhead_timeout = \"1h\"").await;
    let key = key(&gateway).await;
    let mut stream = connect(&gateway).await;
    let mut asked = None;
    for first_ms in [0, 200, 200, 1_000] {
        asked = Some(Instant::now());
        let content = format!("#echo first_ms={first_ms}\nhi");
        let body = json!({
            "model": "keyway/echo",
            "messages": [{"role": "user", "content": content}],
        });
        say(&mut stream, &chat(&key, &body)).await;
        assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200 OK"));
    }
    assert_eq!(until_closed(&mut stream).await, "");
    let took = asked.expect("it was asked").elapsed();
    assert!(took >= Duration::from_millis(1_300), "it was closed too early");
}

/// A request that runs is no idle connection, however long it takes.
#[tokio::test]
async fn a_long_answer_is_waited_for() {
    let gateway = gateway("idle_timeout = \"500ms\"\nhead_timeout = \"500ms\"").await;
    let content = "#echo first_ms=1000 each_ms=200 tokens=5\nhi";
    let key = key(&gateway).await;
    let stream = gateway.client(&key).chat_stream("keyway/echo", content).await.expect("a head");
    assert_eq!(stream.rest().await.last().map(String::as_str), Some("[DONE]"));
    // On a connection of its own: the other one may be closed by now.
    assert_eq!(gateway.client(&key).chat("keyway/echo", content).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let gateway = gateway("body_timeout = \"300ms\"").await;
    let key = key(&gateway).await;
    let mut slow = Vec::new();
    for _ in 0..20 {
        let mut stream = connect(&gateway).await;
        let head = format!(
            "POST /api/v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {key}\r\n\
             content-length: 1000\r\n\r\n{{\"model\""
        );
        say(&mut stream, &head).await;
        slow.push(stream);
    }
    others_are_served(&gateway, &key).await;
    for mut stream in slow {
        let (status, body) = refusal(&until_closed(&mut stream).await);
        assert_eq!(status, 408);
        assert_eq!(
            body["error"]["message"],
            "The request's body comes too slowly: it is not here after 300ms"
        );
    }
}

/// In its first ten seconds a body may come as it likes; then so much of it has to be here.
#[tokio::test]
async fn a_body_that_trickles_is_not_waited_for() {
    let gateway = gateway("body_bytes_per_second_min = 1000").await;
    let key = key(&gateway).await;
    let mut stream = connect(&gateway).await;
    let head = format!(
        "POST /api/v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {key}\r\n\
         content-length: 100000\r\n\r\n{{\"model\""
    );
    say(&mut stream, &head).await;
    others_are_served(&gateway, &key).await;
    let (status, body) = refusal(&until_closed(&mut stream).await);
    assert_eq!(status, 408);
    let message = "The request's body comes too slowly: it is not here after 10s";
    assert_eq!(body["error"]["message"], message);
}

/// The answer fits into no buffer of the connection. It is charged, as if the client had left.
#[tokio::test]
async fn an_answer_that_is_not_read_is_given_up() {
    let gateway = gateway("write_timeout = \"300ms\"").await;
    let manager = gateway.manager();
    let (object, string) = manager.create_key(&json!({"name": "a", "limit": 10})).await;
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4_096).expect("a small buffer");
    let mut stream = socket.connect(address(&gateway)).await.expect("a connection");
    let body = json!({
        "model": "keyway/echo",
        "stream": true,
        "messages": [{"role": "user", "content": "#echo tokens=100000\nhi"}],
    });
    say(&mut stream, &chat(&string, &body)).await;
    let mut first = [0; 12];
    stream.read_exact(&mut first).await.expect("an answer begins");
    assert_eq!(&first, b"HTTP/1.1 200");
    others_are_served(&gateway, &string).await;

    let hash = object["hash"].as_str().expect("a hash");
    eventually("the request is settled", async || {
        let key = manager.key(hash).await;
        let is_settled = key["held"].as_f64() == Some(0.0) && key["usage"].as_f64() > Some(0.1);
        is_settled.then_some(())
    })
    .await;
    let rest = until_closed(&mut stream).await;
    assert!(!rest.contains("[DONE]"), "it was given up");
}
