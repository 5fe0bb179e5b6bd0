//! What the descriptions of all routes that ask a model have in common.

use utoipa::{IntoParams, IntoResponses};

/// Whether a request is only a question.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is read by the descriptions and never made")]
pub(super) struct Question {
    /// With `true` the answer says whether the request would be admitted and what it would reserve; nothing
    /// is sent, reserved or counted
    #[param(nullable = false)]
    dry_run: Option<bool>,
}

/// How a request is refused, or fails, whatever the client speaks.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it is read by the descriptions and never made")]
pub(super) enum Refusals {
    #[response(
        status = 400,
        description = "The request is malformed, or names no model of this gateway"
    )]
    Malformed,
    #[response(status = 401, description = "No valid key")]
    Unknown,
    #[response(
        status = 402,
        description = "The key, or the request's own ceiling, cannot afford what the request may cost"
    )]
    Unaffordable,
    #[response(
        status = 403,
        description = "Nothing is left under the key's limit, or it is a management key"
    )]
    Exhausted,
    #[response(status = 408, description = "The body took too long to arrive")]
    Slow,
    #[response(status = 413, description = "The body is too large")]
    Large,
    #[response(
        status = 429,
        description = "A rate limit of the key is reached, or the provider asks to wait",
        headers(
            ("X-RateLimit-Limit" = u64, description = "The key's limit"),
            ("X-RateLimit-Remaining" = u64, description = "What of it is left at this node"),
            ("X-RateLimit-Reset" = u64, description = "When the request will fit, in milliseconds since 1970"),
            ("Retry-After" = u64, description = "Seconds until then; absent where the request is larger than the limit"),
        )
    )]
    Frequent,
    #[response(status = 502, description = "The provider failed")]
    Failed,
    #[response(
        status = 503,
        description = "The store cannot be written, or the provider is overloaded"
    )]
    Unavailable,
}
