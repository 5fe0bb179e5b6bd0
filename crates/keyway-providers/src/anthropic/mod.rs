//! Anthropic's dialect: the Messages API.

mod answer;
mod content;
mod native;
mod request;
mod stream;
mod thinking;

pub(crate) use answer::answer;
pub(crate) use request::request_body;
pub(crate) use stream::Events;
pub(crate) use thinking::{Version, thinking};

/// What `reasoning_details` of this provider are marked with: they are given back to none but it.
const FORMAT: &str = "anthropic-claude-v1";
