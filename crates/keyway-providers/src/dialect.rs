//! The APIs that providers speak: where a request goes, what is sent, and how what comes back is read.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::aws::FrameError;
use crate::chat::{
    Answer, AnswerError, ChatRequest, Errand, Natives, RequestError, StreamEvent, Tongue,
    stream_event,
};
use crate::gemini::House;
use crate::json::parse_lenient;
use crate::openai::{Quirks, ResponseEvents};
use crate::sse::SseError;
use crate::{anthropic, aws, bedrock, cohere, gemini, openai, sse};

/// Longest event of a stream. Images come whole.
const EVENT_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Where Amazon tells the tokens of a prompt whose model does not.
pub const COUNTED_HEADER: &str = "x-amzn-bedrock-input-token-count";

/// The API that a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// OpenAI's chat completions, which most providers speak, each in its own way.
    OpenAi(&'static Quirks),
    /// Anthropic's Messages.
    Anthropic,
    /// The same, as Vertex has it: behind the models' names, with the version in the body.
    VertexAnthropic,
    /// Google's Gemini, as AI Studio has it.
    Gemini,
    /// The same, as Vertex has it: only the credential is another.
    Vertex,
    /// Amazon Bedrock's Converse.
    Bedrock,
    /// Cohere's Chat, version 2.
    Cohere,
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
            "vertex-anthropic" => Some(Self::VertexAnthropic),
            "gemini" => Some(Self::Gemini),
            "vertex" => Some(Self::Vertex),
            "bedrock" => Some(Self::Bedrock),
            "cohere" => Some(Self::Cohere),
            _ => None,
        }
    }

    /// What OpenTelemetry's conventions call who speaks it; `None` where that may be anybody.
    pub fn otel_name(self) -> Option<&'static str> {
        Some(match self {
            Self::OpenAi(quirks) => match quirks.name {
                "plain" => return None,
                "azure" | "azure-deployments" => "azure.ai.openai",
                "mistral" => "mistral_ai",
                "xai" => "x_ai",
                "moonshot" => "moonshot_ai",
                name => name,
            },
            Self::Anthropic => "anthropic",
            Self::Gemini => "gcp.gemini",
            Self::Vertex | Self::VertexAnthropic => "gcp.vertex_ai",
            Self::Bedrock => "aws.bedrock",
            Self::Cohere => "cohere",
        })
    }

    /// Whether it is Anthropic's, wherever it is spoken.
    pub const fn is_anthropics(self) -> bool {
        matches!(self, Self::Anthropic | Self::VertexAnthropic)
    }

    /// Whether it is spoken at Vertex, which wants access tokens.
    pub const fn is_at_vertex(self) -> bool {
        matches!(self, Self::Vertex | Self::VertexAnthropic)
    }

    /// How to ask, at no cost, how many tokens the prompt of `request` has: path and body. `None` where
    /// this cannot be asked, or not of this request.
    pub fn count(self, request: &ChatRequest, target: &Target<'_>) -> Option<(String, Vec<u8>)> {
        let path = match self {
            Self::Anthropic => "/messages/count_tokens",
            Self::VertexAnthropic => "/models/count-tokens:rawPredict",
            _ => return None,
        };
        let body = anthropic::count_body(request, target, self == Self::VertexAnthropic)?;
        Some((path.to_owned(), to_bytes(&body)))
    }

    /// The tokens of a prompt in the answer to [`Dialect::count`].
    pub fn counted(body: &[u8]) -> Option<u64> {
        parse_lenient(body).ok()?.get("input_tokens")?.as_u64()
    }

    /// Where under a provider's address a request goes; it begins with a slash.
    pub fn path(self, request: &ChatRequest, target: &Target<'_>) -> Cow<'static, str> {
        let model = || in_path(target.model);
        match self {
            Self::OpenAi(quirks) => openai::path(request, quirks, target.model),
            Self::Anthropic => Cow::Borrowed("/messages"),
            Self::VertexAnthropic => Cow::Owned(anthropic::vertex_path(request, &model())),
            Self::Gemini => Cow::Owned(House::AiStudio.path(request, &model())),
            Self::Vertex => Cow::Owned(House::Vertex.path(request, &model())),
            Self::Bedrock => Cow::Owned(bedrock::path(request, &model())),
            Self::Cohere => Cow::Borrowed(cohere::path(request)),
        }
    }

    /// The body of a request. An error names the field that this provider cannot take.
    pub fn body(self, request: &ChatRequest, target: &Target<'_>) -> Result<Vec<u8>, RequestError> {
        if let Some(errand) = request.errand {
            return self.errand_body(request, errand, target);
        }
        if let (Some(error), false) = (request.untranslated(), matches!(self, Self::OpenAi(_))) {
            return Err(error.clone());
        }
        match self {
            Self::OpenAi(quirks) => openai::request_body(request, target.model, quirks),
            Self::Anthropic => anthropic::request_body(request, target).map(|body| to_bytes(&body)),
            Self::VertexAnthropic => {
                anthropic::vertex_body(request, target).map(|body| to_bytes(&body))
            }
            Self::Gemini | Self::Vertex => gemini::request_body(request, target),
            Self::Bedrock => bedrock::request_body(request, target),
            Self::Cohere => cohere::request_body(request, target),
        }
    }

    fn errand_body(
        self,
        request: &ChatRequest,
        errand: Errand,
        target: &Target<'_>,
    ) -> Result<Vec<u8>, RequestError> {
        let body = match self {
            Self::OpenAi(quirks) => return openai::request_body(request, target.model, quirks),
            Self::Cohere => return cohere::request_body(request, target),
            Self::Gemini => House::AiStudio.errand_body(request, errand, target),
            Self::Vertex => House::Vertex.errand_body(request, errand, target),
            Self::Bedrock => bedrock::errand_body(request, errand, target),
            Self::Anthropic | Self::VertexAnthropic => {
                let why = "is at Anthropic, which has neither embeddings nor rankings";
                Err(RequestError::new("model", why))
            }
        };
        Ok(to_bytes(&body?))
    }

    /// Reads the whole answer to `request`. `counted` are the tokens of the prompt where a header tells
    /// them ([`COUNTED_HEADER`]).
    pub fn answer_to(
        self,
        request: &ChatRequest,
        target: &Target<'_>,
        body: &[u8],
        counted: Option<u64>,
    ) -> Result<Answer, AnswerError> {
        let Some(errand) = request.errand else {
            return match self.native(request) {
                Some(Tongue::Responses) => openai::response(body),
                Some(Tongue::Completions) => openai::continuation(body),
                _ => self.answer(body),
            };
        };
        match self {
            Self::OpenAi(_) | Self::Anthropic | Self::VertexAnthropic => {
                Answer::of_errand(errand, body)
            }
            Self::Gemini | Self::Vertex => gemini::errand_answer(body),
            Self::Cohere => cohere::errand_answer(errand, body, counted),
            Self::Bedrock => bedrock::errand_answer(errand, target.model, body, counted),
        }
    }

    /// Reads a whole answer of a conversation.
    pub fn answer(self, body: &[u8]) -> Result<Answer, AnswerError> {
        match self {
            Self::OpenAi(_) => Answer::parse(body),
            Self::Anthropic | Self::VertexAnthropic => anthropic::answer(body),
            Self::Gemini | Self::Vertex => gemini::answer(body),
            Self::Bedrock => bedrock::answer(body),
            Self::Cohere => cohere::answer(body),
        }
    }

    /// The media type of a streamed answer.
    pub fn stream_type(self) -> &'static str {
        if self == Self::Bedrock {
            "application/vnd.amazon.eventstream"
        } else {
            "text/event-stream"
        }
    }

    /// Reads the streamed answer to `request` as it comes.
    pub fn reader_for(self, request: &ChatRequest) -> Reader {
        let events = || sse::Decoder::new(EVENT_BYTES_MAX);
        match self.native(request) {
            Some(Tongue::Responses) => {
                let state = ResponseEvents::default();
                return Reader(Kind::Responses(events(), state, Natives::default()));
            }
            Some(Tongue::Completions) => {
                return Reader(Kind::Completions(events(), Natives::default()));
            }
            _ => {}
        }
        let mut reader = self.reader();
        if let Kind::Anthropic(.., natives) = &mut reader.0 {
            *natives = request.native(Tongue::Messages).map(|_| Natives::default());
        }
        reader
    }

    /// Which words of OpenAI's the request is passed on in, as they came.
    fn native(self, request: &ChatRequest) -> Option<Tongue> {
        let Self::OpenAi(quirks) = self else { return None };
        if openai::responds(request, quirks).is_some() {
            Some(Tongue::Responses)
        } else {
            openai::continues(request, quirks).map(|_| Tongue::Completions)
        }
    }

    /// Reads a streamed answer as it comes.
    pub fn reader(self) -> Reader {
        let events = || sse::Decoder::new(EVENT_BYTES_MAX);
        match self {
            Self::OpenAi(_) => Reader(Kind::OpenAi(events())),
            Self::Anthropic | Self::VertexAnthropic => {
                Reader(Kind::Anthropic(events(), anthropic::Events::default(), None))
            }
            Self::Gemini | Self::Vertex => {
                Reader(Kind::Gemini(events(), gemini::Events::default()))
            }
            Self::Cohere => Reader(Kind::Cohere(events(), cohere::Events::default())),
            Self::Bedrock => {
                let messages = aws::Decoder::new(EVENT_BYTES_MAX);
                Reader(Kind::Bedrock(messages, bedrock::Events::default()))
            }
        }
    }
}

