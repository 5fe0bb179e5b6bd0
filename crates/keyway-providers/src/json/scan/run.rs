//! How far a string says nothing but itself: most of a text is that, and is looked at in words and blocks.

/// Words of a string that are looked at one by one: most strings end within them.
const SHORT_WORDS: usize = 2;
/// Bytes of a long string that are looked at together.
const BLOCK_BYTES: usize = 64;

/// How many bytes come, about, before the first that ends a string, or cannot stand in one as it is. What
/// is left behind them is seen one by one.
#[inline]
pub(super) fn plain_run(bytes: &[u8]) -> usize {
    let (short, ends) = plain_words(bytes, SHORT_WORDS);
    if ends { short } else { short + long_run(&bytes[short..]) }
}

/// Whether a string says nothing but `text`, as it stands between its marks.
pub(in super::super) fn says_itself(text: &str) -> bool {
    let rest = &text.as_bytes()[plain_run(text.as_bytes())..];
    !rest.iter().copied().any(is_special)
}

/// Whether a byte ends a string, or cannot stand in one as it is.
const fn is_special(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

/// Apart, so that the others do not carry its blocks.
#[inline(never)]
fn long_run(bytes: &[u8]) -> usize {
    let (blocks, _) = bytes.as_chunks();
    let long = blocks.iter().take_while(|block| is_plain(block)).count() * BLOCK_BYTES;
    long + plain_words(&bytes[long..], usize::MAX).0
}

/// The same eight bytes at a time, `most` times at most, and whether such a byte was found.
#[inline]
fn plain_words(bytes: &[u8], most: usize) -> (usize, bool) {
    let (words, _) = bytes.as_chunks();
    let mut run = 0;
    for word in words.iter().take(most) {
        let plain = (specials(*word).trailing_zeros() / u8::BITS) as usize;
        run += plain;
        if plain < word.len() {
            return (run, true);
        }
    }
    (run, false)
}

/// Whether there is no such byte in a block. It looks at each of them, so that it can look at many at once.
fn is_plain(block: &[u8; BLOCK_BYTES]) -> bool {
    let (words, _) = block.as_chunks();
    words.iter().fold(0, |found, word| found | specials(*word)) == 0
}

/// The highest bit of the lowest of eight bytes that ends a string, or cannot stand in one as it is, and
/// maybe of some above that one.
const fn specials(word: [u8; 8]) -> u64 {
    /// One in each byte.
    const ONES: u64 = u64::MAX / 0xFF;
    let word = u64::from_le_bytes(word);
    // What is less than that which is taken from it borrows its highest bit.
    let quote = (word ^ (ONES * b'"' as u64)).wrapping_sub(ONES);
    let backslash = (word ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
    let control = word.wrapping_sub(ONES * b' ' as u64);
    (quote | backslash | control) & !word & (ONES << 7)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_special_byte_of_eight_is_found(bytes in any::<[u8; 8]>()) {
            let first = bytes.iter().position(|byte| is_special(*byte)).unwrap_or(8);
            prop_assert_eq!(specials(bytes).trailing_zeros() as usize / 8, first);
        }

        #[test]
        fn a_run_ends_at_the_first_special_byte_or_shortly_before_the_end(
            plain in prop::collection::vec(b'#'..=b'[', 0..150),
            special in prop::option::of(any::<u8>()),
            behind in prop::collection::vec(any::<u8>(), 0..50),
        ) {
            let bytes: Vec<u8> = plain.into_iter().chain(special).chain(behind).collect();
            let run = plain_run(&bytes);
            let first = bytes.iter().position(|byte| is_special(*byte)).unwrap_or(bytes.len());
            prop_assert!(run <= first && (run == first || bytes.len() - run < size_of::<u64>()));
        }
    }
}
