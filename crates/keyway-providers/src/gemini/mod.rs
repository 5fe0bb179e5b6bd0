//! Google's dialect: Gemini's `generateContent`, at AI Studio and at Vertex.

mod answer;
mod content;
mod errand;
mod request;
mod stream;

use serde_json::{Map, Value};

use crate::chat::{Answer, AnswerError, ChatRequest, Errand, RequestError};
use crate::dialect::Target;

pub(crate) use answer::answer;
pub(crate) use request::request_body;
pub(crate) use stream::Events;

/// What `reasoning_details` of this provider are marked with: they are given back to none but it.
const FORMAT: &str = "google-gemini-v1";

/// Which of Google's two addresses speaks: only embeddings differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum House {
    AiStudio,
    Vertex,
}

impl House {
    /// Where a request for `model`, which is fit for a path, goes.
    pub(crate) fn path(self, request: &ChatRequest, model: &str) -> String {
        let call = match (request.errand, self) {
            (Some(_), Self::AiStudio) => "batchEmbedContents",
            (Some(_), Self::Vertex) => "predict",
            (None, _) if request.stream => "streamGenerateContent?alt=sse",
            (None, _) => "generateContent",
        };
        format!("/models/{model}:{call}")
    }

    /// The body of an errand. An error names the field that Google cannot take.
    pub(crate) fn errand_body(
        self,
        request: &ChatRequest,
        asked: Errand,
        target: &Target<'_>,
    ) -> Result<Map<String, Value>, RequestError> {
        match (asked, self) {
            (Errand::Rerank, _) => {
                Err(RequestError::new("model", "is at Google, where nothing is ranked from here"))
            }
            (Errand::Embed, Self::AiStudio) => errand::batch(request, target),
            (Errand::Embed, Self::Vertex) => errand::prediction(request),
        }
    }
}

/// Reads the answer to an errand.
pub(crate) fn errand_answer(body: &[u8]) -> Result<Answer, AnswerError> {
    errand::answer(body)
}