fn to_bytes(body: &Map<String, Value>) -> Vec<u8> {
    serde_json::to_vec(body).expect("a JSON object can be written")
}

/// A model's name as one part of a path.
pub(crate) fn in_path(model: &str) -> String {
    percent_encode(model.as_bytes(), UNRESERVED).to_string()
}

/// What stands in a path as it is.
const UNRESERVED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'@');

/// Reads a streamed answer, however its bytes are cut; holds no more than an event of it, or a few
/// that only the client knows.
#[derive(Debug)]
pub struct Reader(Kind);

/// What cuts the bytes into events, and what has to be known of earlier ones.
#[derive(Debug)]
enum Kind {
    OpenAi(sse::Decoder),
    /// The events themselves besides, where the client speaks this dialect too.
    Anthropic(sse::Decoder, anthropic::Events, Option<Natives>),
    /// The same of OpenAI's Responses, which are read only for clients that speak them.
    Responses(sse::Decoder, ResponseEvents, Natives),
    /// The same of OpenAI's first completions.
    Completions(sse::Decoder, Natives),
    Gemini(sse::Decoder, gemini::Events),
    Cohere(sse::Decoder, cohere::Events),
    Bedrock(aws::Decoder, bedrock::Events),
}

/// A stream cannot be read on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    #[error(transparent)]
    Sse(#[from] SseError),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Answer(#[from] AnswerError),
}

