//! Server-sent events, as the WHATWG standard has them: an incremental, bounded reader, and a writer.

use bytes::Bytes;
use memchr::memchr2;
use thiserror::Error;

/// The data of the last event of a chat stream.
pub const DONE: &str = "[DONE]";

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The `event:` line, where there was one.
    pub event: Option<String>,
    /// The `data:` lines, joined with line ends.
    pub data: String,
}

/// The stream cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SseError {
    #[error("an event of the stream is longer than {0} bytes")]
    TooLong(usize),
    #[error("the stream is not UTF-8")]
    NotUtf8,
}

/// Reads events out of bytes, however they are cut.
#[derive(Debug)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Where the next line starts, and up to where it was searched for its end.
    start: usize,
    searched: usize,
    /// The last line ended with a carriage return; a line feed right behind it belongs to that end.
    after_return: bool,
    at_beginning: bool,
    event: Option<String>,
    data: Option<String>,
    event_bytes_max: usize,
}

impl Decoder {
    /// A reader that holds one event of at most `event_bytes_max`.
    pub fn new(event_bytes_max: usize) -> Self {
        Self {
            buffer: Vec::new(),
            start: 0,
            searched: 0,
            after_return: false,
            at_beginning: true,
            event: None,
            data: None,
            event_bytes_max,
        }
    }

    /// Adds bytes as they arrive; take out the events with [`Decoder::next`] before adding more.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next event that is complete. An event that the stream's end cuts off is none.
    #[expect(clippy::should_implement_trait, reason = "an iterator would end for good at `None`")]
    pub fn next(&mut self) -> Result<Option<Event>, SseError> {
        while let Some(end) = self.line_end() {
            self.check_length(end)?;
            let line = &self.buffer[self.start..end];
            let line = std::str::from_utf8(line).map_err(|_| SseError::NotUtf8)?;
            let bom = if self.at_beginning { "\u{feff}" } else { "" };
            let line = line.strip_prefix(bom).unwrap_or(line);
            let complete = take_line(line, &mut self.event, &mut self.data);
            self.at_beginning = false;
            self.after_return = self.buffer[end] == b'\r';
            self.start = end + 1;
            self.searched = self.start;
            if complete.is_some() {
                return Ok(complete);
            }
        }
        self.check_length(self.buffer.len())?;
        Ok(None)
    }

    /// What is held of the event and its line up to `end` must not grow without bound.
    fn check_length(&self, end: usize) -> Result<(), SseError> {
        let held = [&self.event, &self.data].into_iter().flatten().map(String::len).sum::<usize>();
        if held + (end - self.start) > self.event_bytes_max {
            return Err(SseError::TooLong(self.event_bytes_max));
        }
        Ok(())
    }

    /// Where the line that starts at `start` ends.
    fn line_end(&mut self) -> Option<usize> {
        if self.after_return && self.start < self.buffer.len() {
            self.after_return = false;
            self.start += usize::from(self.buffer[self.start] == b'\n');
            self.searched = self.start;
        }
        let found = memchr2(b'\n', b'\r', &self.buffer[self.searched..]);
        let end = found.map(|offset| self.searched + offset);
        self.searched = end.unwrap_or(self.buffer.len());
        end
    }
}

/// Takes one line in; answers with the event that an empty line completes.
fn take_line(line: &str, event: &mut Option<String>, data: &mut Option<String>) -> Option<Event> {
    if line.is_empty() {
        let event = event.take();
        return data.take().map(|data| Event { event, data });
    }
    let (field, value) = line.split_once(':').unwrap_or((line, ""));
    let value = value.strip_prefix(' ').unwrap_or(value);
    match field {
        "data" => match data {
            Some(data) => {
                data.push('\n');
                data.push_str(value);
            }
            None => *data = Some(value.to_owned()),
        },
        "event" => *event = Some(value.to_owned()),
        // Comments have an empty field; `id` and `retry` are for clients that reconnect.
        _ => {}
    }
    None
}

/// An event with `data`, which has no line ends (JSON has none).
pub fn data(data: &str) -> Bytes {
    write(data.len(), |event| event.extend_from_slice(data.as_bytes()))
}

/// An event whose data is what `write` writes, about `bytes` of it, without line ends.
pub(crate) fn write(bytes: usize, write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut event = Vec::with_capacity(bytes + 8);
    event.extend_from_slice(b"data: ");
    write(&mut event);
    let ends_line = |byte: &u8| matches!(byte, b'\n' | b'\r');
    debug_assert!(!event.iter().any(ends_line), "a line end would break the event");
    event.extend_from_slice(b"\n\n");
    event.into()
}

