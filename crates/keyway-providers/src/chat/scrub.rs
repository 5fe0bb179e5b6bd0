//! A provider's error message, fit to be passed on: bounded, and without credentials.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::Value;

use crate::json::parse_lenient;

const CHARACTERS_MAX: usize = 500;
const MASK: &str = "[masked]";
/// How credentials of providers begin.
const CREDENTIAL_PREFIXES: [&str; 9] =
    ["sk-", "csk-", "gsk_", "hf_", "nvapi-", "pplx-", "xai-", "AIza", "eyJ"];
/// What is shorter behind a prefix is a word of the language.
const CREDENTIAL_BYTES_MIN: usize = 4;
/// Fields that hold the message, in the order of preference.
const MESSAGE_FIELDS: [&str; 4] = ["message", "detail", "error", "msg"];
/// Levels of a body that are searched for the message.
const MESSAGE_DEPTH_MAX: usize = 4;

/// Reads the message out of an error's body. Providers repeat the key that they refuse, so `secret`
/// and whatever looks like a credential is masked.
pub fn error_message(body: &[u8], secret: Option<&str>) -> Option<String> {
    let told = message_of(body).map(|text| scrub(&text, secret).into_owned());
    told.filter(|message| !message.is_empty())
}

/// The message of an error's body in the provider's own words, whole: cut before the secret is masked,
/// it could end in a part of the secret, which nothing would find. Not fit to be passed on; who knows
/// the secret has to [`scrub`] it.
pub(crate) fn message_of(body: &[u8]) -> Option<String> {
    let text = match parse_lenient(body) {
        Ok(body) => message_in(&body, MESSAGE_DEPTH_MAX)?.to_owned(),
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    Some(text).filter(|text| !text.trim().is_empty())
}

/// Makes a provider's words fit to be passed on: `secret`, as it is and as it stands in a URL, and
/// whatever looks like a credential is masked, and no more is kept than a message needs.
pub fn scrub<'a>(text: &'a str, secret: Option<&str>) -> Cow<'a, str> {
    match secret.filter(|secret| !secret.is_empty()) {
        Some(secret) => {
            let masked = text.replace(secret, MASK).replace(&in_url(secret), MASK);
            Cow::Owned(scrub_looks(&masked))
        }
        // Names and ids are scrubbed by the thousand.
        None if is_harmless(text) => Cow::Borrowed(text),
        None => Cow::Owned(scrub_looks(text)),
    }
}

/// The same of what looks like a credential.
fn scrub_looks(text: &str) -> String {
    let mut masked = mask(text);
    if masked.contains(char::is_control) {
        // A control character becomes a space; taking it out could put a credential together again.
        masked = masked.replace(char::is_control, " ");
    }
    let told = masked.trim();
    let end = told.char_indices().nth(CHARACTERS_MAX).map_or(told.len(), |(end, _)| end);
    told[..end].to_owned()
}

/// Whether it is one short word of ASCII in which no credential starts.
fn is_harmless(text: &str) -> bool {
    let mut inside = false;
    let mut places = text.bytes().enumerate();
    text.len() <= CHARACTERS_MAX
        && places.all(|(at, byte)| {
            let goes_on = std::mem::replace(&mut inside, byte.is_ascii_alphanumeric());
            let is_of_a_word = inside || matches!(byte, b'-' | b'_' | b'.' | b':' | b'/');
            is_of_a_word && (goes_on || !is_credential(&text.as_bytes()[at..]))
        })
}

/// Percent-encoded.
fn in_url(secret: &str) -> String {
    let mut encoded = String::with_capacity(secret.len());
    for byte in secret.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("a string takes all text");
        }
    }
    encoded
}

/// The message in `error`, or beside it; of a list the first one's.
fn message_in(body: &Value, depth: usize) -> Option<&str> {
    let depth = depth.checked_sub(1)?;
    match body {
        Value::String(text) => Some(text),
        Value::Array(items) => message_in(items.first()?, depth),
        Value::Object(fields) => {
            let error = fields.get("error").filter(|error| error.is_object());
            let inside = error.and_then(|error| message_in(error, depth));
            let given = || MESSAGE_FIELDS.iter().filter_map(|field| fields.get(*field));
            inside.or_else(|| given().find_map(|value| message_in(value, depth)))
        }
        _ => None,
    }
}

fn mask(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut after_bearer = false;
    for piece in text.split_inclusive(ends_word) {
        let word = piece.strip_suffix(ends_word).unwrap_or(piece);
        let visible = if after_bearer { 0 } else { credential_start(word).unwrap_or(word.len()) };
        masked.push_str(&word[..visible]);
        if visible < word.len() {
            masked.push_str(MASK);
        }
        masked.push_str(&piece[word.len()..]);
        after_bearer = ends_with_bearer(word) || (after_bearer && word.is_empty());
    }
    masked
}

fn ends_word(character: char) -> bool {
    let is_mark = matches!(
        character,
        '"' | '\'' | '`' | ',' | ';' | '(' | ')' | '<' | '>' | '[' | ']' | '{' | '}'
    );
    is_mark || character.is_whitespace() || character.is_control()
}

