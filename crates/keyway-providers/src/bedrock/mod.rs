//! Amazon's dialect: Bedrock's Converse. Models of every author are behind it.

mod answer;
mod content;
mod errand;
mod request;
mod stream;

use crate::chat::ChatRequest;

pub(crate) use answer::answer;
pub(crate) use errand::{errand_answer, errand_body};
pub(crate) use request::request_body;
pub(crate) use stream::Events;

/// What `reasoning_details` are marked with: only Claude's are signed here.
const FORMAT: &str = "anthropic-claude-v1";

/// Where a request for `model`, which is fit for a path, goes.
pub(crate) fn path(request: &ChatRequest, model: &str) -> String {
    let call = match request.errand {
        Some(_) => "invoke",
        None if request.stream => "converse-stream",
        None => "converse",
    };
    format!("/model/{model}/{call}")
}
