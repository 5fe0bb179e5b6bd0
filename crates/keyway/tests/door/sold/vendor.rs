//! What a provider does with a request, by chance and yet always the same, and what it writes down.

use std::time::Duration;

use keyway_testkit::{Random, Script};
use serde_json::{Value, json};

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
}

impl Dialect {
    /// As a configuration says it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
        }
    }

    /// A deed, as far as the dialect has words for it.
    pub(super) fn says(self, deed: Deed) -> Deed {
        match (self, deed) {
            (Self::OpenAi, deed) => deed,
            (_, Deed::Silent(_)) => Deed::Uncounted,
            (Self::Anthropic, Deed::Sold(count)) => Deed::Sold(Count { reasoning: 0, ..count }),
            (Self::Gemini, Deed::Sold(count)) => Deed::Sold(Count { written: 0, ..count }),
            (_, deed) => deed,
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
            let reasoning = if random.once_in(3) { random.between(0, completion) } else { 0 };
            Deed::Sold(Count { prompt, completion, cached, written, reasoning })
        }
    }
}

/// How long a stalled answer stays silent. Nobody waits for it.
const SILENCE: Duration = Duration::from_secs(30);

/// How a deed looks. What is not streamed cannot break off: it fails.
pub(super) fn perform(deed: Deed, dialect: Dialect, stream: bool, random: &mut Random) -> Script {
    match (deed, stream) {
        (Deed::Failed, _) | (Deed::BrokeOff, false) => failure(stream, random),
        (Deed::Stalled, _) => {
            let mut pieces = openai_stream(Deed::BrokeOff);
            pieces.truncate(usize::from(random.once_in(2)) * 2);
            let begun = pieces.into_iter().map(|piece| (Duration::ZERO, piece));
            let pieces = begun.chain([(SILENCE, ": too late\n\n".to_owned())]).collect();
            Script::Stream { pieces, breaks: false }
        }
        (_, false) => {
            let body = match dialect {
                Dialect::OpenAi => openai_whole(deed),
                Dialect::Anthropic => anthropic_whole(deed),
                Dialect::Gemini => gemini(deed, "hello", true),
            };
            Script::json(200, &body)
        }
        (_, true) => {
            let pieces = match dialect {
                Dialect::OpenAi => openai_stream(deed),
                Dialect::Anthropic => anthropic_stream(deed),
                Dialect::Gemini => gemini_stream(deed),
            };
            let paced = pieces.into_iter().enumerate().map(|(number, piece)| {
                // So that the first is there before the connection breaks.
                let pause = if number == 1 { Duration::from_millis(5) } else { Duration::ZERO };
                (pause, piece)
            });
            Script::Stream { pieces: paced.collect(), breaks: deed == Deed::BrokeOff }
        }
    }
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

fn openai_usage(count: Count) -> Value {
    json!({
        "prompt_tokens": count.prompt,
        "completion_tokens": count.completion,
        "total_tokens": count.prompt + count.completion,
        "prompt_tokens_details":
            {"cached_tokens": count.cached, "cache_write_tokens": count.written},
        "completion_tokens_details": {"reasoning_tokens": count.reasoning},
    })
}

fn openai_whole(deed: Deed) -> Value {
    let (content, finish, usage) = match deed {
        Deed::Sold(count) => ("hello", json!("stop"), openai_usage(count)),
        Deed::Silent(prompt) => {
            ("", Value::Null, openai_usage(Count { prompt, ..Count::default() }))
        }
        _ => ("hello", json!("stop"), Value::Null),
    };
    let message = json!({"role": "assistant", "content": content});
    let choice = json!({"index": 0, "finish_reason": finish, "message": message});
    json!({"object": "chat.completion", "choices": [choice], "usage": usage})
}

fn openai_stream(deed: Deed) -> Vec<String> {
    let chunk = |choices: Value, usage: Value| {
        let chunk = json!({"object": "chat.completion.chunk", "choices": choices, "usage": usage});
        format!("data: {chunk}\n\n")
    };
    let says = |content: &str, finish: Value| json!([{"index": 0, "delta": {"content": content}, "finish_reason": finish}]);
    let mut pieces = vec![chunk(says("", Value::Null), Value::Null)];
    match deed {
        Deed::Silent(prompt) => {
            let count = Count { prompt, ..Count::default() };
            pieces.push(chunk(json!([]), openai_usage(count)));
        }
        Deed::BrokeOff => {
            pieces.push(chunk(says("hel", Value::Null), Value::Null));
            return pieces;
        }
        Deed::Sold(count) => {
            pieces.push(chunk(says("hel", Value::Null), Value::Null));
            pieces.push(chunk(says("lo", json!("stop")), Value::Null));
            pieces.push(chunk(json!([]), openai_usage(count)));
        }
        _ => pieces.push(chunk(says("hello", json!("stop")), Value::Null)),
    }
    pieces.push("data: [DONE]\n\n".to_owned());
    pieces
}

/// Anthropic leaves out of its input what was cached, and says nothing of reasoning.
fn anthropic_usage(count: Count) -> Value {
    json!({
        "input_tokens": count.prompt - count.cached - count.written,
        "cache_read_input_tokens": count.cached,
        "cache_creation_input_tokens": count.written,
        "output_tokens": count.completion,
    })
}

fn anthropic_whole(deed: Deed) -> Value {
    let mut body = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m",
        "content": [{"type": "text", "text": "hello"}], "stop_reason": "end_turn",
    });
    if let Deed::Sold(count) = deed {
        body["usage"] = anthropic_usage(count);
    }
    body
}

