//! How Claude is told to think. Up to 4.5 it takes a number of tokens; from 4.6 on it weighs the work
//! itself and takes an effort; from 4.7 on a number of tokens is refused.

use serde_json::{Value, json};

use crate::chat::{Effort, Reasoning};

/// Anthropic refuses a smaller budget.
const BUDGET_TOKENS_MIN: u64 = 1_024;
/// The first version that weighs its thinking itself.
const ADAPTIVE_SINCE: Version = Version(4, 6);
/// The first version that knows one more effort, and refuses parameters of sampling.
const EXTRA_HIGH_SINCE: Version = Version(4, 7);
/// Longer numbers in a model's name are dates.
const VERSION_DIGITS_MAX: usize = 2;

/// Of a model, as its name says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(u8, u8);

impl Version {
    /// A name without a number is of the newest kind, as those names are.
    pub(crate) fn of(model: &str) -> Self {
        let numbers = model.split(['-', '.', '@', ':', '/']).map(|word| {
            Some(word).filter(|word| word.len() <= VERSION_DIGITS_MAX)?.parse::<u8>().ok()
        });
        let mut numbers = numbers.skip_while(Option::is_none);
        match numbers.next().flatten() {
            Some(major) => Self(major, numbers.next().flatten().unwrap_or(0)),
            None => Self(u8::MAX, 0),
        }
    }

    pub(crate) fn takes_sampling(self) -> bool {
        self < EXTRA_HIGH_SINCE
    }
}

/// The fields `thinking` and `effort` (which stands in `output_config`) for an answer of `most` tokens.
pub(crate) fn thinking(
    asked: Reasoning,
    version: Version,
    most: u64,
) -> (Option<Value>, Option<&'static str>) {
    if asked.is_off() {
        return (None, None);
    }
    if version < ADAPTIVE_SINCE {
        let budget = asked.budget(most, BUDGET_TOKENS_MIN);
        return (budget.map(|it| json!({"type": "enabled", "budget_tokens": it})), None);
    }
    // Without a word the newest models keep their thoughts to themselves.
    let thinking = json!({"type": "adaptive", "display": "summarized"});
    (Some(thinking), asked.tokens.is_none().then(|| effort(asked.effort, version)))
}

fn effort(effort: Effort, version: Version) -> &'static str {
    match effort {
        Effort::XHigh if version >= EXTRA_HIGH_SINCE => "xhigh",
        Effort::None | Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High | Effort::XHigh => "high",
        Effort::Max => "max",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_every_form_of_a_name() {
        let cases = [
            ("claude-3-5-sonnet-20241022", Version(3, 5)),
            ("claude-opus-4-20250514", Version(4, 0)),
            ("claude-opus-4-1", Version(4, 1)),
            ("anthropic.claude-opus-4-6-v1", Version(4, 6)),
            ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", Version(4, 5)),
            ("claude-sonnet-4-5@20250929", Version(4, 5)),
            ("claude-sonnet-5", Version(5, 0)),
            ("claude-mythos-preview", Version(u8::MAX, 0)),
        ];
        for (name, version) in cases {
            assert_eq!(Version::of(name), version, "{name}");
        }
    }

    #[test]
    fn old_models_get_a_budget_and_new_ones_an_effort() {
        let asked = Reasoning { effort: Effort::High, tokens: None };
        let (enabled, effort) = thinking(asked, Version(4, 5), 10_000);
        assert_eq!(enabled, Some(json!({"type": "enabled", "budget_tokens": 8_000})));
        assert_eq!(effort, None);
        let (adaptive, effort) = thinking(asked, Version(4, 6), 10_000);
        assert_eq!(adaptive.expect("thinking")["type"], "adaptive");
        assert_eq!(effort, Some("high"));
        let off = Reasoning { effort: Effort::None, tokens: None };
        assert_eq!(thinking(off, Version(5, 0), 10_000), (None, None));
    }
}
