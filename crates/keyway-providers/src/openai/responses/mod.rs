//! OpenAI's Responses, where the client speaks them too: what it says is sent, and what comes back is
//! passed on beside what it means.

mod answer;
mod request;
mod stream;

pub(crate) use answer::answer;
pub(super) use request::request_body;
pub(crate) use stream::Events;

/// What `reasoning_details` of this provider are marked with.
const FORMAT: &str = "openai-responses-v1";