/// An event of this name with `data`; neither has line ends.
pub fn named(name: &str, data: &str) -> Bytes {
    debug_assert!(!name.contains(['\n', '\r']) && !data.contains(['\n', '\r']));
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}

/// The comment that OpenRouter sends while its clients wait.
pub fn keep_alive() -> Bytes {
    Bytes::from_static(b": OPENROUTER PROCESSING\n\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The events before the stream's end, and what ended it where it was not the last byte.
    fn decode_bounded(pieces: &[&[u8]], event_bytes_max: usize) -> (Vec<Event>, Option<SseError>) {
        let mut decoder = Decoder::new(event_bytes_max);
        let mut events = Vec::new();
        for piece in pieces {
            decoder.feed(piece);
            loop {
                match decoder.next() {
                    Ok(Some(event)) => events.push(event),
                    Ok(None) => break,
                    Err(error) => return (events, Some(error)),
                }
            }
        }
        (events, None)
    }

    fn decode(pieces: &[&[u8]]) -> Result<Vec<Event>, SseError> {
        let (events, error) = decode_bounded(pieces, 1_000);
        error.map_or(Ok(events), Err)
    }

    fn data_of(text: &str) -> Vec<String> {
        decode(&[text.as_bytes()]).expect("valid").into_iter().map(|event| event.data).collect()
    }

    #[test]
    fn events_are_read_as_the_standard_says() {
        assert_eq!(data_of("data: a\n\ndata:b\r\n\r\ndata: c\r\rx"), ["a", "b", "c"]);
        for end in ["\n", "\r", "\r\n"] {
            let text = format!("\u{feff}data: a{end}data: b{end}{end}");
            assert_eq!(data_of(&text), ["a\nb"], "{end:?}");
        }
        assert_eq!(data_of(": comment\n\nid: 1\nretry: 5\n\n"), [""; 0]);
        assert_eq!(data_of("data\n\n"), [""]);
        assert_eq!(data_of("data: cut off\n"), [""; 0]);
        let named = decode(&[b"event: ping\ndata: {}\n\n"]).expect("valid");
        assert_eq!(named[0].event.as_deref(), Some("ping"));
    }

    #[test]
    fn an_event_does_not_wait_for_the_byte_behind_it() {
        for text in ["data: a\n\n", "data: a\r\r", "data: a\r\n\r", "data: a\r\n\r\n"] {
            assert_eq!(data_of(text), ["a"], "{text:?}");
        }
        let mut decoder = Decoder::new(1_000);
        decoder.feed(b"data: a\r\n\r");
        assert!(decoder.next().expect("valid").is_some());
        decoder.feed(b"\ndata: b\r\n\r\n");
        assert_eq!(decoder.next().expect("valid").map(|event| event.data), Some("b".into()));
    }

    #[test]
    fn what_is_too_long_or_not_text_ends_the_stream() {
        let long = "data: ".to_owned() + &"x".repeat(1_001);
        assert_eq!(decode(&[long.as_bytes()]), Err(SseError::TooLong(1_000)));
        assert_eq!(decode(&[long.as_bytes(), b"\n\n"]), Err(SseError::TooLong(1_000)));
        let many = "data: 1234567\n".repeat(200);
        assert_eq!(decode(&[many.as_bytes()]), Err(SseError::TooLong(1_000)));
        let comments = ":1234567\n".repeat(200) + "data: a\n\n";
        assert_eq!(decode(&[comments.as_bytes()]).map(|events| events.len()), Ok(1));
        assert_eq!(decode(&[b"data: \xff\n\n"]), Err(SseError::NotUtf8));
    }

    proptest! {
        #[test]
        fn however_it_is_cut_the_events_are_the_same(
            text in "\u{feff}?(data: ?[a-zé]{0,5}|event: x|:c|\n|\r\n|\r){0,30}",
            broken in prop::option::of(any::<prop::sample::Index>()),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
            event_bytes_max in 5..40_usize,
        ) {
            let mut bytes = text.into_bytes();
            if let (Some(broken), false) = (broken, bytes.is_empty()) {
                let at = broken.index(bytes.len());
                bytes[at] = 0xff;
            }
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for cut in cuts {
                pieces.push(&bytes[from..cut]);
                from = cut;
            }
            pieces.push(&bytes[from..]);
            prop_assert_eq!(
                decode_bounded(&pieces, event_bytes_max),
                decode_bounded(&[&bytes], event_bytes_max)
            );
        }

        #[test]
        fn what_is_written_is_read(text in "[^\\n\\r]{0,40}") {
            let written = data(&text);
            let events = decode(&[&keep_alive(), &written]).expect("valid");
            prop_assert_eq!(events, [Event { event: None, data: text }]);
        }
    }
}
