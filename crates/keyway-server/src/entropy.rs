//! Randomness from the operating system, the only source of it in Keyway.

use std::cell::RefCell;

/// Bytes that a thread draws ahead.
const AHEAD: usize = 512;

thread_local! {
    static DRAWN: RefCell<Drawn> = const { RefCell::new(Drawn { bytes: [0; AHEAD], left: 0 }) };
}

struct Drawn {
    bytes: [u8; AHEAD],
    /// How many of them, the first, were not given out yet.
    left: usize,
}

/// `N` random bytes, fit for secrets.
///
/// The operating system's generator does not fail once it is seeded; a machine where it does can
/// keep no secret, so that is where the process ends.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(clippy::disallowed_methods, reason = "the one place that draws randomness")]
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// `N` random bytes, 512 at most, for the name of a request or a span, or for a choice: a call of the system for each
/// would be felt. Not for secrets, which lie in no memory that they are not needed in.
pub fn random_ahead<const N: usize>() -> [u8; N] {
    const { assert!(N <= AHEAD) };
    DRAWN.with_borrow_mut(|drawn| {
        if drawn.left < N {
            *drawn = Drawn { bytes: random(), left: AHEAD };
        }
        drawn.left -= N;
        let mut given = [0; N];
        given.copy_from_slice(&drawn.bytes[drawn.left..][..N]);
        given
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn what_is_drawn_ahead_is_given_once() {
        let draw = || (0..1_000).map(|_| random_ahead::<10>()).collect::<BTreeSet<_>>();
        let here = draw();
        let elsewhere = std::thread::spawn(draw).join().expect("bytes");
        assert_eq!(here.union(&elsewhere).count(), 2_000);
    }
}
