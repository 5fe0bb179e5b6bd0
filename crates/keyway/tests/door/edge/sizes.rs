//! Requests that are too large, and more of them than there is memory for.

use std::fmt::Write;

use http::StatusCode;

use super::{connect, gateway, key, others_are_served, refusal, say, until_closed};

#[tokio::test]
async fn bodies_beyond_their_limit_are_refused() {
    let gateway = gateway("body_bytes_max = 1000").await;
    let key = key(&gateway).await;
    let reply = gateway.client(&key).chat("keyway/echo", &"x".repeat(1_000)).await;
    assert_eq!(reply.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(reply.error(), "Request payload too large: at most 1000 bytes are taken here");
    // One that does not say how long it is.
    let mut stream = connect(&gateway).await;
    let head = format!(
        "POST /api/v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {key}\r\n\
         transfer-encoding: chunked\r\n\r\n400\r\n{}\r\n",
        "x".repeat(1_024)
    );
    say(&mut stream, &head).await;
    assert_eq!(refusal(&until_closed(&mut stream).await).0, 413);
    others_are_served(&gateway, &key).await;
}

#[tokio::test]
async fn heads_beyond_their_limits_are_refused() {
    let gateway = gateway("headers_max = 20\nhead_bytes_max = 8192").await;
    let key = key(&gateway).await;
    let many = (0..30).fold(String::new(), |mut lines, number| {
        write!(lines, "x-{number}: y\r\n").expect("text");
        lines
    });
    let large = format!("x: {}\r\n", "y".repeat(16_384));
    for lines in [many, large] {
        let mut stream = connect(&gateway).await;
        say(&mut stream, &format!("GET /api/v1/models HTTP/1.1\r\nhost: gateway\r\n{lines}\r\n"))
            .await;
        let said = until_closed(&mut stream).await;
        let (status, body) = refusal(&said);
        let message =
            "The head of the request is too large: at most 8192 bytes and 20 headers are taken";
        assert_eq!((status, &body["error"]["message"]), (431, &message.into()), "{said}");
        others_are_served(&gateway, &key).await;
    }
}

#[tokio::test]
async fn a_head_that_is_none_is_refused_in_words() {
    let gateway = gateway("").await;
    let mut stream = connect(&gateway).await;
    say(&mut stream, "this is no request\r\n\r\n").await;
    let (status, body) = refusal(&until_closed(&mut stream).await);
    assert_eq!(
        (status, &body["error"]["message"]),
        (400, &"The head of the request is no HTTP".into())
    );
    others_are_served(&gateway, &key(&gateway).await).await;
}

#[tokio::test]
async fn bodies_beyond_the_memory_for_them_are_shed() {
    let gateway = gateway("memory_bytes_max = 10000").await;
    let key = key(&gateway).await;
    // It counts twice: as it came, and as it was understood.
    let reply = gateway.client(&key).chat("keyway/echo", &"x".repeat(6_000)).await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(reply.headers["retry-after"], "1");
    assert_eq!(reply.error(), "This gateway has as much to do as it can; try again");
    for _ in 0..5 {
        // What a request held is free again once it is answered.
        let reply = gateway.client(&key).chat("keyway/echo", &"x".repeat(4_000)).await;
        assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    }
}
