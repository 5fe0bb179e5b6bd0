//! Key strings in text that is repeated to callers and to the log.

use std::borrow::Cow;

/// What every key ends in, whatever its prefix; a hash has no prefix and is as long, so it stays.
const KEY_DIGITS: usize = 64;
/// How keys begin here and elsewhere; a part of one is masked too.
const KEY_PREFIX: &str = "sk-";
const MASK: &str = "[masked]";

/// `text` without key strings.
pub(crate) fn redact(text: &str) -> String {
    let mut redacted = String::with_capacity(text.len());
    for piece in text.split_inclusive(|c: char| !is_key_character(c)) {
        redacted.push_str(&redact_word(piece));
    }
    redacted
}

fn redact_word(piece: &str) -> Cow<'_, str> {
    let word = piece.trim_end_matches(|c: char| !is_key_character(c));
    if looks_like_key(word) {
        Cow::Owned(format!("{MASK}{}", &piece[word.len()..]))
    } else {
        Cow::Borrowed(piece)
    }
}

fn is_key_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '-' || character == '_'
}

fn looks_like_key(word: &str) -> bool {
    let digits = word.len().checked_sub(KEY_DIGITS).filter(|prefix| *prefix > 0);
    let whole = digits.is_some_and(|at| word[at..].bytes().all(|byte| byte.is_ascii_hexdigit()));
    whole || (word.starts_with(KEY_PREFIX) && word.len() > KEY_PREFIX.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_masked_and_hashes_are_not() {
        let (hash, key) = ("0a".repeat(32), format!("kw_{}", "0a".repeat(32)));
        let said =
            format!("{key} is not a valid model ID: \"{key}\" appears, {hash} and sk-or-v1-ab.");
        let expected =
            format!("[masked] is not a valid model ID: \"[masked]\" appears, {hash} and [masked].");
        assert_eq!(redact(&said), expected);
        assert_eq!(redact("PATCH http://x/api/v1/keys, élan"), "PATCH http://x/api/v1/keys, élan");
    }
}
