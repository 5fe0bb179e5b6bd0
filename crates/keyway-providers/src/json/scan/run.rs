//! How far a string says nothing but itself: most of a text is that, and is looked at in words and blocks.

/// Words of a string that are looked at one by one: most strings end within them.
const SHORT_WORDS: usize = 2;
/// Bytes of a long string that are looked at together.
const BLOCK_BYTES: usize = 32;

/// How many bytes come, about, before the first that ends a string, or cannot stand in one as it is. What
/// is left behind them is seen one by one.
pub(super) fn plain_run(bytes: &[u8]) -> usize {
    let (short, ends) = plain_words(bytes, SHORT_WORDS);
    if ends {
        return short;
    }
    let (blocks, _) = bytes[short..].as_chunks();
    let long = short + blocks.iter().take_while(|block| is_plain(block)).count() * BLOCK_BYTES;
    long + plain_words(&bytes[long..], usize::MAX).0
}

/// The same eight bytes at a time, `most` times at most, and whether such a byte was found.
fn plain_words(bytes: &[u8], most: usize) -> (usize, bool) {
    let (words, _) = bytes.as_chunks::<{ size_of::<u64>() }>();
    let mut run = 0;
    for word in words.iter().take(most) {
        let plain = plain_bytes(u64::from_le_bytes(*word));
        run += plain;
        if plain < word.len() {
            return (run, true);
        }
    }
    (run, false)
}

/// Whether there is no such byte in a block. It looks at each of them, so that it can look at many at once.
fn is_plain(block: &[u8; BLOCK_BYTES]) -> bool {
    let special = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
    block.iter().fold(0, |found, byte| found | u8::from(special(*byte))) == 0
}

/// How many of eight bytes come before the first that ends a string, or cannot stand in one as it is.
const fn plain_bytes(word: u64) -> usize {
    /// One in each byte.
    const ONES: u64 = u64::MAX / 0xFF;
    /// The highest bit of the lowest byte that is less than `least`, and maybe of some above that one.
    const fn less(word: u64, least: u8) -> u64 {
        word.wrapping_sub(ONES * least as u64) & !word & (ONES << 7)
    }
    let quote = less(word ^ (ONES * b'"' as u64), 1);
    let backslash = less(word ^ (ONES * b'\\' as u64), 1);
    ((quote | backslash | less(word, b' ')).trailing_zeros() / u8::BITS) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_special(byte: u8) -> bool {
        byte < b' ' || byte == b'"' || byte == b'\\'
    }

    proptest! {
        #[test]
        fn the_first_special_byte_of_eight_is_found(bytes in any::<[u8; 8]>()) {
            let first = bytes.iter().position(|byte| is_special(*byte)).unwrap_or(8);
            prop_assert_eq!(plain_bytes(u64::from_le_bytes(bytes)), first);
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
