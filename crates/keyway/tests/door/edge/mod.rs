//! What clients may take of a node: each limit is met once, and others are served meanwhile.

mod crowded;
mod http2;
mod sizes;
mod slow;
mod strangers;

use std::net::SocketAddr;

use http::StatusCode;
use keyway_testkit::{Gateway, PATIENCE};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::setup;

/// A gateway with these lines in the `[server]` section.
async fn gateway(lines: &str) -> Gateway {
    setup().config(&format!("[server]\n{lines}\n")).start().await
}

async fn key(gateway: &Gateway) -> String {
    gateway.manager().create_key(&json!({"name": "a", "limit": 10})).await.1
}

/// Somebody else is answered, with a completion.
async fn others_are_served(gateway: &Gateway, key: &str) {
    let reply = gateway.client(key).chat("keyway/echo", "hi").await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
}

fn address(gateway: &Gateway) -> SocketAddr {
    gateway.url.strip_prefix("http://").expect("a URL").parse().expect("an address")
}

async fn connect(gateway: &Gateway) -> TcpStream {
    TcpStream::connect(address(gateway)).await.expect("a connection")
}

/// A connection from another address of this machine.
async fn connect_from(gateway: &Gateway, address_here: [u8; 4]) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from((address_here, 0))).expect("an address of this machine");
    socket.connect(address(gateway)).await.expect("a connection")
}

async fn say(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.expect("it is said");
}

/// All that is still said before the gateway closes the connection.
async fn until_closed(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    let closed = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut said)).await;
    // A connection may also be closed by force.
    let _ = closed.expect("the gateway closes it");
    String::from_utf8(said).expect("text")
}

/// One answer on a connection that stays open: it is as long as it says.
async fn answer(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    let answered = async {
        loop {
            let text = String::from_utf8_lossy(&said).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                if length.is_some_and(|length| length.parse() == Ok(body.len())) {
                    return text;
                }
            }
            assert!(stream.read_buf(&mut said).await.expect("more") > 0, "it ended: {text}");
        }
    };
    tokio::time::timeout(PATIENCE, answered).await.expect("an answer")
}

/// The status of an answer, and its body in the envelope of errors.
fn refusal(said: &str) -> (u16, Value) {
    let (head, body) = said.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {said:?}"));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    let body: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("no JSON: {said:?}"));
    assert_eq!(body["error"]["code"], status, "{body}");
    (status, body)
}
