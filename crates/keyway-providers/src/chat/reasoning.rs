//! How much the model is asked to think (contract, C.1).

use serde_json::Value;

use super::ChatRequest;

/// How hard the model is to think, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Effort {
    None,
    Minimal,
    Low,
    Medium,
    High,
    XHigh,
    Max,
}

/// What a request says about thinking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reasoning {
    pub(crate) effort: Effort,
    /// The most tokens of thought, where the client counts them itself.
    pub(crate) tokens: Option<u64>,
}

impl Effort {
    /// An effort that nobody knows is none that can be asked for.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "none" => Self::None,
            "minimal" => Self::Minimal,
            "low" => Self::Low,
            "medium" => Self::Medium,
            "high" => Self::High,
            "xhigh" => Self::XHigh,
            "max" => Self::Max,
            _ => return None,
        })
    }

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::XHigh => "xhigh",
            Self::Max => "max",
        }
    }

    /// The part of an answer's tokens that may be thoughts, in percent.
    const fn percent(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Minimal => 10,
            Self::Low => 20,
            Self::Medium => 50,
            Self::High => 80,
            Self::XHigh | Self::Max => 95,
        }
    }
}

impl Reasoning {
    pub(crate) const fn is_off(self) -> bool {
        matches!(self.effort, Effort::None)
    }

    /// Tokens of thought for an answer of at most `most` tokens, between `least` and one below `most`;
    /// `None` where that leaves no room, or none is wanted.
    pub(crate) fn budget(self, most: u64, least: u64) -> Option<u64> {
        if self.is_off() || most <= least {
            return None;
        }
        let share = most / 100 * self.effort.percent() + most % 100 * self.effort.percent() / 100;
        Some(self.tokens.unwrap_or(share).clamp(least, most - 1))
    }
}

impl ChatRequest {
    /// What the request says about thinking; `None` leaves it to the model.
    pub(crate) fn reasoning(&self) -> Option<Reasoning> {
        let asked = self.field("reasoning").filter(|it| it.is_object());
        let field = |name: &str| asked?.get(name).filter(|value| !value.is_null());
        let word = field("effort").or_else(|| self.field("reasoning_effort"));
        let effort = word.and_then(Value::as_str).and_then(Effort::parse);
        let tokens = field("max_tokens").and_then(Value::as_u64);
        match field("enabled").and_then(Value::as_bool) {
            Some(false) => return Some(Reasoning { effort: Effort::None, tokens: None }),
            None if effort.is_none() && tokens.is_none() => return None,
            _ => {}
        }
        let effort = match tokens {
            Some(0) => Effort::None,
            _ => effort.unwrap_or(Effort::Medium),
        };
        Some(Reasoning { effort, tokens })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asked(fields: &Value) -> Option<Reasoning> {
        let mut body = json!({"model": "a/b", "messages": [{"role": "user", "content": "hi"}]});
        let object = body.as_object_mut().expect("an object");
        object.extend(fields.as_object().expect("an object").clone());
        ChatRequest::parse(body).expect("a request").reasoning()
    }

    #[test]
    fn effort_becomes_a_share_of_the_answer() {
        let budget = |reasoning: Value, most| {
            asked(&json!({"reasoning": reasoning})).and_then(|it| it.budget(most, 1_024))
        };
        assert_eq!(budget(json!({"effort": "max"}), 10_000), Some(9_500));
        assert_eq!(budget(json!({"effort": "high"}), 10_000), Some(8_000));
        assert_eq!(budget(json!({"enabled": true}), 10_000), Some(5_000));
        assert_eq!(budget(json!({"effort": "low"}), 4_000), Some(1_024), "no less than the least");
        assert_eq!(budget(json!({"effort": "max"}), 1_024), None, "no room");
        assert_eq!(budget(json!({"max_tokens": 9_000}), 2_000), Some(1_999));
        assert_eq!(budget(json!({"effort": "none"}), 10_000), None);
        assert_eq!(budget(json!({"effort": "high"}), u64::MAX), Some(u64::MAX / 100 * 80 + 12));
    }

    #[test]
    fn it_is_read_from_every_place() {
        let effort = |fields: Value| asked(&fields).map(|it| it.effort);
        assert_eq!(effort(json!({})), None);
        assert_eq!(effort(json!({"reasoning": {}})), None);
        assert_eq!(effort(json!({"reasoning_effort": "low"})), Some(Effort::Low));
        let both = json!({"reasoning": {"effort": "high"}, "reasoning_effort": "low"});
        assert_eq!(effort(both), Some(Effort::High));
        let off = json!({"reasoning": {"enabled": false, "effort": "high"}});
        assert_eq!(effort(off), Some(Effort::None));
        assert_eq!(effort(json!({"reasoning": {"max_tokens": 0}})), Some(Effort::None));
    }
}
