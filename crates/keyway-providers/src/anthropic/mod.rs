//! Anthropic's dialect: the Messages API.

mod answer;
mod content;
mod count;
mod native;
mod request;
mod stream;
mod thinking;
mod vertex;

pub(crate) use answer::answer;
pub(crate) use count::count_body;
pub(crate) use request::request_body;
pub(crate) use stream::Events;
pub(crate) use thinking::{Version, thinking};
pub(crate) use vertex::{vertex_body, vertex_path};

/// What `reasoning_details` of this provider are marked with: they are given back to none but it.
const FORMAT: &str = "anthropic-claude-v1";