/// Where in a word a credential starts: at a known prefix that is not inside of a word ("disk-full").
fn credential_start(word: &str) -> Option<usize> {
    let mut inside = false;
    let mut begins = word.char_indices().filter(|(_, character)| {
        let goes_on = std::mem::replace(&mut inside, character.is_alphanumeric());
        !goes_on
    });
    begins.find(|(at, _)| is_credential(&word.as_bytes()[*at..])).map(|(at, _)| at)
}

fn is_credential(text: &[u8]) -> bool {
    let behind = |prefix: &str| text.strip_prefix(prefix.as_bytes()).map_or(0, <[u8]>::len);
    // Most words begin like none of them.
    let mut alike = CREDENTIAL_PREFIXES.iter().filter(|it| it.as_bytes().first() == text.first());
    alike.any(|prefix| behind(prefix) >= CREDENTIAL_BYTES_MIN)
}

fn ends_with_bearer(word: &str) -> bool {
    let word = word.as_bytes();
    word.last_chunk::<6>().is_some_and(|end| end.eq_ignore_ascii_case(b"bearer"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn message(body: &str) -> Option<String> {
        error_message(body.as_bytes(), Some("topsecret123"))
    }

    #[test]
    fn credentials_are_masked_wherever_they_stand() {
        let cases = [
            ("Incorrect API key provided: sk-abc123.", "Incorrect API key provided: [masked]"),
            ("no topsecret123 here", "no [masked] here"),
            ("got 'Bearer abc.def', sorry", "got 'Bearer [masked]', sorry"),
            ("authorization:bearer  abc", "authorization:bearer  [masked]"),
            ("plain (sk-wxyz) text\n", "plain ([masked]) text"),
            ("https://a.b/c?key=AIzaSyD-9&x=1 failed", "https://a.b/c?key=[masked] failed"),
            ("topsecret\u{0}123 is cut", "topsecret 123 is cut"),
            ("disk-full, at risk-level 5", "disk-full, at risk-level 5"),
        ];
        for (text, expected) in cases {
            assert_eq!(message(text).as_deref(), Some(expected), "{text}");
            let body = json!({"error": {"message": text}}).to_string();
            assert_eq!(message(&body).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_credential_is_lent() {
        for text in
            ["stop", "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT", "client/1.0", "disk-full", ""]
        {
            assert!(matches!(scrub(text, None), Cow::Borrowed(told) if told == text), "{text}");
        }
        for text in ["me/sk-abc123", "eyJhbGci", " stop", "a\tb", "bearer abc"] {
            assert!(matches!(scrub(text, None), Cow::Owned(told) if told != text), "{text}");
        }
    }

    #[test]
    fn the_message_is_found_in_every_providers_form() {
        let cases = [
            (r#"{"error":{"message":"no","code":1}}"#, Some("no")),
            (r#"{"error":"no"}"#, Some("no")),
            (r#"{"message":"no","error":{"code":1}}"#, Some("no")),
            (r#"{"detail":"no"}"#, Some("no")),
            (r#"{"detail":[{"loc":["body"],"msg":"no"}]}"#, Some("no")),
            (r#"[{"error":{"message":"no"}}]"#, Some("no")),
            (r#"{"object":"error","message":"no"}"#, Some("no")),
            ("no\n", Some("no")),
            ("{}", None),
            (r#"{"error":{"code":1}}"#, None),
            ("7", None),
            (" ", None),
        ];
        for (body, expected) in cases {
            assert_eq!(message(body).as_deref(), expected, "{body}");
        }
        let long = message(&"é".repeat(900)).expect("a message");
        assert_eq!(long.chars().count(), CHARACTERS_MAX);
    }

    #[test]
    fn a_message_is_cut_after_the_secret_in_it_was_masked() {
        let secret = "topsecret123";
        let words = format!("{} {secret} is wrong", "x".repeat(CHARACTERS_MAX - 5));
        let body = json!({"error": {"message": words}}).to_string();
        let inside = message_of(body.as_bytes()).expect("a message");
        let told = scrub(&inside, Some(secret));
        assert!(!told.contains("tops"), "{told}");
        assert_eq!(Some(&*told), error_message(body.as_bytes(), Some(secret)).as_deref());
    }

    proptest! {
        #[test]
        fn what_is_harmless_is_passed_on_as_it_came(
            text in "([a-z0-9_.:/-]|sk-|hf_|eyJ|AIza|bearer|[ ,é\t])*",
        ) {
            if is_harmless(&text) {
                prop_assert_eq!(scrub_looks(&text), text);
            }
        }

        #[test]
        fn no_secret_survives(before in "\\PC{0,20}", after in "\\PC{0,20}", secret in "[!-~]{16,40}") {
            let body = json!({"error": {"message": format!("{before}{secret}{after}")}});
            let told = error_message(body.to_string().as_bytes(), Some(&secret));
            prop_assert!(!told.unwrap_or_default().contains(&secret));
        }

        #[test]
        fn no_credential_survives(before in "\\PC{0,20}[ =:/\"]", after in "[ ,.\"]\\PC{0,20}") {
            let credential = "sk-0123456789abcdef";
            let told = error_message(format!("{before}{credential}{after}").as_bytes(), None);
            prop_assert!(!told.unwrap_or_default().contains(credential));
        }
    }
}
