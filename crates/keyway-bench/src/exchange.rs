//! One request and its answer, timed.

use std::io;
use std::time::Duration;

use tokio::time::Instant;

use crate::provider::{DONE, STREAM};
use crate::wire::Wire;

/// What is asked, and of whom.
#[derive(Clone, Debug)]
pub(crate) struct Asking {
    /// `HOST:PORT`
    pub(crate) authority: String,
    /// The whole request, as it is sent.
    pub(crate) request: Vec<u8>,
    pub(crate) streamed: bool,
}

/// What became of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    pub(crate) status: u16,
    /// From `began` to the first byte of the answer's body.
    pub(crate) first: Duration,
    /// From `began` to the whole of it.
    pub(crate) whole: Duration,
}

impl Asking {
    /// A conversation of a usual length, sent to `path` with `key`.
    pub(crate) fn new(authority: &str, path: &str, key: &str, model: &str, streamed: bool) -> Self {
        let system = "You are a careful assistant who answers in few words. ".repeat(6);
        let question = "What did the carpenter say about measuring, and why? ".repeat(8);
        let stream = if streamed { format!(",{STREAM}") } else { String::new() };
        let body = format!(
            "{{\"model\":\"{model}\",\"max_tokens\":200,\"temperature\":0.7,\"messages\":[\
             {{\"role\":\"system\",\"content\":\"{system}\"}},\
             {{\"role\":\"user\",\"content\":\"{question}\"}}]{stream}}}"
        );
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: {authority}\r\nauthorization: Bearer {key}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        Self { authority: authority.to_owned(), request: request.into_bytes(), streamed }
    }

    /// Sends it over `wire`, and reads the whole answer.
    pub(crate) async fn ask(&self, wire: &mut Wire, began: Instant) -> io::Result<Told> {
        wire.send(&self.request).await?;
        let head = wire.head().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut body = head.body;
        let mut last = wire.piece(&mut body).await?.unwrap_or_default();
        let first = began.elapsed();
        while let Some(piece) = wire.piece(&mut body).await? {
            last = piece;
        }
        let whole = began.elapsed();
        // A stream that was cut is no answer.
        let is_whole = head.status != 200 || !self.streamed || last.ends_with(DONE);
        let status = if is_whole { head.status } else { 0 };
        Ok(Told { status, first, whole })
    }
}
