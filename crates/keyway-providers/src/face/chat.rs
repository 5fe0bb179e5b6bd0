//! OpenRouter's chat completions: the form in the middle, as it is.

use bytes::{Bytes, BytesMut};
use serde_json::{Map, Value};

use super::{ROUTING, StreamError};
use crate::chat::{self, Envelope, Receipt};
use crate::sse;

pub(super) fn event(said: Map<String, Value>) -> Bytes {
    sse::data(&Value::Object(said).to_string())
}

/// The chunk with the usage, and the last word.
pub(super) fn closing(envelope: &Envelope, receipt: &Receipt, routing: Option<Value>) -> Bytes {
    let mut chunk = chat::usage_chunk(envelope, receipt);
    if let Some(routing) = routing {
        let mut said: Map<String, Value> =
            serde_json::from_str(&chunk).expect("it was written here");
        said.insert(ROUTING.to_owned(), routing);
        chunk = Value::Object(said).to_string();
    }
    let mut last = BytesMut::new();
    last.extend_from_slice(&sse::data(&chunk));
    last.extend_from_slice(&sse::data(sse::DONE));
    last.freeze()
}

pub(super) fn cut_short(envelope: &Envelope, why: Map<String, Value>) -> Bytes {
    sse::data(&chat::length_chunk(envelope, why))
}

pub(super) fn failure(envelope: &Envelope, error: &StreamError<'_>) -> Bytes {
    let chunk = chat::error_chunk(envelope, error.code, error.message, error.error_type);
    sse::data(&chunk)
}
