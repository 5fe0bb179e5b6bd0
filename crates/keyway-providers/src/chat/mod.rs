//! The form in the middle: OpenRouter's chat completions. Every client's request becomes a
//! [`ChatRequest`], every provider's answer an [`Answer`] or [`Chunk`]s, so that a dialect knows only
//! itself and this form.
//!
//! What a provider says that nobody here knows is kept. What the contract (C.2, C.3, D) wants absent
//! instead of null is taken out; what it wants present is put in.

mod about;
mod answer;
mod choice;
mod chunk;
mod counted;
mod errand;
pub(crate) mod inputs;
mod media;
mod native;
pub(crate) mod part;
mod passage;
mod piece;
pub(crate) mod place;
mod prompt;
mod reasoning;
mod receipt;
mod request;
mod said;
mod scrub;
mod search;
mod source;
mod splice;
mod tool;
mod turns;
mod unpriced;
mod verbatim;
mod words;

use serde_json::{Map, Value};
use thiserror::Error;

use crate::json::write::Object;

pub use about::{About, Finish};
pub use answer::Answer;
pub(crate) use chunk::failure as stream_failure;
pub use chunk::{Chunk, StreamEvent, error_chunk, length_chunk, stream_event, usage_chunk};
pub(crate) use counted::Counted;
pub use errand::Errand;
pub(crate) use native::{Native, Natives, Tongue};
pub(crate) use prompt::{text_bytes, text_of};
pub(crate) use reasoning::{Effort, Reasoning};
pub use receipt::Receipt;
pub(crate) use receipt::read_cost;
pub use request::{ChatRequest, MODEL_BYTES_MAX, RequestError, model_id};
pub(crate) use said::{Reason, Said, answer_of, chunk_of, counted_alone, ended, is_of};
pub(crate) use scrub::message_of;
pub use scrub::{error_message, scrub};
pub(crate) use source::Source;
pub(crate) use tool::{Tool, ToolCall, ToolChoice, tool_calls};
pub(crate) use turns::Turns;
pub(crate) use verbatim::MESSAGES;
pub use words::Words;

/// What every answer and chunk says about itself, whoever produced it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// `gen-…`
    pub id: String,
    /// The model as clients name it.
    pub model: String,
    /// The provider, for people.
    pub provider: String,
    /// Unix seconds.
    pub created: i64,
}

impl Envelope {
    /// How an answer or a chunk begins.
    pub(crate) fn head(&self, object: &str) -> Map<String, Value> {
        let mut body = Map::new();
        body.insert("id".into(), self.id.as_str().into());
        body.insert("object".into(), object.into());
        body.insert("created".into(), self.created.into());
        body.insert("model".into(), self.model.as_str().into());
        body.insert("provider".into(), self.provider.as_str().into());
        body
    }

    /// The same as text.
    fn write_head(&self, object: &'static str, out: &mut Object<'_>) {
        out.text("id", &self.id);
        out.word("object", object);
        out.put("created", &self.created);
        out.text("model", &self.model);
        out.text("provider", &self.provider);
    }
}

/// Whether a field of a chunk is the gateway's to say.
fn is_own(field: &str) -> bool {
    matches!(field, "id" | "object" | "created" | "model" | "provider" | "choices")
}

/// Keeps what else the provider said; what it says about itself does not count.
fn keep_unknown(body: &mut Map<String, Value>, said: Map<String, Value>) {
    for (field, value) in said {
        if !value.is_null() && !body.contains_key(&field) {
            body.insert(field, value);
        }
    }
}

/// What a provider sent is no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AnswerError {
    #[error("The provider's answer is malformed: {0}")]
    Malformed(String),
    /// An error under a status of success, in the provider's words.
    #[error("{0}")]
    Failed(String),
}