fn anthropic_stream(deed: Deed) -> Vec<String> {
    let usage = match deed {
        Deed::Sold(count) => anthropic_usage(count),
        _ => Value::Null,
    };
    let text = |text: &str| {
        let delta = json!({"type": "text_delta", "text": text});
        json!({"type": "content_block_delta", "index": 0, "delta": delta})
    };
    let block = json!({"type": "text", "text": ""});
    let mut events = vec![
        json!({"type": "message_start", "message": {"role": "assistant", "usage": usage}}),
        json!({"type": "content_block_start", "index": 0, "content_block": block}),
        text("hel"),
    ];
    if deed != Deed::BrokeOff {
        events.extend([
            text("lo"),
            json!({"type": "content_block_stop", "index": 0}),
            json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}),
            json!({"type": "message_stop"}),
        ]);
    }
    let event = |event: &Value| {
        format!("event: {}\ndata: {event}\n\n", event["type"].as_str().expect("a type"))
    };
    events.iter().map(event).collect()
}

/// Gemini counts in every piece, up to there, and reasoning beside what is said.
fn gemini(deed: Deed, text: &str, ends: bool) -> Value {
    let mut candidate =
        json!({"content": {"role": "model", "parts": [{"text": text}]}, "index": 0});
    if ends {
        candidate["finishReason"] = json!("STOP");
    }
    let mut body = json!({"candidates": [candidate]});
    if let Deed::Sold(count) = deed {
        body["usageMetadata"] = json!({
            "promptTokenCount": count.prompt,
            "cachedContentTokenCount": count.cached,
            "candidatesTokenCount": count.completion - count.reasoning,
            "thoughtsTokenCount": count.reasoning,
            "totalTokenCount": count.prompt + count.completion,
        });
    }
    body
}

fn gemini_stream(deed: Deed) -> Vec<String> {
    let begun = match deed {
        Deed::Sold(count) => Deed::Sold(Count { completion: count.reasoning, ..count }),
        deed => deed,
    };
    let mut pieces = vec![gemini(begun, "hel", false), gemini(begun, "l", false)];
    if deed != Deed::BrokeOff {
        pieces.push(gemini(deed, "o", true));
    }
    pieces.iter().map(|piece| format!("data: {piece}\r\n\r\n")).collect()
}
