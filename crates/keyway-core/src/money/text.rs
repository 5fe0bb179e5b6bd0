//! An amount as text.

use std::fmt;

use super::{NANO_DECIMALS, Nanos};

/// The longest amount in nano-dollars as text: a sign, nineteen digits and a point.
const NANOS_BYTES_MAX: usize = 21;

/// The text of an amount. It is written from its end.
#[derive(Debug)]
pub struct NanosText {
    text: [u8; NANOS_BYTES_MAX],
    start: usize,
}

impl NanosText {
    pub fn as_bytes(&self) -> &[u8] {
        &self.text[self.start..]
    }
}

impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(self.text().as_bytes()).expect("digits are text"))
    }
}

impl Nanos {
    /// The shortest decimal text of the amount in USD, without an exponent: `0.00014`, `12`, `-3.5`.
    pub fn text(self) -> NanosText {
        // Each answer says several, so that there is no text for each part.
        let mut text = [0; NANOS_BYTES_MAX];
        let mut start = text.len();
        let mut put = |byte| {
            start -= 1;
            text[start] = byte;
        };
        let mut left = self.0.unsigned_abs();
        let mut has_decimals = false;
        for _ in 0..NANO_DECIMALS {
            has_decimals |= !left.is_multiple_of(10);
            if has_decimals {
                put(last_digit(left));
            }
            left /= 10;
        }
        if has_decimals {
            put(b'.');
        }
        loop {
            put(last_digit(left));
            left /= 10;
            if left == 0 {
                break;
            }
        }
        if self.0 < 0 {
            put(b'-');
        }
        NanosText { text, start }
    }
}

fn last_digit(number: u64) -> u8 {
    b'0' + u8::try_from(number % 10).expect("it is less than ten")
}
