//! What holds for any text.

use proptest::prelude::*;
use proptest::string::string_regex;
use regex_lite::Regex;

use super::super::rules::{self, TextRule};
use super::{WHOLE, parse};

/// The rules whose patterns say all that there is to say.
const EXACT: [&TextRule; 6] = [
    &rules::NAME,
    &rules::PARAMETER,
    &rules::KEY_PREFIX,
    &rules::SECRET_SOURCE,
    &rules::DAY,
    &rules::PLACE,
];
/// The rules that know more than their patterns.
const INEXACT: [&TextRule; 4] = [&rules::SLUG, &rules::MODEL_ID, &rules::URL, &rules::RATE];

/// Texts that the rule's pattern admits, and texts near them.
fn texts(rule: &TextRule) -> impl Strategy<Value = String> + use<> {
    let admitted = string_regex(rule.pattern).expect("the pattern is a regular expression");
    (admitted, any::<prop::sample::Index>(), prop::option::of(any::<char>())).prop_map(
        |(text, at, other)| match other {
            Some(other) if !text.is_empty() => {
                let at = at.index(text.chars().count());
                text.chars().enumerate().map(|(i, c)| if i == at { other } else { c }).collect()
            }
            _ => text,
        },
    )
}

fn whole(rule: &TextRule) -> Regex {
    Regex::new(&format!("^(?:{})$", rule.pattern)).expect("the pattern is a regular expression")
}

/// A configuration with some of its characters replaced, removed or repeated.
fn damaged() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<char>().prop_map(String::from),
        "[\\[\\]{}=\"'.,#\n0-9a-z-]{0,4}",
        Just(String::new())
    ];
    let damage = (any::<prop::sample::Index>(), 0..12_usize, piece);
    prop::collection::vec(damage, 1..6).prop_map(|damages| {
        let mut characters: Vec<char> = WHOLE.chars().collect();
        for (at, removed, inserted) in damages {
            let at = at.index(characters.len());
            let end = (at + removed).min(characters.len());
            characters.splice(at..end, inserted.chars());
        }
        characters.into_iter().collect()
    })
}

proptest! {
    #[test]
    fn a_damaged_configuration_is_read_whole_or_refused_with_a_reason(text in damaged()) {
        match parse(&text) {
            Ok(config) => prop_assert!(config.models.len() <= 2 && config.providers.len() <= 3),
            Err(errors) => {
                prop_assert!(!errors.mistakes.is_empty());
                let lines = text.matches('\n').count() + 1;
                for mistake in &errors.mistakes {
                    prop_assert!(mistake.position.is_some_and(|(line, _)| (1..=lines).contains(&line)));
                }
                prop_assert_eq!(errors.to_string().lines().count(), errors.mistakes.len());
                prop_assert!(!errors.to_string().contains("planted-secret"));
            }
        }
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        let _ = parse(&text);
    }

    #[test]
    fn no_value_that_is_accepted_is_refused_by_the_schema(
        (rule, text) in prop::sample::select([EXACT.as_slice(), &INEXACT].concat())
            .prop_flat_map(|rule| (Just(rule), texts(rule)))
    ) {
        let admitted = whole(rule).is_match(&text);
        if (rule.check)(&text).is_ok() {
            prop_assert!(admitted, "{:?}", text);
        }
    }

    #[test]
    fn where_the_schema_says_all_what_it_admits_is_accepted(
        (rule, text) in prop::sample::select(EXACT.as_slice())
            .prop_flat_map(|rule| (Just(rule), texts(rule)))
    ) {
        prop_assert_eq!((rule.check)(&text).is_ok(), whole(rule).is_match(&text), "{:?}", text);
    }
}

/// Depth costs stack where it is read and where it is dropped.
#[test]
fn deep_nesting_is_refused() {
    for text in [
        format!("a = {}", "[".repeat(100_000)),
        format!("a = {}", "{a=".repeat(100_000)),
        format!("{}a = 1", "a.".repeat(100_000)),
        format!("[{}a]", "a.".repeat(100_000)),
    ] {
        assert!(parse(&text).is_err());
    }
}
