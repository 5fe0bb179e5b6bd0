//! Claude at Vertex: the same Messages, the model in the path and the version in the body.

use serde_json::{Map, Value};

use super::request_body;
use crate::chat::{ChatRequest, RequestError};
use crate::dialect::Target;

/// The version of the Messages API that Vertex speaks.
const VERSION: &str = "vertex-2023-10-16";

/// Where a request for `model`, which is fit for a path, goes.
pub(crate) fn vertex_path(request: &ChatRequest, model: &str) -> String {
    let call = if request.stream { "streamRawPredict" } else { "rawPredict" };
    format!("/models/{model}:{call}")
}

/// The request's body. An error names the field that Claude cannot take.
pub(crate) fn vertex_body(
    request: &ChatRequest,
    target: &Target<'_>,
) -> Result<Map<String, Value>, RequestError> {
    let mut body = request_body(request, target)?;
    // The path names the one, and Vertex has no other tier than its own.
    for field in ["model", "service_tier"] {
        body.shift_remove(field);
    }
    with_version(&mut body);
    Ok(body)
}

/// Says the version in the body.
pub(super) fn with_version(body: &mut Map<String, Value>) {
    body.insert("anthropic_version".into(), VERSION.into());
}
