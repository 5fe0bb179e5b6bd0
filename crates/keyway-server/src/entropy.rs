//! Randomness from the operating system, the only source of it in Keyway.

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
