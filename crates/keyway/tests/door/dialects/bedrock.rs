//! What only Bedrock says, and how a request to it is signed.

use bytes::{BufMut, Bytes, BytesMut};
use keyway_testkit::{Provider, Script};
use serde_json::{Value, json};

use super::{Speaker, chunks, gateway_with, key, pieces, spent};

pub(super) const SPEAKER: Speaker = Speaker {
    dialect: "bedrock",
    paths: ["/v1/model/their%2Fmodel%3A1/converse", "/v1/model/their%2Fmodel%3A1/converse-stream"],
    credential: ("authorization", "Bearer SECRET"),
    whole,
    stream,
    error,
    // A message of 32 bytes whose checksums are wrong.
    malformed: b"\0\0\0\x20\0\0\0\0\0\0\0\0abcdefghijklmnopqrst",
    kind: "application/vnd.amazon.eventstream",
};

fn usage() -> Value {
    json!({"inputTokens": 7, "cacheReadInputTokens": 3, "outputTokens": 4, "totalTokens": 14})
}

fn whole(text: &str) -> Value {
    let message = json!({"role": "assistant", "content": [{"text": text}]});
    json!({"output": {"message": message}, "stopReason": "end_turn", "usage": usage()})
}

fn stream(texts: &[&str]) -> Vec<Bytes> {
    let mut messages = vec![message(":event-type", "messageStart", &json!({"role": "assistant"}))];
    messages.extend(texts.iter().map(|text| {
        let delta = json!({"contentBlockIndex": 0, "delta": {"text": text}});
        message(":event-type", "contentBlockDelta", &delta)
    }));
    messages.push(message(":event-type", "messageStop", &json!({"stopReason": "end_turn"})));
    messages.push(message(":event-type", "metadata", &json!({"usage": usage()})));
    messages
}

fn error(message: &str) -> Value {
    json!({"message": message})
}

/// A message as Amazon frames it.
pub(crate) fn message(header: &str, kind: &str, payload: &Value) -> Bytes {
    let message_type = if header == ":event-type" { "event" } else { "exception" };
    let mut headers = BytesMut::new();
    for (name, value) in [(header, kind), (":message-type", message_type)] {
        headers.put_u8(u8::try_from(name.len()).expect("a short name"));
        headers.put_slice(name.as_bytes());
        headers.put_u8(7);
        headers.put_u16(u16::try_from(value.len()).expect("a short value"));
        headers.put_slice(value.as_bytes());
    }
    let payload = payload.to_string();
    let length = |bytes: usize| u32::try_from(bytes).expect("a short message");
    let mut message = BytesMut::new();
    message.put_u32(length(16 + headers.len() + payload.len()));
    message.put_u32(length(headers.len()));
    message.put_u32(CRC.checksum(&message));
    message.put_slice(&headers);
    message.put_slice(payload.as_bytes());
    message.put_u32(CRC.checksum(&message));
    message.freeze()
}

const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);

#[tokio::test]
async fn a_throttle_in_the_middle_is_told_as_one() {
    let provider = Provider::start().await;
    let begun = stream(&["Hel"]).into_iter().take(2);
    let throttled = message(":exception-type", "throttlingException", &error("slow down"));
    provider.always(pieces(&SPEAKER, begun.chain([throttled]).collect()));
    let gateway = gateway_with(&SPEAKER, &provider, "a-key").await;
    let (hash, string) = key(&gateway).await;
    let chunks = chunks(&gateway, &string).await;
    let last = chunks.last().expect("a chunk");
    assert_eq!(last["error"]["code"], 429, "{last}");
    assert_eq!(spent(&gateway, &hash).await, "0");
}

#[tokio::test]
async fn a_request_is_signed_with_an_access_key_which_stays_here() {
    let provider = Provider::start().await;
    provider.always(Script::json(200, &whole("Hello!")));
    let gateway = gateway_with(&SPEAKER, &provider, "AKIAEXAMPLE:very/secret+text:session").await;
    let (_, string) = key(&gateway).await;
    let reply = gateway.client(&string).chat("acme/fast", "hi").await;
    assert_eq!(reply.json()["choices"][0]["message"]["content"], "Hello!", "{reply:?}");
    let received = provider.received().remove(0);
    let authorization = received.headers["authorization"].to_str().expect("text");
    assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/"));
    assert!(authorization.contains("/us-east-1/bedrock/aws4_request"), "{authorization}");
    assert_eq!(received.headers["x-amz-security-token"], "session");
    assert!(!format!("{received:?}").contains("very/secret"));
}
