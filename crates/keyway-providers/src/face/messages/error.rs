//! Errors in Anthropic's envelope.

use serde_json::{Value, json};

/// The body of an error: `error_type` is a word of the contract's vocabulary (C.4), `request_id` the
/// generation's where there is one.
pub fn error_body(message: &str, error_type: &str, request_id: Option<&str>) -> Value {
    let kind = kind(error_type);
    json!({
        "type": "error",
        "error": {"type": kind, "message": message, "error_type": error_type},
        "request_id": request_id,
    })
}

/// The word that Anthropic's clients know.
fn kind(error_type: &str) -> &'static str {
    match error_type {
        "authentication" => "authentication_error",
        "permission_denied" => "permission_error",
        "payment_required" => "billing_error",
        "not_found" | "image_not_found" => "not_found_error",
        "rate_limit_exceeded" => "rate_limit_error",
        "provider_overloaded" => "overloaded_error",
        "timeout" => "timeout_error",
        "provider_unavailable" | "server" | "unmapped" => "api_error",
        _ => "invalid_request_error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_has_one_that_anthropic_knows() {
        for (ours, theirs) in [
            ("authentication", "authentication_error"),
            ("payment_required", "billing_error"),
            ("provider_overloaded", "overloaded_error"),
            ("provider_unavailable", "api_error"),
            ("payload_too_large", "invalid_request_error"),
        ] {
            let body = error_body("no", ours, Some("gen-1"));
            let expected = json!({
                "type": "error", "request_id": "gen-1",
                "error": {"type": theirs, "message": "no", "error_type": ours},
            });
            assert_eq!(body, expected);
        }
    }
}
