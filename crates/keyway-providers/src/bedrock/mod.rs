//! Amazon's dialect: Bedrock's Converse. Models of every author are behind it.

mod answer;
mod content;
mod request;
mod stream;

pub(crate) use answer::answer;
pub(crate) use request::request_body;
pub(crate) use stream::Events;

/// What `reasoning_details` are marked with: only Claude's are signed here.
const FORMAT: &str = "anthropic-claude-v1";

/// Where a request for `model`, which is fit for a path, goes.
pub(crate) fn path(streams: bool, model: &str) -> String {
    let call = if streams { "converse-stream" } else { "converse" };
    format!("/model/{model}/{call}")
}
