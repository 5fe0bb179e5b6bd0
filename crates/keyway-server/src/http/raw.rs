//! Answers as bytes, for clients whose request is not read.

use http::{HeaderValue, header};
use http_body_util::BodyExt;

use super::error::ApiError;

/// What HTTP/1.1 says for `error`, and that nothing follows on this connection.
pub(super) async fn answer(error: ApiError) -> Vec<u8> {
    let (mut head, body) = error.unlogged().into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    head.headers.insert(header::CONTENT_LENGTH, body.len().into());
    head.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    let reason = head.status.canonical_reason().unwrap_or_default();
    let mut bytes = format!("HTTP/1.1 {} {reason}\r\n", head.status.as_u16()).into_bytes();
    for (name, value) in &head.headers {
        bytes.extend_from_slice(name.as_ref());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&body);
    bytes
}

#[cfg(test)]
mod tests {
    use keyway_core::error::{Error, ErrorKind};

    use super::*;

    #[tokio::test]
    async fn an_answer_says_how_long_it_is_and_that_it_is_the_last() {
        let error = Error::new(ErrorKind::Unavailable, "no room");
        let text = String::from_utf8(answer(error.into()).await).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        assert!(head.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{head}");
        for line in ["connection: close", "retry-after: 1", "content-type: application/json"] {
            assert!(head.lines().any(|it| it == line), "{line} is not in {head}");
        }
        assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
        let json: serde_json::Value = serde_json::from_str(body).expect("JSON");
        assert_eq!(json["error"]["code"], 503);
    }
}
