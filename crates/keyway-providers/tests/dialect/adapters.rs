//! Each dialect but OpenAI's: what is sent for a request, and what becomes of what is answered, beside
//! files. To take changes over: `KEYWAY_FIXTURES=write cargo test -p keyway-providers`.

use std::fs;

use keyway_providers::chat::{About, ChatRequest, StreamEvent};
use keyway_providers::dialect::{Dialect, Target};
use keyway_providers::json;
use proptest::prelude::*;
use serde_json::Value;

use super::golden::{compare, fixtures, read, relayed};
use super::{clients, envelope, receipt};

const OTHERS: [(&str, Dialect, &str); 4] = [
    ("anthropic", Dialect::Anthropic, "sse"),
    ("gemini", Dialect::Gemini, "sse"),
    ("cohere", Dialect::Cohere, "sse"),
    ("bedrock", Dialect::Bedrock, "bin"),
];

#[test]
fn requests_are_sent_as_recorded() {
    for (name, dialect, _) in OTHERS {
        for file in fixtures(&format!("{name}/requests"), "json") {
            let body = json::parse(&fs::read(&file).expect("a fixture")).expect("JSON");
            let upstream = body["model"].as_str().expect("a model").rsplit('/').next();
            let upstream = upstream.expect("a slug").to_owned();
            let request = ChatRequest::parse(body).expect("a request");
            let target = Target { model: &upstream, completion_tokens_max: 10_000 };
            let sent = dialect.body(&request, &target).expect("a body");
            let sent: Value = serde_json::from_slice(&sent).expect("JSON");
            compare(&file, &format!("{sent:#}\n"));
        }
    }
}

#[test]
fn answers_are_rendered_as_recorded() {
    for (name, dialect, _) in OTHERS {
        for file in fixtures(&format!("{name}/answers"), "json") {
            let answer = dialect.answer(&fs::read(&file).expect("a fixture")).expect("an answer");
            let usage = answer.usage().expect("a count");
            let rendered = answer.render(&envelope(), &receipt(usage));
            let rendered: Value = serde_json::from_slice(&rendered).expect("JSON");
            clients::accept_answer(&rendered);
            compare(&file, &format!("{rendered:#}\n"));
        }
    }
}

#[test]
fn streams_are_rendered_as_recorded() {
    for (name, dialect, extension) in OTHERS {
        for file in fixtures(&format!("{name}/streams"), extension) {
            let mut reader = dialect.reader();
            reader.feed(&fs::read(&file).expect("a fixture"));
            let events = std::iter::from_fn(|| reader.next().expect("well-formed events"));
            compare(&file, &relayed(events));
        }
    }
}

#[test]
fn what_a_provider_calls_its_answer_is_known() {
    let read_file = |name: &str, file: &str| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
        fs::read(format!("{folder}/{name}/{file}")).expect("a fixture")
    };
    for (name, dialect, file) in [
        ("anthropic", Dialect::Anthropic, "thinking-and-tools"),
        ("gemini", Dialect::Gemini, "thoughts-and-calls"),
        ("cohere", Dialect::Cohere, "plan-and-calls"),
    ] {
        let body = read_file(name, &format!("answers/{file}.json"));
        let said: Value = serde_json::from_slice(&body).expect("JSON");
        let expected = said.get("id").or(said.get("responseId")).and_then(Value::as_str);
        let answer = dialect.answer(&body).expect("an answer");
        assert!(expected.is_some() && answer.about().id.as_deref() == expected, "{name}");

        let bytes = read_file(name, &format!("streams/{file}.sse"));
        let (events, _) = read(dialect.reader(), &[&bytes]);
        let mut about = About::default();
        for event in &events {
            if let StreamEvent::Chunk(chunk) = event {
                chunk.tell(&mut about);
            }
        }
        let sent = String::from_utf8(bytes).expect("text");
        let id = about.id.unwrap_or_default();
        let is_said = ["id", "responseId"].map(|field| format!("\"{field}\": \"{id}\""));
        assert!(!id.is_empty() && is_said.iter().any(|said| sent.contains(said)), "{name}: {id}");
    }
}

#[test]
fn what_was_counted_is_all_once_every_answer_has_ended() {
    let file = "/tests/fixtures/gemini/streams/two-candidates.sse";
    let bytes = fs::read(format!("{}{file}", env!("CARGO_MANIFEST_DIR"))).expect("a fixture");
    let (events, _) = read(Dialect::Gemini.reader(), &[&bytes]);
    let is_counted = |event: &StreamEvent| match event {
        StreamEvent::Chunk(chunk) => chunk.usage().is_some(),
        other => panic!("{other:?}"),
    };
    // The first ends in the third, the second in the fourth.
    assert_eq!(events.iter().map(is_counted).collect::<Vec<_>>(), [false, false, false, true]);
}

#[test]
fn who_gives_one_answer_is_asked_for_no_more() {
    let body = serde_json::json!({
        "model": "a/b", "messages": [{"role": "user", "content": "hi"}], "n": 2, "max_tokens": 5,
    });
    let request = ChatRequest::parse(body).expect("a request");
    let target = Target { model: "m", completion_tokens_max: 10_000 };
    for (name, dialect, _) in OTHERS.into_iter().filter(|(name, ..)| *name != "gemini") {
        assert_eq!(dialect.body(&request, &target).expect_err("refused").field, "n", "{name}");
    }
    let sent = Dialect::Gemini.body(&request, &target).expect("a body");
    let sent: Value = serde_json::from_slice(&sent).expect("JSON");
    assert_eq!(sent["generationConfig"]["candidateCount"], 2);
}

/// A recorded stream, with some of its bytes overwritten.
fn stream() -> impl Strategy<Value = (Dialect, Vec<u8>)> {
    let recorded: Vec<(Dialect, Vec<u8>)> = OTHERS
        .iter()
        .flat_map(|(name, dialect, extension)| {
            let files = fixtures(&format!("{name}/streams"), extension);
            files.into_iter().map(|file| (*dialect, fs::read(file).expect("a fixture")))
        })
        .collect();
    let noise = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    (prop::sample::select(recorded), noise).prop_map(|((dialect, mut bytes), noise)| {
        for (at, byte) in noise {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        (dialect, bytes)
    })
}

proptest! {
    #[test]
    fn however_a_stream_is_cut_its_events_are_the_same(
        (dialect, bytes) in stream(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let ends = cuts.iter().copied().chain([bytes.len()]);
        let starts = [0].into_iter().chain(cuts.iter().copied());
        let pieces: Vec<&[u8]> = starts.zip(ends).map(|(from, to)| &bytes[from..to]).collect();
        prop_assert_eq!(read(dialect.reader(), &pieces), read(dialect.reader(), &[&bytes]));
    }

    #[test]
    fn no_bytes_panic(
        dialect in prop::sample::select(OTHERS.map(|(_, dialect, _)| dialect).to_vec()),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let _ = dialect.answer(&bytes);
        read(dialect.reader(), &[&bytes]);
    }
}
