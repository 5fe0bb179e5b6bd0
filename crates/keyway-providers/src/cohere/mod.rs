//! Cohere's dialect: Chat, Embed and Rerank, version 2.

mod answer;
mod errand;
mod request;
mod stream;

use crate::chat::{ChatRequest, Errand};

pub(crate) use answer::answer;
pub(crate) use errand::{body as errand_body, errand_answer};
pub(crate) use request::request_body;
pub(crate) use stream::Events;

/// What `reasoning_details` of this provider are marked with: it takes none back.
const FORMAT: &str = "unknown";

/// Where a request goes.
pub(crate) const fn path(request: &ChatRequest) -> &'static str {
    match request.errand {
        None => "/chat",
        Some(Errand::Embed) => "/embed",
        Some(Errand::Rerank) => "/rerank",
    }
}
