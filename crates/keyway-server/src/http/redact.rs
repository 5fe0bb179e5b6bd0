//! Key strings in text that is repeated to callers and to the log.

use std::borrow::Cow;

/// What every key ends in, whatever its prefix; a hash has no prefix and is as long, so it stays.
const KEY_DIGITS: usize = 64;
/// How keys begin here and elsewhere; a part of one is masked too.
const KEY_PREFIX: &str = "sk-";
const MASK: &str = "[masked]";

/// `text` without key strings.
pub(crate) fn redact(text: &str) -> Cow<'_, str> {
    // Most texts are too short for a whole one, and few hold a part of one.
    let mut places = text.as_bytes().windows(KEY_PREFIX.len());
    if text.len() <= KEY_DIGITS && !places.any(|it| it == KEY_PREFIX.as_bytes()) {
        return Cow::Borrowed(text);
    }
    let mut words = text.as_bytes().split(|byte| !is_of_a_key(*byte));
    if !words.any(looks_like_key) {
        return Cow::Borrowed(text);
    }
    let mut redacted = String::with_capacity(text.len());
    for piece in text.split_inclusive(|c: char| !u8::try_from(c).is_ok_and(is_of_a_key)) {
        let word = word(piece.as_bytes());
        let is_key = looks_like_key(word);
        redacted.push_str(if is_key { MASK } else { &piece[..word.len()] });
        redacted.push_str(&piece[word.len()..]);
    }
    Cow::Owned(redacted)
}

/// A piece without what ends it.
fn word(piece: &[u8]) -> &[u8] {
    let end = piece.iter().position(|byte| !is_of_a_key(*byte));
    &piece[..end.unwrap_or(piece.len())]
}

const fn is_of_a_key(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

fn looks_like_key(word: &[u8]) -> bool {
    let digits = word.len().checked_sub(KEY_DIGITS).filter(|prefix| *prefix > 0);
    let whole = digits.is_some_and(|at| word[at..].iter().all(u8::is_ascii_hexdigit));
    whole || word.strip_prefix(KEY_PREFIX.as_bytes()).is_some_and(|rest| !rest.is_empty())
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
