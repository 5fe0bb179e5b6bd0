//! Google's dialect: Gemini's `generateContent`, at AI Studio and at Vertex.

mod answer;
mod content;
mod request;
mod stream;

pub(crate) use answer::answer;
pub(crate) use request::request_body;
pub(crate) use stream::Events;

/// What `reasoning_details` of this provider are marked with: they are given back to none but it.
const FORMAT: &str = "google-gemini-v1";

/// Where a request for `model`, which is fit for a path, goes.
pub(crate) fn path(streams: bool, model: &str) -> String {
    let call = if streams { "streamGenerateContent?alt=sse" } else { "generateContent" };
    format!("/models/{model}:{call}")
}
