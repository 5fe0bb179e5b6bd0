//! What a provider does with a request, by chance and yet always the same, and what it writes down.

mod anthropic;
mod bedrock;
mod cohere;
mod gemini;
mod openai;

use std::time::Duration;

use keyway_testkit::{Random, Received, Script};
use serde_json::json;

use super::price::Count;

/// What became of one request at one provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// It said nothing of an answer.
    Failed,
    /// It says nothing, or no more, until nobody waits any longer.
    Stalled,
    /// It began, and broke off.
    BrokeOff,
    /// It answered, and said what it counted.
    Sold(Count),
    /// It answered, and counted nothing.
    Uncounted,
    /// It answered without a token and without a word why.
    Silent(u64),
}

/// What providers speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    OpenAi,
    Anthropic,
    Gemini,
    Vertex,
    Cohere,
    Bedrock,
}

/// What a provider is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    Chat { streams: bool, caches_for_an_hour: bool },
    Embed,
    Rerank { documents: u64 },
}

impl Task {
    pub(super) fn of(received: &Received) -> Self {
        let (path, body) = (&received.path, &received.body);
        if path.ends_with("/embeddings") || path.ends_with("/embed") {
            return Self::Embed;
        }
        if let Some(documents) = body["documents"].as_array() {
            return Self::Rerank { documents: u64::try_from(documents.len()).expect("a length") };
        }
        let streams =
            body["stream"] == true || path.contains(":stream") || path.ends_with("-stream");
        Self::Chat { streams, caches_for_an_hour: body.to_string().contains("\"1h\"") }
    }

    fn streams(self) -> bool {
        matches!(self, Self::Chat { streams: true, .. })
    }
}

impl Dialect {
    /// As a configuration says it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Vertex => "vertex",
            Self::Cohere => "cohere",
            Self::Bedrock => "bedrock",
        }
    }

    /// A deed, as far as the dialect has words for it, in answer to a task that may have it.
    pub(super) fn says(self, deed: Deed, task: Task) -> Deed {
        let deed = match (task, deed) {
            (Task::Chat { caches_for_an_hour: true, .. }, deed) => deed,
            (Task::Chat { .. }, Deed::Sold(count)) => Deed::Sold(Count { written_1h: 0, ..count }),
            (Task::Embed | Task::Rerank { .. }, Deed::Sold(count)) => {
                return Deed::Sold(self.counts(count.prompt, task));
            }
            (Task::Embed | Task::Rerank { .. }, _) => return Deed::Failed,
            (_, deed) => deed,
        };
        match (self, deed) {
            (_, Deed::BrokeOff) if !task.streams() => Deed::Failed,
            (Self::OpenAi, Deed::Sold(count)) => Deed::Sold(Count { written_1h: 0, ..count }),
            (Self::OpenAi, deed) => deed,
            (_, Deed::Silent(_)) => Deed::Uncounted,
            (Self::Gemini | Self::Vertex, Deed::Sold(count)) => {
                Deed::Sold(Count { written: 0, written_1h: 0, ..count })
            }
            (Self::Cohere, Deed::Sold(count)) => {
                Deed::Sold(Count { written: 0, written_1h: 0, reasoning: 0, ..count })
            }
            (Self::Bedrock, Deed::Sold(count)) => {
                Deed::Sold(Count { written_1h: 0, reasoning: 0, ..count })
            }
            (_, deed) => deed,
        }
    }

    /// What is counted of a task that is no conversation.
    fn counts(self, prompt: u64, task: Task) -> Count {
        match (self, task) {
            (Self::Cohere, Task::Rerank { documents }) => {
                Count { units: documents.div_ceil(DOCUMENTS_A_UNIT), ..Count::default() }
            }
            _ => Count { prompt, ..Count::default() },
        }
    }
}

