//! A provider's error message, fit to be passed on: bounded, and without credentials.

use serde_json::Value;

const CHARACTERS_MAX: usize = 500;
const MASK: &str = "[masked]";
/// How words that are credentials begin.
const CREDENTIAL_PREFIXES: [&str; 6] = ["sk-", "gsk_", "xai-", "AIza", "eyJ", "key-"];

/// Reads the message out of an error's body. Providers repeat the key that they refuse, so `secret`
/// and whatever looks like a credential is masked.
pub fn error_message(body: &[u8], secret: Option<&str>) -> Option<String> {
    let text = match serde_json::from_slice::<Value>(body) {
        Ok(body) => message_in(&body)?.to_owned(),
        Err(_) => String::from_utf8_lossy(body).trim().to_owned(),
    };
    if text.is_empty() {
        return None;
    }
    let text = match secret.filter(|secret| !secret.is_empty()) {
        Some(secret) => text.replace(secret, MASK),
        None => text,
    };
    let masked = mask(&text);
    Some(masked.chars().filter(|c| !c.is_control()).take(CHARACTERS_MAX).collect())
}

fn message_in(body: &Value) -> Option<&str> {
    let error = body.get("error").unwrap_or(body);
    let fields = ["message", "detail", "error"];
    error.as_str().or_else(|| fields.iter().find_map(|field| error.get(field)?.as_str()))
}

fn mask(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut after_bearer = false;
    for piece in text.split_inclusive(|c: char| c.is_whitespace() || "\"'`,;()<>[]{}".contains(c)) {
        let word = piece.trim_end_matches(|c: char| c.is_whitespace() || "\"'`,;()<>[]{}".contains(c));
        let credential = CREDENTIAL_PREFIXES.iter().any(|prefix| word.contains(prefix));
        if !word.is_empty() && (credential || after_bearer) {
            masked.push_str(MASK);
            masked.push_str(&piece[word.len()..]);
        } else {
            masked.push_str(piece);
        }
        after_bearer = word.eq_ignore_ascii_case("bearer") || (after_bearer && word.is_empty());
    }
    masked
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn credentials_are_masked_wherever_they_stand() {
        let secret = Some("topsecret123");
        let cases = [
            (r#"{"error":{"message":"Incorrect API key provided: sk-abc123."}}"#, "Incorrect API key provided: [masked]"),
            (r#"{"error":"no topsecret123 here"}"#, "no [masked] here"),
            (r#"{"detail":"got 'Bearer abc.def', sorry"}"#, "got 'Bearer [masked]', sorry"),
            ("plain (sk-xyz) text\n", "plain ([masked]) text"),
        ];
        for (body, expected) in cases {
            assert_eq!(error_message(body.as_bytes(), secret).as_deref(), Some(expected), "{body}");
        }
        assert_eq!(error_message(b"{}", None), None);
        assert_eq!(error_message(b"", None), None);
        assert_eq!(error_message("é".repeat(900).as_bytes(), None).map(|m| m.chars().count()), Some(500));
    }

    proptest! {
        #[test]
        fn no_secret_survives(before in "\\PC{0,20}", after in "\\PC{0,20}") {
            let secret = "sk-0123456789abcdef";
            let body = serde_json::json!({"error": {"message": format!("{before}{secret}{after}")}});
            let message = error_message(body.to_string().as_bytes(), Some(secret));
            prop_assert!(!message.unwrap_or_default().contains(secret));
        }
    }
}
