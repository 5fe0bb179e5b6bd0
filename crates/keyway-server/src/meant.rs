//! What was meant by a name that nothing has.

/// The name of `known` that differs from `said` in the fewest letters, `mistakes` at most: added, left out, mistaken
/// or swapped with the next. The first in the alphabet where several do.
pub fn meant<'a>(
    said: &str,
    known: impl IntoIterator<Item = &'a str>,
    mistakes: usize,
) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::osa_distance(said, name), name))
        .filter(|(distance, name)| *distance <= mistakes.min(name.len() / 2))
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_most_like_it_was_meant() {
        let known = ["groq", "openai", "openrouter", "xai"];
        for (said, expected) in [
            ("opnai", Some("openai")),
            ("grok", Some("groq")),
            ("opneruoter", Some("openrouter")),
            ("acme", None),
            // Every short name is a mistake or two from every other.
            ("abc", None),
        ] {
            assert_eq!(meant(said, known, 2), expected, "{said}");
        }
    }
}
