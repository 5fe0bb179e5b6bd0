//! What is masked in what was said, before it is kept.

use regex_lite::Regex;
use serde_json::Value;

use crate::http::redact::redact;

const MASK: &str = "[masked]";
/// Addresses of people, and what the usual providers' keys and tokens look like. Keys that begin as ours
/// do are masked as everywhere else.
const PATTERNS: [&str; 3] = [
    r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+",
    r"\b(gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|AKIA|ASIA|AIza|ya29\.|hf_|gsk_|xai-|npm_|pypi-)[A-Za-z0-9._~+/-]{8,}=*",
    r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",
];

/// What is masked: keys, addresses, and what the operator says.
#[derive(Clone, Debug)]
pub struct Redaction(Vec<Regex>);

impl Default for Redaction {
    fn default() -> Self {
        Self::with(Vec::new())
    }
}

impl PartialEq for Redaction {
    fn eq(&self, other: &Self) -> bool {
        self.0.iter().map(Regex::as_str).eq(other.0.iter().map(Regex::as_str))
    }
}

impl Eq for Redaction {}

impl Redaction {
    /// With the operator's own patterns.
    pub fn with(own: Vec<Regex>) -> Self {
        let usual = PATTERNS.iter().map(|it| Regex::new(it).expect("the pattern is right"));
        Self(usual.chain(own).collect())
    }

    /// `value` with everything masked in its texts; the names of its fields stay.
    pub fn apply(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.mask(text).into(),
            Value::Array(items) => items.iter().map(|item| self.apply(item)).collect(),
            Value::Object(fields) => {
                let masked = fields.iter().map(|(name, it)| (name.clone(), self.apply(it)));
                Value::Object(masked.collect())
            }
            other => other.clone(),
        }
    }

    fn mask(&self, text: &str) -> String {
        let mut text = redact(text).into_owned();
        for pattern in &self.0 {
            if pattern.is_match(&text) {
                text = pattern.replace_all(&text, MASK).into_owned();
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn addresses_keys_and_the_operators_own_are_masked() {
        let own = Regex::new("canary-[0-9]+").expect("a pattern");
        let redaction = Redaction::with(vec![own]);
        for (said, kept) in [
            ("write to ann.b+c@mail.example.org, please", "write to [masked], please"),
            ("sk-or-v1-0123 and sk-ant-api03-x", "[masked] and [masked]"),
            ("ghp_0123456789abcdef", "[masked]"),
            ("AKIAIOSFODNN7EXAMPLE!", "[masked]!"),
            ("Bearer eyJhbGciOiJI.eyJzdWIiOiIx.c2ln", "Bearer [masked]"),
            ("canary-7 canary-x", "[masked] canary-x"),
            ("2 @ 3, a@b, eyJ.x.y, hf_x", "2 @ 3, a@b, eyJ.x.y, hf_x"),
        ] {
            let masked = redaction.apply(&json!({"messages": [{"content": said, "n": 1}]}));
            assert_eq!(masked, json!({"messages": [{"content": kept, "n": 1}]}));
        }
    }
}
