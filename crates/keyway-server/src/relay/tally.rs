//! What a provider counted of a streamed answer, up to where it came.

use keyway_core::money::Nanos;
use keyway_core::pricing::Usage;
use keyway_providers::chat::Chunk;

/// The last count, and what it is worth. Some providers count once, at the end; some the prompt at the
/// beginning; some in every event what was used up to there.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    counted: Option<Counted>,
}

#[derive(Clone, Copy, Debug)]
struct Counted {
    usage: Usage,
    /// What the provider says that it charges.
    cost: Option<Nanos>,
    /// UTF-8 bytes of output by then, all of which are in it.
    bytes: u64,
    /// Whether its provider does not say itself that there is more to count.
    may_be_all: bool,
    /// Whether everything was said by then.
    is_last: bool,
}

/// What of a count can be relied on where the answer came no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SoFar {
    pub(super) usage: Usage,
    /// UTF-8 bytes of output that it covers.
    pub(super) bytes: u64,
}

impl Tally {
    /// `bytes` of output came, those of `chunk` among them; `all_ended` says whether the answer is there.
    pub(super) fn learn(&mut self, chunk: &Chunk, bytes: u64, all_ended: bool) {
        if let Some(usage) = chunk.usage() {
            let cost = chunk.provider_cost();
            self.counted =
                Some(Counted { usage, cost, bytes, may_be_all: true, is_last: all_ended });
        } else if let Some(usage) = chunk.so_far() {
            // Of a prompt alone nothing that was said is in it.
            let bytes = if usage.completion_tokens == 0 { 0 } else { bytes };
            let counted = Counted { usage, cost: None, bytes, may_be_all: false, is_last: false };
            self.counted = Some(counted);
        } else if let Some(counted) = self.counted.as_mut().filter(|it| it.bytes < bytes) {
            // It was counted before all was said.
            counted.may_be_all = false;
        }
    }

    /// The count of the whole answer, and what the provider says that it charges; `None` where it was
    /// not counted. `is_whole` says whether it was read to its end.
    pub(super) fn whole(&self, is_whole: bool) -> Option<(Usage, Option<Nanos>)> {
        let counted = self.counted.filter(|it| it.may_be_all && (is_whole || it.is_last));
        counted.map(|counted| (counted.usage, counted.cost))
    }

    /// The count of what came.
    pub(super) fn so_far(&self) -> Option<SoFar> {
        self.counted.map(|counted| SoFar { usage: counted.usage, bytes: counted.bytes })
    }
}

#[cfg(test)]
mod tests {
    use keyway_providers::chat::{StreamEvent, stream_event};
    use serde_json::{Value, json};

    use super::*;

    fn chunk(fields: &Value) -> Chunk {
        match stream_event(fields.to_string()) {
            Ok(StreamEvent::Chunk(chunk)) => chunk,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_count_is_of_the_whole_where_nothing_was_said_after_it() {
        let said = chunk(&json!({"choices": [{"index": 0, "delta": {"content": "hi"}}]}));
        let counted = json!({"prompt_tokens": 3, "completion_tokens": 1});
        let counts = chunk(&json!({"choices": [], "usage": counted}));
        let mut tally = Tally::default();
        tally.learn(&said, 2, false);
        tally.learn(&counts, 2, true);
        assert_eq!(tally.whole(true), Some((Usage::of(3, 1), None)));
        tally.learn(&said, 4, true);
        assert_eq!(tally.whole(true), None);
        assert_eq!(tally.so_far(), Some(SoFar { usage: Usage::of(3, 1), bytes: 2 }));
        tally.learn(&counts, 4, true);
        assert!(tally.whole(false).is_some());
    }
}
