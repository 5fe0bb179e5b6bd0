//! HTTP/2 on the same port, known by its first bytes.

use bytes::Bytes;
use http::{Method, Request, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use keyway_testkit::{Gateway, eventually};
use serde_json::json;
use tokio::io::AsyncWriteExt;

use super::{connect, gateway, key, others_are_served, until_closed};

type Sender = SendRequest<Full<Bytes>>;

async fn open(gateway: &Gateway) -> Sender {
    open_with(gateway, &Builder::new(TokioExecutor::new())).await
}

async fn open_with(gateway: &Gateway, builder: &Builder<TokioExecutor>) -> Sender {
    let socket = TokioIo::new(connect(gateway).await);
    let (sender, connection) = builder.handshake(socket).await.expect("HTTP/2");
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    tokio::spawn(connection);
    sender
}

fn chat(gateway: &Gateway, key: &str, content: &str, stream: bool) -> Request<Full<Bytes>> {
    let body = json!({
        "model": "keyway/echo",
        "stream": stream,
        "messages": [{"role": "user", "content": content}],
    });
    Request::builder()
        .method(Method::POST)
        .uri(format!("{}/api/v1/chat/completions", gateway.url))
        .header("authorization", format!("Bearer {key}"))
        .body(Full::new(body.to_string().into()))
        .expect("a request")
}

async fn text(response: http::Response<hyper::body::Incoming>) -> String {
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    String::from_utf8(body.to_vec()).expect("text")
}

#[tokio::test]
async fn plain_answers_and_streams_share_a_connection() {
    let gateway = gateway("").await;
    let key = key(&gateway).await;
    let mut sender = open(&gateway).await;
    let stream = sender.send_request(chat(&gateway, &key, "#echo tokens=20 each_ms=5\nhi", true));
    let stream = stream.await.expect("a head");
    assert_eq!((stream.status(), stream.version()), (StatusCode::OK, Version::HTTP_2));
    let plain = sender.send_request(chat(&gateway, &key, "hello", false)).await.expect("a head");
    assert!(text(plain).await.contains("hello"));
    let stream = text(stream).await;
    assert!(stream.ends_with("data: [DONE]\n\n"), "{stream}");
    let wrong =
        sender.send_request(chat(&gateway, "sk-none", "hello", false)).await.expect("a head");
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
}

/// More than the limit wait inside the client, which was told it.
#[tokio::test]
async fn a_connection_has_so_many_streams_and_no_more() {
    let gateway =
        gateway("http2_streams_max = 2\nrequests_max = 2\nrequests_waiting_max = 2").await;
    let key = key(&gateway).await;
    let mut sender = open(&gateway).await;
    // From the first answer on it knows the limit.
    let first = sender.send_request(chat(&gateway, &key, "hello", false)).await.expect("a head");
    text(first).await;
    let requests = (0..8).map(|_| {
        let mut sender = sender.clone();
        let request = chat(&gateway, &key, "#echo first_ms=20\nhi", false);
        async move { sender.send_request(request).await.expect("a head").status() }
    });
    // Where all of them came at once, some would be refused.
    let statuses = futures_util::future::join_all(requests).await;
    assert!(statuses.iter().all(|status| *status == StatusCode::OK), "{statuses:?}");
}

#[tokio::test]
async fn connections_that_ask_nothing_are_closed_here_too() {
    let gateway = gateway("head_timeout = \"300ms\"\nidle_timeout = \"300ms\"").await;
    let key = key(&gateway).await;
    let mut silent = connect(&gateway).await;
    silent.write_all(b"PRI * HTTP/2.0\r\n\r\n").await.expect("it is said");
    let mut sender = open(&gateway).await;
    let answered = sender.send_request(chat(&gateway, &key, "hello", false)).await.expect("a head");
    text(answered).await;
    others_are_served(&gateway, &key).await;
    assert_eq!(until_closed(&mut silent).await, "");
    // It is told that the connection ends, or finds it ended.
    let ready = tokio::time::timeout(keyway_testkit::PATIENCE, async {
        while sender.ready().await.is_ok() {
            tokio::task::yield_now().await;
        }
    });
    ready.await.expect("it is closed");
}

/// Streams that are opened only to be reset cost the gateway more than the client.
#[tokio::test]
async fn a_client_that_resets_what_it_opens_is_hung_up_on() {
    let gateway = gateway("").await;
    let key = key(&gateway).await;
    let mut stream = connect(&gateway).await;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.expect("it is said");
    stream.write_all(&frame(4, 0, 0, &[])).await.expect("settings");
    let mut flood = Vec::new();
    for number in 0..2_000_u32 {
        let id = number * 2 + 1;
        // GET / of http, by the static table; the authority is not needed.
        flood.extend(frame(1, 0x5, id, &[0x82, 0x84, 0x86]));
        flood.extend(frame(3, 0, id, &8_u32.to_be_bytes()));
    }
    // It may be hung up on before all was said.
    let _ = stream.write_all(&flood).await;
    until_closed_bytes(&mut stream).await;
    others_are_served(&gateway, &key).await;
}

/// A client that gives a stream no window is given up on that stream, and what waits for it counts; the
/// connection's other streams go on.
#[tokio::test]
async fn a_stream_that_is_not_read_is_given_up_and_no_other() {
    let lines = "write_timeout = \"400ms\"\n[metrics]\nlisten = \"127.0.0.1:0\"";
    let gateway = gateway(lines).await;
    let manager = gateway.manager();
    let (object, key) = manager.create_key(&json!({"name": "a", "limit": 10})).await;
    let mut small = Builder::new(TokioExecutor::new());
    small.initial_stream_window_size(16_384);
    let mut sender = open_with(&gateway, &small).await;
    let content = "#echo tokens=100000\nhi";
    let whole = sender.send_request(chat(&gateway, &key, content, false)).await.expect("a head");
    let stream = sender.send_request(chat(&gateway, &key, content, true)).await.expect("a head");
    assert_eq!((whole.status(), stream.status()), (StatusCode::OK, StatusCode::OK));
    // One that has nothing to say for longer than that is none of them.
    let slow = sender.send_request(chat(&gateway, &key, "#echo tokens=3 each_ms=600\nhi", true));
    let slow = slow.await.expect("a head");
    assert!(held(&gateway).await > 300_000, "{}", held(&gateway).await);
    eventually("both are given up", async || (held(&gateway).await < 100_000).then_some(())).await;
    let hash = object["hash"].as_str().expect("a hash");
    assert!(text(slow).await.ends_with("data: [DONE]\n\n"));
    for unread in [whole, stream] {
        assert!(unread.into_body().collect().await.is_err(), "it was reset");
    }
    let next = sender.send_request(chat(&gateway, &key, "hello", false)).await.expect("a head");
    assert!(text(next).await.contains("hello"));
    eventually("the stream is settled", async || {
        let key = manager.key(hash).await;
        (key["held"].as_f64() == Some(0.0)).then_some(())
    })
    .await;
}

/// Not even where the client lacks nothing but the last byte of an answer.
#[tokio::test]
async fn a_stream_that_is_read_but_for_its_last_byte_is_given_up() {
    let gateway = gateway("write_timeout = \"400ms\"\nhttp2_streams_max = 1").await;
    let key = key(&gateway).await;
    let url = format!("{}/api/v1/openapi.json", gateway.url);
    let get = || Request::get(&url).body(Full::default()).expect("a request");
    let whole = open(&gateway).await.send_request(get()).await.expect("a head");
    let length = u32::try_from(text(whole).await.len()).expect("not too long");
    let mut window = Builder::new(TokioExecutor::new());
    window.initial_connection_window_size(length * 2).initial_stream_window_size(length - 1);
    let mut sender = open_with(&gateway, &window).await;
    // From the first answer on it knows that it may have one stream.
    let first = sender.send_request(chat(&gateway, &key, "hello", false)).await.expect("a head");
    text(first).await;
    let unread = sender.send_request(get()).await.expect("a head");
    let next = sender.send_request(chat(&gateway, &key, "hello", false));
    let next = tokio::time::timeout(keyway_testkit::PATIENCE, next).await;
    text(next.expect("the other was given up").expect("a head")).await;
    assert!(unread.into_body().collect().await.is_err(), "it was reset");
}

/// Bytes that the gateway says it holds.
async fn held(gateway: &Gateway) -> u64 {
    let line = gateway.welcome.iter().find_map(|line| line.strip_prefix("metrics on "));
    let url = line.expect("it says where").strip_suffix("/metrics").expect("the path");
    let reply = gateway.anonymous().at(url).get("/metrics").await;
    let text = String::from_utf8(reply.body.to_vec()).expect("text");
    let line = text.lines().find_map(|line| line.strip_prefix("keyway_memory_held_bytes "));
    line.expect("a figure").parse().expect("a number")
}

#[tokio::test]
async fn heads_beyond_their_limit_are_refused_here_too() {
    let gateway = gateway("head_bytes_max = 8192").await;
    let key = key(&gateway).await;
    let mut sender = open(&gateway).await;
    let mut large = chat(&gateway, &key, "hello", false);
    large.headers_mut().insert("x-large", "y".repeat(12_000).parse().expect("a value"));
    let refused = sender.send_request(large).await.expect("a head");
    assert_eq!(refused.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    let next = sender.send_request(chat(&gateway, &key, "hello", false)).await.expect("a head");
    assert!(text(next).await.contains("hello"));
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame");
    let mut bytes = length.to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

async fn until_closed_bytes(stream: &mut tokio::net::TcpStream) {
    let mut nowhere = tokio::io::sink();
    let closed = tokio::io::copy(stream, &mut nowhere);
    let closed = tokio::time::timeout(keyway_testkit::PATIENCE, closed).await;
    let _ = closed.expect("the gateway closes it");
}
