//! Cohere's dialect: Chat, version 2.

mod answer;
mod request;
mod stream;

pub(crate) use answer::answer;
pub(crate) use request::request_body;
pub(crate) use stream::Events;

/// What `reasoning_details` of this provider are marked with: it takes none back.
const FORMAT: &str = "unknown";
