//! The APIs that providers speak: where a request goes, what is sent, and how what comes back is read.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use thiserror::Error;

use crate::chat::{Answer, AnswerError, ChatRequest, RequestError, StreamEvent, stream_event};
use crate::openai::Quirks;
use crate::sse::{Decoder, SseError};
use crate::{anthropic, gemini, openai};

/// Longest event of a stream. Images come whole.
const EVENT_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The API that a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// OpenAI's chat completions, which most providers speak, each in its own way.
    OpenAi(&'static Quirks),
    /// Anthropic's Messages.
    Anthropic,
    /// Google's Gemini, as AI Studio has it.
    Gemini,
}

/// What a request is sent for.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The model as its provider calls it.
    pub model: &'a str,
    /// The most tokens of an answer where the request does not say; some providers want to be told.
    pub completion_tokens_max: u64,
}

impl Dialect {
    /// The dialect that goes by `name`, as the configuration has it; `quirks` are for OpenAI's.
    pub fn parse(name: &str, quirks: &'static Quirks) -> Option<Self> {
        match name {
            "openai" => Some(Self::OpenAi(quirks)),
            "anthropic" => Some(Self::Anthropic),
            "gemini" => Some(Self::Gemini),
            _ => None,
        }
    }

    /// Where under a provider's address a request goes; it begins with a slash.
    pub fn path(self, request: &ChatRequest, target: &Target<'_>) -> String {
        match self {
            Self::OpenAi(quirks) => openai::path(request, quirks, &in_path(target.model)),
            Self::Anthropic => "/messages".to_owned(),
            Self::Gemini => gemini::path(request.stream, &in_path(target.model)),
        }
    }

    /// The body of a request. An error names the field that this provider cannot take.
    pub fn body(self, request: &ChatRequest, target: &Target<'_>) -> Result<Vec<u8>, RequestError> {
        if request.errand.is_some() && !matches!(self, Self::OpenAi(_)) {
            let why = "is at a provider whose embeddings and rankings are not spoken here";
            return Err(RequestError::new("model", why));
        }
        match self {
            Self::OpenAi(quirks) => Ok(openai::request_body(request, target.model, quirks)),
            Self::Anthropic => anthropic::request_body(request, target),
            Self::Gemini => gemini::request_body(request, target),
        }
    }

    /// Reads a whole answer.
    pub fn answer(self, body: &[u8]) -> Result<Answer, AnswerError> {
        match self {
            Self::OpenAi(_) => Answer::parse(body),
            Self::Anthropic => anthropic::answer(body),
            Self::Gemini => gemini::answer(body),
        }
    }

    /// The media type of a streamed answer.
    pub fn stream_type(self) -> &'static str {
        match self {
            Self::OpenAi(_) | Self::Anthropic | Self::Gemini => "text/event-stream",
        }
    }

    /// Reads the streamed answer to `request` as it comes.
    pub fn reader_for(self, request: &ChatRequest) -> Reader {
        let mut reader = self.reader();
        if self == Self::Anthropic && request.native().is_some() {
            reader.natives = Some(anthropic::Natives::default());
        }
        reader
    }

    /// Reads a streamed answer as it comes.
    pub fn reader(self) -> Reader {
        let state = match self {
            Self::OpenAi(_) => State::OpenAi,
            Self::Anthropic => State::Anthropic(anthropic::Events::default()),
            Self::Gemini => State::Gemini(gemini::Events::default()),
        };
        Reader { frames: Decoder::new(EVENT_BYTES_MAX), state, natives: None }
    }
}

/// A model's name as one part of a path.
fn in_path(model: &str) -> String {
    percent_encode(model.as_bytes(), UNRESERVED).to_string()
}

/// What stands in a path as it is.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Reads a streamed answer, however its bytes are cut; holds no more than an event of it, or a few
/// that only the client knows.
#[derive(Debug)]
pub struct Reader {
    frames: Decoder,
    state: State,
    /// The events themselves, where the client speaks the provider's dialect.
    natives: Option<anthropic::Natives>,
}

/// What has to be known of earlier events.
#[derive(Debug)]
enum State {
    OpenAi,
    Anthropic(anthropic::Events),
    Gemini(gemini::Events),
}

/// A stream cannot be read on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    #[error(transparent)]
    Frame(#[from] SseError),
    #[error(transparent)]
    Answer(#[from] AnswerError),
}

impl Reader {
    /// Adds bytes as they arrive; take out the events with [`Reader::next`] before adding more.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.frames.feed(bytes);
    }

    /// The next event that is complete.
    #[expect(clippy::should_implement_trait, reason = "an iterator would end for good at `None`")]
    pub fn next(&mut self) -> Result<Option<StreamEvent>, ReadError> {
        while let Some(frame) = self.frames.next()? {
            let event = match &mut self.state {
                State::OpenAi => Some(stream_event(&frame.data)?),
                State::Anthropic(events) => events.read(&frame.data)?,
                State::Gemini(events) => events.read(&frame.data)?,
            };
            let event = match &mut self.natives {
                Some(natives) => natives.take(&frame.data, event),
                None => event,
            };
            if event.is_some() {
                return Ok(event);
            }
        }
        Ok(None)
    }
}