impl Reader {
    /// Adds bytes as they arrive; take out the events with [`Reader::next`] before adding more.
    pub fn feed(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Kind::OpenAi(events)
            | Kind::Anthropic(events, ..)
            | Kind::Responses(events, ..)
            | Kind::Completions(events, _)
            | Kind::Gemini(events, _)
            | Kind::Cohere(events, _) => events.feed(bytes),
            Kind::Bedrock(messages, _) => messages.feed(bytes),
        }
    }

    /// The next event that is complete.
    #[expect(clippy::should_implement_trait, reason = "an iterator would end for good at `None`")]
    pub fn next(&mut self) -> Result<Option<StreamEvent>, ReadError> {
        match &mut self.0 {
            Kind::OpenAi(events) => {
                Ok(events.next()?.map(|event| stream_event(event.data)).transpose()?)
            }
            Kind::Anthropic(events, state, natives) => first(events, |data| {
                let event = state.read(data)?;
                Ok(match natives {
                    Some(natives) => natives.take(data, event),
                    None => event,
                })
            }),
            Kind::Responses(events, state, natives) => first(events, |data| {
                let event = state.read(data)?;
                Ok(natives.take(data, event))
            }),
            Kind::Completions(events, natives) => {
                first(events, |data| Ok(natives.take(data, Some(openai::continued_event(data)?))))
            }
            Kind::Gemini(events, state) => first(events, |data| state.read(data)),
            Kind::Cohere(events, state) => first(events, |data| state.read(data)),
            Kind::Bedrock(messages, state) => {
                while let Some(message) = messages.next()? {
                    if let Some(event) = state.read(&message)? {
                        return Ok(Some(event));
                    }
                }
                Ok(None)
            }
        }
    }
}

/// The first of the complete events in which there is something.
fn first(
    events: &mut sse::Decoder,
    mut read: impl FnMut(&str) -> Result<Option<StreamEvent>, AnswerError>,
) -> Result<Option<StreamEvent>, ReadError> {
    while let Some(event) = events.next()? {
        if let Some(event) = read(&event.data)? {
            return Ok(Some(event));
        }
    }
    Ok(None)
}
