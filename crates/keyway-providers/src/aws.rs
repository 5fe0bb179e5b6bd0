//! Amazon's event streams: messages of a length, headers, a payload and two checksums.

use std::fmt;

use aws_smithy_eventstream::frame::read_message_from;
use bytes::Bytes;
use thiserror::Error;

/// Lengths and a checksum before the headers, and a checksum behind the payload.
const AROUND_BYTES: usize = 16;
const LENGTH_BYTES: usize = 4;

/// The stream cannot be read on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    #[error("a message of the stream is longer than {0} bytes")]
    TooLong(usize),
    #[error("a message of the stream is damaged")]
    Damaged,
}

/// One message.
#[derive(Clone, PartialEq)]
pub(crate) struct Message {
    /// Header `:event-type`, of a message that is an event.
    event: Option<String>,
    /// Header `:exception-type` or `:error-code`.
    exception: Option<String>,
    payload: Bytes,
}

impl Message {
    pub(crate) fn event(&self) -> Option<&str> {
        self.event.as_deref()
    }

    pub(crate) fn exception(&self) -> Option<&str> {
        self.exception.as_deref()
    }

    pub(crate) fn payload(&self) -> &[u8] {
        &self.payload
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("event", &self.event)
            .field("exception", &self.exception)
            .finish_non_exhaustive()
    }
}

/// Reads messages out of bytes, however they are cut.
#[derive(Debug)]
pub(crate) struct Decoder {
    buffer: Vec<u8>,
    /// Where the next message starts.
    start: usize,
    message_bytes_max: usize,
}

impl Decoder {
    /// A reader that holds one message of at most `message_bytes_max`.
    pub(crate) const fn new(message_bytes_max: usize) -> Self {
        Self { buffer: Vec::new(), start: 0, message_bytes_max }
    }

    /// Adds bytes as they arrive; take out the messages with [`Decoder::next`] before adding more.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next message that is complete.
    pub(crate) fn next(&mut self) -> Result<Option<Message>, FrameError> {
        let rest = &self.buffer[self.start..];
        let Some(length) = rest.first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if length > self.message_bytes_max {
            return Err(FrameError::TooLong(self.message_bytes_max));
        }
        if length < AROUND_BYTES {
            return Err(FrameError::Damaged);
        }
        let Some(message) = rest.get(..length) else { return Ok(None) };
        let message = read(message)?;
        self.start += length;
        Ok(Some(message))
    }
}

fn read(frame: &[u8]) -> Result<Message, FrameError> {
    let read = read_message_from(frame).map_err(|_| FrameError::Damaged)?;
    let header = |name: &str| {
        let header = read.headers().iter().find(|header| header.name().as_str() == name)?;
        header.value().as_string().ok().map(|value| value.as_str().to_owned())
    };
    let is_event = header(":message-type").as_deref() == Some("event");
    Ok(Message {
        event: header(":event-type").filter(|_| is_event),
        exception: header(":exception-type").or_else(|| header(":error-code")),
        payload: read.payload().clone(),
    })
}
