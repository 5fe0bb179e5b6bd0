//! How long an answer may be where the client does not say: as long as its endpoint's may, and yet so
//! that it fits beside the prompt. Some servers refuse a request whose two sides may together be longer
//! than the context, and nobody but they can count the prompt.

use super::bound::Bound;

/// A prompt of at most this part of the context is taken for as long as it can be: no answer misses it.
const SHORT_PROMPT: u64 = 4;
/// The least that is asked for, as a part of the longest answer: an estimate that is too high must not
/// leave next to nothing.
const LEAST: u64 = 4;
/// What is asked for after a refusal, as a part of what was asked for before.
const AGAIN: u64 = 4;

/// What is known of a prompt's length, in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Prompt {
    /// It has no more.
    most: u64,
    /// Of three bytes a token.
    estimate: u64,
}

/// How long an answer is allowed to become, in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Length {
    pub(super) first: u64,
    /// What is asked for where the server refuses that; `None` where its length is not to blame.
    pub(super) again: Option<u64>,
}

impl Bound {
    pub(super) const fn prompt(&self) -> Prompt {
        Prompt { most: self.usage.prompt_tokens, estimate: self.prompt_estimate.tokens }
    }
}

impl Length {
    /// The client's own: where it is refused, that is the client's to hear.
    pub(super) const fn said(tokens: u64) -> Self {
        Self { first: tokens, again: None }
    }

    /// For an answer of at most `longest` tokens in a context of so many.
    pub(super) fn beside(prompt: Prompt, context: u64, longest: u64) -> Self {
        let taken = if prompt.most <= context / SHORT_PROMPT {
            prompt.most
        } else if longest > context / 2 {
            // Nobody misses a part of so much, and texts are dense at two bytes a token.
            prompt.estimate.saturating_mul(3) / 2
        } else {
            // Here the answer would be cut by what is left out, so that it goes by four bytes a token.
            prompt.estimate.saturating_mul(3) / 4
        };
        let least = (longest / LEAST).max(1).min(longest);
        let first = context.saturating_sub(taken).clamp(least, longest);
        let fits = prompt.most.saturating_add(first) <= context;
        Self { first, again: (!fits && first >= AGAIN).then_some(first / AGAIN) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn beside(most: u64, context: u64, longest: u64) -> (u64, Option<u64>) {
        // A token a byte, and three bytes a token.
        let length = Length::beside(Prompt { most, estimate: most / 3 }, context, longest);
        (length.first, length.again)
    }

    #[test]
    fn an_answer_is_as_long_as_its_endpoints_beside_a_prompt_that_leaves_room() {
        assert_eq!(beside(1_000, 128_000, 16_000), (16_000, None));
        assert_eq!(beside(112_000, 128_000, 16_000), (16_000, None), "as long as it can be");
        assert_eq!(beside(1_000, 8_000, 8_000), (7_000, None));
    }

    #[test]
    fn beside_a_long_prompt_it_goes_by_an_estimate_and_shorter_once_more() {
        // 90,000 tokens of English, and 85,000 of it by estimate.
        assert_eq!(beside(340_000, 128_000, 16_000), (16_000, Some(4_000)));
        assert_eq!(beside(480_000, 128_000, 16_000), (8_000, Some(2_000)));
        assert_eq!(beside(800_000, 128_000, 16_000), (4_000, Some(1_000)), "not next to nothing");
        assert_eq!(beside(4_000, 8_000, 8_000), (6_001, Some(1_500)));
        assert_eq!(beside(4_000, 8_000, 1), (1, None));
    }

    proptest! {
        #[test]
        fn it_is_never_longer_than_what_is_reserved_for(
            most in 0..2_000_000_u64, estimate in 0..2_000_000_u64,
            context in 1..1_000_000_u64, longest in 1..1_000_000_u64,
        ) {
            let longest = longest.min(context);
            let length = Length::beside(Prompt { most, estimate }, context, longest);
            prop_assert!((1..=longest).contains(&length.first));
            prop_assert!(length.again.is_none_or(|again| (1..length.first).contains(&again)));
            if length.again.is_none() && length.first >= AGAIN {
                prop_assert!(most + length.first <= context, "what has no second try fits");
            }
        }
    }
}
