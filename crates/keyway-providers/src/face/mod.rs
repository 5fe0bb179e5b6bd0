//! What clients speak. A face reads a request into the form in the middle, and its voice says the
//! answer in the client's own words.

mod chat;
mod completions;
mod embeddings;
pub mod messages;
mod rerank;
mod responses;
mod vectors;

use bytes::Bytes;
use serde_json::{Map, Value};

use self::completions::Completions;
use self::embeddings::Embeddings;
use self::rerank::Rerank;
use self::responses::Responses;
use crate::chat::{Answer, ChatRequest, Chunk, Envelope, Receipt, RequestError};
use crate::json::Text;
use crate::sse;

/// A dialect of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// OpenRouter's and OpenAI's chat completions.
    Chat,
    /// OpenAI's completions of one prompt.
    Completions,
    /// Anthropic's Messages.
    Messages,
    /// OpenAI's Responses.
    Responses,
    /// OpenAI's embeddings; they do not stream.
    Embeddings,
    /// Rankings, as Cohere and Jina have them; they do not stream.
    Rerank,
}

/// How one request's answer is said. It remembers what of a stream was said before.
#[derive(Clone, Debug)]
pub struct Voice {
    hides_reasoning: bool,
    /// How the request was routed, for clients that ask.
    routing: Option<Value>,
    dialect: Dialect,
}

#[derive(Clone, Debug)]
enum Dialect {
    Chat,
    Completions(Completions),
    Messages(Box<messages::Stream>),
    Responses(Box<Responses>),
    Embeddings(Embeddings),
    Rerank(Rerank),
}

/// An error on its way into a stream that has begun.
#[derive(Clone, Copy, Debug)]
pub struct StreamError<'a> {
    /// The status that it would have had before the first byte.
    pub code: u16,
    pub message: &'a str,
    /// A word of the contract's vocabulary (C.4).
    pub error_type: &'a str,
}

impl Face {
    /// Reads a request in its text, as [`Face::read`] does.
    pub fn hear(self, text: Text) -> Result<(ChatRequest, Voice), RequestError> {
        match self {
            Self::Chat => Ok(Voice::to(ChatRequest::read(text)?, Dialect::Chat)),
            _ => self.read(text.to_value()),
        }
    }

    /// Reads a request, and who will say its answer.
    pub fn read(self, body: Value) -> Result<(ChatRequest, Voice), RequestError> {
        let (request, dialect) = match self {
            Self::Chat => (ChatRequest::parse(body)?, Dialect::Chat),
            Self::Completions => {
                let (request, voice) = completions::read(body)?;
                (request, Dialect::Completions(voice))
            }
            Self::Messages => (messages::read(&body)?, Dialect::Messages(Box::default())),
            Self::Responses => {
                let (request, voice) = responses::read(body)?;
                (request, Dialect::Responses(Box::new(voice)))
            }
            Self::Embeddings => {
                let (request, voice) = embeddings::read(body)?;
                (request, Dialect::Embeddings(voice))
            }
            Self::Rerank => {
                let (request, voice) = rerank::read(body)?;
                (request, Dialect::Rerank(voice))
            }
        };
        Ok(Voice::to(request, dialect))
    }
}

/// What tells a client how its request was routed.
const ROUTING: &str = "openrouter_metadata";

impl Voice {
    fn to(request: ChatRequest, dialect: Dialect) -> (ChatRequest, Self) {
        let hides_reasoning = request.hides_reasoning();
        (request, Self { hides_reasoning, routing: None, dialect })
    }

    /// Tells at the end of the answer how its request was routed.
    pub fn tell_routing(&mut self, routing: Value) {
        self.routing = Some(routing);
    }

    /// A whole answer's body.
    pub fn whole(&self, mut answer: Answer, envelope: &Envelope, receipt: &Receipt) -> Vec<u8> {
        if self.says_all() {
            return answer.render(envelope, receipt);
        }
        let native = answer.take_native();
        let chat = |answer: Answer| {
            let mut said = answer.complete(envelope, receipt);
            self.hide(&mut said);
            said
        };
        let mut body = match &self.dialect {
            Dialect::Chat => chat(answer),
            Dialect::Completions(voice) => voice.whole(chat(answer), native),
            Dialect::Messages(_) => messages::whole(&chat(answer), native),
            Dialect::Responses(voice) => voice.whole(&chat(answer), native),
            Dialect::Embeddings(voice) => voice.whole(answer, envelope, receipt),
            Dialect::Rerank(voice) => voice.whole(answer, envelope, receipt),
        };
        if let Some(routing) = &self.routing {
            body.insert(ROUTING.to_owned(), routing.clone());
        }
        serde_json::to_vec(&body).expect("a JSON object can be written")
    }