/// Decides about a request of at most `prompt_most` and `completion_most` tokens.
pub(super) fn decide(random: &mut Random, prompt_most: u64, completion_most: u64) -> Deed {
    match random.below(20) {
        0..4 => Deed::Failed,
        4..6 => Deed::BrokeOff,
        6 => Deed::Uncounted,
        7 => Deed::Silent(random.between(1, prompt_most)),
        _ => {
            let (prompt, completion) =
                (random.between(1, prompt_most), random.between(1, completion_most));
            let cached = if random.once_in(2) { random.between(0, prompt) } else { 0 };
            let written = if random.once_in(3) { random.between(0, prompt - cached) } else { 0 };
            let written_1h = random.between(0, written);
            let reasoning = if random.once_in(3) { random.between(0, completion) } else { 0 };
            let units = 1;
            Deed::Sold(Count { prompt, completion, cached, written, written_1h, reasoning, units })
        }
    }
}

/// Documents that Cohere ranks for the price of one search.
const DOCUMENTS_A_UNIT: u64 = 100;
/// How long a stalled answer stays silent. Nobody waits for it.
const SILENCE: Duration = Duration::from_secs(30);

/// How a deed looks.
pub(super) fn perform(deed: Deed, dialect: Dialect, task: Task, random: &mut Random) -> Script {
    match (deed, task) {
        (Deed::Failed, _) => failure(task.streams(), random),
        (Deed::Stalled, _) => {
            let mut pieces = openai::stream(Deed::BrokeOff);
            pieces.truncate(usize::from(random.once_in(2)) * 2);
            let begun = pieces.into_iter().map(|piece| (Duration::ZERO, piece));
            let pieces = begun.chain([(SILENCE, ": too late\n\n".to_owned())]).collect();
            Script::Stream { pieces, breaks: false }
        }
        (Deed::Sold(count), Task::Embed | Task::Rerank { .. }) => {
            let ranks = task != Task::Embed;
            let body = match dialect {
                Dialect::Cohere => cohere::errand(count, ranks),
                _ => openai::errand(count, ranks),
            };
            Script::json(200, &body)
        }
        _ if task.streams() => stream(deed, dialect),
        _ => {
            let body = match dialect {
                Dialect::OpenAi => openai::whole(deed),
                Dialect::Anthropic => anthropic::whole(deed),
                Dialect::Gemini | Dialect::Vertex => gemini::piece(deed, "hello", true),
                Dialect::Cohere => cohere::whole(deed),
                Dialect::Bedrock => bedrock::whole(deed),
            };
            Script::json(200, &body)
        }
    }
}

fn stream(deed: Deed, dialect: Dialect) -> Script {
    let pieces = match dialect {
        Dialect::OpenAi => openai::stream(deed),
        Dialect::Anthropic => anthropic::stream(deed),
        Dialect::Gemini | Dialect::Vertex => gemini::stream(deed),
        Dialect::Cohere => cohere::stream(deed),
        Dialect::Bedrock => {
            let kind = "application/vnd.amazon.eventstream";
            return Script::Sequence { kind, pieces: paced(bedrock::stream(deed)) };
        }
    };
    Script::Stream { pieces: paced(pieces), breaks: deed == Deed::BrokeOff }
}

/// So that the first piece is there before the connection breaks.
fn paced<T>(pieces: Vec<T>) -> Vec<(Duration, T)> {
    let pause = |number| if number == 1 { Duration::from_millis(5) } else { Duration::ZERO };
    pieces.into_iter().enumerate().map(|(number, piece)| (pause(number), piece)).collect()
}

fn failure(stream: bool, random: &mut Random) -> Script {
    let answer = |status, body: &str| Script::Answer {
        status,
        headers: vec![("retry-after", "1".to_owned())],
        body: body.to_owned(),
    };
    let error = json!({"error": {"message": "not now", "type": "api_error"}}).to_string();
    match random.below(9) {
        0 => answer(500, &error),
        1 => answer(429, &error),
        2 => answer(401, &error),
        3 => answer(400, &error),
        4 => answer(503, "out of order"),
        5 => answer(529, ""),
        // Nothing that could be read, under a status of success.
        6 => answer(200, "{\"choices\": [{"),
        7 if stream => Script::Stream { pieces: Vec::new(), breaks: true },
        8 if stream => Script::events(&["{\"choices\": "]),
        _ => answer(404, &error),
    }
}
