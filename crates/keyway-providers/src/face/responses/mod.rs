//! OpenAI's Responses, as clients speak them (contract, C.9). Nothing is kept between requests.

mod frame;
mod input;
mod item;
mod kept;
mod parts;
mod passed;
mod request;
mod stream;
mod usage;

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value};

use self::frame::{Frame, State};
use self::stream::Stream;
use super::{ROUTING, StreamError};
use crate::chat::{ChatRequest, Envelope, Receipt, RequestError};

/// Says one answer.
#[derive(Clone, Debug)]
pub(super) struct Responses {
    /// The request: an answer repeats much of it.
    asked: Arc<Map<String, Value>>,
    stream: Stream,
    /// Why it ends before its model has said everything.
    why: Option<Map<String, Value>>,
    /// The end as the provider said it; it waits for the charge.
    end: Option<Map<String, Value>>,
}

/// Reads a request, and who will say its answer.
pub(super) fn read(body: Value) -> Result<(ChatRequest, Responses), RequestError> {
    let Value::Object(mut asked) = body else {
        return Err(RequestError::new("The request's body", "must be a JSON object"));
    };
    let request = request::read(&asked)?;
    // The one part of it that no answer repeats, and the largest.
    asked.shift_remove("input");
    let (asked, stream) = (Arc::new(asked), Stream::default());
    Ok((request, Responses { asked, stream, why: None, end: None }))
}

impl Responses {
    /// From a whole answer of the form in the middle, or as the provider said it in this dialect.
    pub(super) fn whole(
        &self,
        said: &Map<String, Value>,
        native: Option<Map<String, Value>>,
    ) -> Map<String, Value> {
        if let Some(mut response) = native {
            self.complete(&mut response, said);
            let counted = usage::usage(said.get("usage").unwrap_or(&Value::Null));
            passed::count(&mut response, counted);
            return response;
        }
        let mut stream = Stream::default();
        let choice = said.get("choices").and_then(|choices| choices.get(0));
        let choice = choice.unwrap_or(&Value::Null);
        // A message says what the deltas of a stream add up to.
        let _ = stream.hear(said, &choice["message"], choice);
        let _ = stream.close();
        let frame = Frame::new(&self.asked, said);
        let usage = said.get("usage").map(usage::usage);
        frame.response(&State::of(stream.finish()), stream.items(), usage)
    }

    pub(super) fn chunk(&mut self, said: &Map<String, Value>) -> Bytes {
        let mut events = self.begin(said);
        if let Some(choice) = said.get("choices").and_then(|choices| choices.get(0)) {
            events.push(&self.stream.hear(said, &choice["delta"], choice));
        }
        events.freeze()
    }

    /// The events that end what was said, and the one that carries the usage.
    pub(super) fn closing(
        &mut self,
        envelope: &Envelope,
        receipt: &Receipt,
        routing: Option<Value>,
    ) -> Bytes {
        let head = envelope.head("response");
        let mut events = self.begin(&head);
        events.push(&self.stream.close());
        let usage = usage::usage(&receipt.block());
        let (event, mut response) = self.ended(&head, usage);
        if let Some(routing) = routing {
            response.insert(ROUTING.into(), routing);
        }
        if let Some(why) = self.why.take() {
            response.insert("keyway_metadata".into(), Value::Object(why));
        }
        events.push(&self.stream.whole_response(&event, &response));
        events.done()
    }

    /// The event that tells the end, and the response in it.
    fn ended(&mut self, head: &Map<String, Value>, usage: Value) -> (String, Map<String, Value>) {
        if let Some((event, mut response)) = self.end.take().and_then(passed::response) {
            self.complete(&mut response, head);
            passed::count(&mut response, usage);
            return (event, response);
        }
        let state = State::of(self.stream.finish());
        let frame = Frame::new(&self.asked, head);
        (state.event().to_owned(), frame.response(&state, self.stream.items(), Some(usage)))
    }

    /// The answer is as long as the budget affords.
    pub(super) fn cut_short(&mut self, why: Map<String, Value>) -> Bytes {
        self.why = Some(why);
        self.stream.finish_with("length");
        Bytes::new()
    }

    pub(super) fn failure(&mut self, envelope: &Envelope, error: &StreamError<'_>) -> Bytes {
        let head = envelope.head("response");
        let mut events = self.begin(&head);
        let state = State::Failed(*error);
        let response = Frame::new(&self.asked, &head).response(&state, self.stream.items(), None);
        events.push(&self.stream.whole_response(state.event(), &response));
        events.freeze()
    }

    fn begin(&mut self, said: &Map<String, Value>) -> stream::Events {
        let mut events = stream::Events::default();
        if self.stream.begins() {
            for event in ["response.created", "response.in_progress"] {
                let frame = Frame::new(&self.asked, said);
                let response = frame.response(&State::InProgress, &[], None);
                events.push(&self.stream.whole_response(event, &response));
            }
        }
        events
    }
}

#[cfg(test)]
mod tests;