    /// Whether an answer in the form in the middle is what the client hears, and nothing else.
    fn says_all(&self) -> bool {
        matches!(self.dialect, Dialect::Chat) && !self.hides_reasoning && self.routing.is_none()
    }

    /// The events of a chunk; none where it says nothing to this client.
    pub fn chunk(&mut self, mut chunk: Chunk, envelope: &Envelope) -> Bytes {
        let natives = chunk.take_natives();
        if matches!(self.dialect, Dialect::Chat) {
            match chunk.event(envelope, self.hides_reasoning) {
                Ok(event) => return event,
                Err(as_tree) => chunk = as_tree,
            }
        }
        let mut said = chunk.complete(envelope);
        self.hide(&mut said);
        match &mut self.dialect {
            Dialect::Chat => chat::event(said),
            Dialect::Completions(voice) if natives.is_empty() => voice.chunk(said),
            Dialect::Completions(_) => Completions::pass_on(natives, &said),
            Dialect::Messages(stream) if natives.is_empty() => stream.chunk(&said),
            Dialect::Messages(stream) => stream.pass_on(natives, &said),
            Dialect::Responses(voice) if natives.is_empty() => voice.chunk(&said),
            Dialect::Responses(voice) => voice.pass_on(natives, &said),
            Dialect::Embeddings(_) | Dialect::Rerank(_) => Bytes::new(),
        }
    }

    /// What was used and charged, and the end of a stream. Only for a charge that is durable.
    pub fn closing(&mut self, envelope: &Envelope, receipt: &Receipt) -> Bytes {
        let routing = self.routing.take();
        match &mut self.dialect {
            Dialect::Chat => chat::closing(envelope, receipt, routing),
            Dialect::Completions(_) => Completions::closing(envelope, receipt, routing),
            Dialect::Messages(stream) => stream.closing(envelope, receipt, routing),
            Dialect::Responses(voice) => voice.closing(envelope, receipt, routing),
            Dialect::Embeddings(_) | Dialect::Rerank(_) => Bytes::new(),
        }
    }

    /// Says of a stream that it ends before its model has said everything, and `why`; the closing
    /// follows.
    pub fn cut_short(&mut self, envelope: &Envelope, why: Map<String, Value>) -> Bytes {
        match &mut self.dialect {
            Dialect::Chat => chat::cut_short(envelope, why),
            Dialect::Completions(_) => Completions::cut_short(envelope, why),
            Dialect::Messages(stream) => stream.cut_short(why),
            Dialect::Responses(voice) => voice.cut_short(why),
            Dialect::Embeddings(_) | Dialect::Rerank(_) => Bytes::new(),
        }
    }

    /// The end of a stream that fails after its first byte.
    pub fn failure(&mut self, envelope: &Envelope, error: &StreamError<'_>) -> Bytes {
        match &mut self.dialect {
            Dialect::Chat => chat::failure(envelope, error),
            Dialect::Completions(_) => Completions::failure(envelope, error),
            Dialect::Messages(_) => messages::Stream::failure(envelope, error),
            Dialect::Responses(voice) => voice.failure(envelope, error),
            Dialect::Embeddings(_) | Dialect::Rerank(_) => Bytes::new(),
        }
    }

    /// Tells a client that waits that there will be more. A comment is none of its events.
    pub fn keep_alive(&self) -> Bytes {
        sse::keep_alive()
    }

    /// The same without the reasoning, where the client does not want to read it.
    fn hide(&self, said: &mut Map<String, Value>) {
        if self.hides_reasoning {
            hide_reasoning(said);
        }
    }
}

/// Takes the reasoning out of an answer or a chunk.
pub(crate) fn hide_reasoning(said: &mut Map<String, Value>) {
    let choices = said.get_mut("choices").and_then(Value::as_array_mut);
    for choice in choices.into_iter().flatten() {
        if let Some(message) = choice.get_mut("message").and_then(Value::as_object_mut) {
            message.insert("reasoning".into(), Value::Null);
            message.shift_remove("reasoning_details");
        }
        if let Some(delta) = choice.get_mut("delta").and_then(Value::as_object_mut) {
            delta.shift_remove("reasoning");
            delta.shift_remove("reasoning_details");
        }
    }
}

#[cfg(test)]
mod tests;
