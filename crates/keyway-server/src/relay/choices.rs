//! The choices of a streamed answer, and how each of them ended.

use std::collections::BTreeMap;

use keyway_providers::chat::Chunk;

/// As many are asked for at most; a provider that says more is not listened to for the others' ends.
const CHOICES_MAX: usize = 128;
/// Of a choice that failed, where others may not have.
const FAILED: &str = "error";

/// Every choice of which something was said, with whether it ended well; `None` where it goes on.
#[derive(Debug, Default)]
pub(super) struct Choices(BTreeMap<u64, Option<bool>>);

impl Choices {
    pub(super) fn learn(&mut self, chunk: &Chunk) {
        for (place, reason) in chunk.choices() {
            if self.0.len() < CHOICES_MAX || self.0.contains_key(&place) {
                let ended = self.0.entry(place).or_default();
                *ended = reason.map(|reason| reason != FAILED).or(*ended);
            }
        }
    }

    /// Whether the answer is there: nothing was left open.
    pub(super) fn all_ended(&self) -> bool {
        !self.0.is_empty() && self.0.values().all(Option::is_some)
    }

    /// Whether any of them came to an end that its provider gave a reason for.
    pub(super) fn any_ended_well(&self) -> bool {
        self.0.values().any(|ended| *ended == Some(true))
    }

    /// Whether nothing else came of it than failures.
    pub(super) fn all_failed(&self) -> bool {
        !self.0.is_empty() && self.0.values().all(|ended| *ended == Some(false))
    }
}

#[cfg(test)]
mod tests {
    use keyway_providers::chat::{StreamEvent, stream_event};
    use serde_json::json;

    use super::*;

    fn choices(said: &[(u64, Option<&str>)]) -> Choices {
        let mut choices = Choices::default();
        for (index, reason) in said {
            let choice = json!({"index": index, "delta": {}, "finish_reason": reason});
            let chunk = json!({"choices": [choice]});
            let Ok(StreamEvent::Chunk(chunk)) = stream_event(chunk.to_string()) else {
                panic!("no chunk")
            };
            choices.learn(&chunk);
        }
        choices
    }

    #[test]
    fn one_that_fails_does_not_fail_the_others() {
        let state = |said: &[(u64, Option<&str>)]| {
            let choices = choices(said);
            (choices.all_ended(), choices.any_ended_well(), choices.all_failed())
        };
        assert_eq!(state(&[]), (false, false, false));
        assert_eq!(state(&[(0, None)]), (false, false, false));
        assert_eq!(state(&[(0, Some("stop")), (0, None)]), (true, true, false));
        assert_eq!(state(&[(0, Some("error"))]), (true, false, true));
        assert_eq!(state(&[(1, None), (0, Some("error"))]), (false, false, false));
        assert_eq!(state(&[(1, Some("stop")), (0, Some("error"))]), (true, true, false));
        assert_eq!(state(&[(0, Some("")), (0, Some("stop"))]), (true, true, false));
    }

    #[test]
    fn no_provider_makes_it_long() {
        let many: Vec<(u64, Option<&str>)> = (0..1_000).map(|index| (index, None)).collect();
        assert_eq!(choices(&many).0.len(), CHOICES_MAX);
    }
}
