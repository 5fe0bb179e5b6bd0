//! What providers were seen to send, beside what clients get of it. To take changes over:
//! `KEYWAY_FIXTURES=write cargo test -p keyway-providers`.

use std::fs;
use std::path::{Path, PathBuf};

use keyway_core::pricing::Usage;
use keyway_providers::chat::{Answer, StreamEvent, error_chunk, scrub, stream_event, usage_chunk};
use keyway_providers::dialect::Reader;
use keyway_providers::sse::{self, Decoder};
use serde_json::Value;

use super::clients::{accept_answer, accept_chunk};
use super::{envelope, receipt};

const EVENT_BYTES_MAX: usize = 64 * 1024;

#[test]
fn answers_are_rendered_as_recorded() {
    for sent in fixtures("answers", "json") {
        let answer = Answer::parse(&fs::read(&sent).expect("a fixture")).expect("an answer");
        let receipt = receipt(answer.usage().unwrap_or_default());
        let rendered = answer.render(&envelope(), &receipt);
        let rendered: Value = serde_json::from_slice(&rendered).expect("JSON");
        accept_answer(&rendered);
        compare(&sent, &format!("{rendered:#}\n"));
    }
}

#[test]
fn streams_are_rendered_as_recorded() {
    for sent in fixtures("streams", "sse") {
        let mut decoder = Decoder::new(EVENT_BYTES_MAX);
        decoder.feed(&fs::read(&sent).expect("a fixture"));
        let events = std::iter::from_fn(|| decoder.next().expect("well-formed events"));
        compare(&sent, &relayed(events.map(|event| stream_event(&event.data).expect("an event"))));
    }
}

/// What a client gets for a provider's stream.
pub(crate) fn relayed(events: impl Iterator<Item = StreamEvent>) -> String {
    let mut rendered = String::new();
    for data in relay(events) {
        if data != sse::DONE {
            accept_chunk(&serde_json::from_str(&data).expect("JSON"));
        }
        rendered.push_str(std::str::from_utf8(&sse::data(&data)).expect("text"));
    }
    rendered
}

fn relay(sent: impl Iterator<Item = StreamEvent>) -> Vec<String> {
    let (mut events, mut usage) = (Vec::new(), Usage::default());
    for event in sent {
        match event {
            StreamEvent::Chunk(chunk) => {
                usage = chunk.usage().unwrap_or(usage);
                if chunk.carries_choices() {
                    events.push(chunk.render(&envelope()));
                }
            }
            StreamEvent::Error { code, message } => {
                let (code, message) = (code.unwrap_or(502), scrub(&message, None));
                events.push(error_chunk(&envelope(), code, &message, "provider_unavailable"));
                return events;
            }
            StreamEvent::Done => break,
        }
    }
    events.push(usage_chunk(&envelope(), &receipt(usage)));
    events.push(sse::DONE.to_owned());
    events
}

/// What providers sent, one file each.
pub(crate) fn fixtures(folder: &str, extension: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(folder);
    let entries = fs::read_dir(folder).expect("the fixtures");
    let files = entries.map(|entry| entry.expect("a fixture").path());
    let sent: Vec<PathBuf> = files.filter(|file| !is_rendered(file)).collect();
    assert!(
        !sent.is_empty()
            && sent.iter().all(|file| file.extension().is_some_and(|it| it == extension))
    );
    sent
}

fn is_rendered(file: &Path) -> bool {
    file.file_stem()
        .is_some_and(|stem| Path::new(stem).extension().is_some_and(|it| it == "rendered"))
}

pub(crate) fn compare(sent: &Path, rendered: &str) {
    let extension = sent.extension().and_then(|it| it.to_str()).expect("an extension");
    let recorded = sent.with_extension(format!("rendered.{extension}"));
    if std::env::var("KEYWAY_FIXTURES").is_ok_and(|it| it == "write") {
        fs::write(&recorded, rendered).expect("the fixture is written");
    }
    let expected = fs::read_to_string(&recorded).unwrap_or_default();
    assert_eq!(rendered, expected, "{}", recorded.display());
}

/// What a reader makes of bytes: its events, and what ended it.
pub(crate) fn read(mut reader: Reader, pieces: &[&[u8]]) -> (Vec<StreamEvent>, Option<String>) {
    let mut events = Vec::new();
    for piece in pieces {
        reader.feed(piece);
        loop {
            match reader.next() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => return (events, Some(error.to_string())),
            }
        }
    }
    (events, None)
}
