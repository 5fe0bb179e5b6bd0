//! What an answer says, as text for people: for whoever may read afterwards what was said.

use std::collections::BTreeMap;

use super::choice::{self, Form};
use super::{Answer, Chunk, answer, chunk};
use crate::json::Json;

/// What stands between the texts of several choices.
const BETWEEN: &str = "\n\n";

/// The words of an answer so far, up to a number of bytes.
#[derive(Clone, Debug)]
pub struct Words {
    left: usize,
    choices: BTreeMap<u64, Spoken>,
}

#[derive(Clone, Debug, Default)]
struct Spoken {
    completion: String,
    reasoning: String,
}

impl Words {
    /// Takes so many bytes; what comes after them is not heard.
    pub const fn new(bytes_max: usize) -> Self {
        Self { left: bytes_max, choices: BTreeMap::new() }
    }

    pub fn hear_answer(&mut self, answer: &Answer) {
        match &answer.body {
            answer::Body::Tree(body) => self.hear(body.get("choices"), Form::Answer),
            answer::Body::Passage(passage) => self.hear(passage.choices(), Form::Answer),
        }
    }

    pub fn hear_chunk(&mut self, chunk: &Chunk) {
        match &chunk.body {
            chunk::Body::Tree(body) => self.hear(body.get("choices"), Form::Chunk),
            chunk::Body::Piece(piece) => self.hear(piece.choices(), Form::Chunk),
        }
    }

    /// What was said; `None` where nothing was.
    pub fn completion(&self) -> Option<String> {
        self.joined(|spoken| &spoken.completion)
    }

    /// What was thought and told.
    pub fn reasoning(&self) -> Option<String> {
        self.joined(|spoken| &spoken.reasoning)
    }

    fn joined(&self, text: impl Fn(&Spoken) -> &String) -> Option<String> {
        let texts: Vec<&str> =
            self.choices.values().map(|it| text(it).as_str()).filter(|it| !it.is_empty()).collect();
        (!texts.is_empty()).then(|| texts.join(BETWEEN))
    }

    fn hear<'a, J: Json<'a>>(&mut self, choices: Option<J>, form: Form) {
        for (position, said) in choice::said(choices, form) {
            let spoken = self.choices.entry(position).or_default();
            let mut ear = Ear { left: &mut self.left };
            let text = |field: &str| said.get(field).and_then(J::as_str);
            // Some providers say the same reasoning under both names.
            if let Some(text) = text("reasoning").or_else(|| text("reasoning_content")) {
                ear.take(&mut spoken.reasoning, &text);
            }
            let parts = said.get("content").into_iter().flat_map(J::items);
            let parts = parts.filter_map(|part| part.get("text")?.as_str());
            for text in [text("content"), text("refusal")].into_iter().flatten().chain(parts) {
                ear.take(&mut spoken.completion, &text);
            }
            let calls = said.get("tool_calls").into_iter().flat_map(J::items);
            for function in calls.filter_map(|call| call.get("function")) {
                ear.take_call(&mut spoken.completion, function);
            }
        }
    }
}

/// Takes as much as there is room for.
struct Ear<'a> {
    left: &'a mut usize,
}

impl Ear<'_> {
    fn take(&mut self, into: &mut String, text: &str) {
        let heard = &text[..text.floor_char_boundary(*self.left)];
        *self.left -= heard.len();
        if heard.len() < text.len() {
            // What comes after a gap would read as if there were none.
            *self.left = 0;
        }
        into.push_str(heard);
    }

    /// The name in brackets, and the arguments behind it, in a stream as far as they came.
    fn take_call<'a, J: Json<'a>>(&mut self, into: &mut String, function: J) {
        let text = |field: &str| function.get(field).and_then(J::as_str);
        if let Some(name) = text("name").filter(|it| !it.is_empty()) {
            let line = if into.is_empty() { "" } else { "\n" };
            self.take(into, &format!("{line}[{name}] "));
        }
        if let Some(arguments) = text("arguments") {
            self.take(into, &arguments);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::chat::{StreamEvent, stream_event};

    fn whole(body: &Value, bytes_max: usize) -> Words {
        let mut words = Words::new(bytes_max);
        words.hear_answer(&Answer::parse(body.to_string().as_bytes()).expect("an answer"));
        words
    }

    fn streamed(events: &[Value], bytes_max: usize) -> Words {
        let mut words = Words::new(bytes_max);
        for event in events {
            match stream_event(event.to_string()) {
                Ok(StreamEvent::Chunk(chunk)) => words.hear_chunk(&chunk),
                other => panic!("{event} is {other:?}"),
            }
        }
        words
    }

    #[test]
    fn an_answer_and_its_stream_say_the_same() {
        let call = json!({"function": {"name": "look", "arguments": "{\"a\":1}"}});
        let answer = whole(
            &json!({"choices": [
                {"index": 0, "message": {"content": "hi", "reasoning": "hm", "tool_calls": [call, call]}},
                {"index": 1, "message": {"content": [{"type": "text", "text": "ho"}]}},
            ]}),
            1_000,
        );
        let delta =
            |index: u64, delta: Value| json!({"choices": [{"index": index, "delta": delta}]});
        let named = json!({"tool_calls": [{"function": {"name": "look", "arguments": ""}}]});
        let first = json!({"tool_calls": [{"function": {"arguments": "{\"a\""}}]});
        let second = json!({"tool_calls": [{"function": {"arguments": ":1}"}}]});
        let stream = streamed(
            &[
                delta(0, json!({"reasoning_content": "hm"})),
                delta(1, json!({"content": "h"})),
                delta(0, json!({"content": "hi"})),
                delta(0, named.clone()),
                delta(0, first.clone()),
                delta(1, json!({"content": "o"})),
                delta(0, second.clone()),
                delta(0, named),
                delta(0, first),
                delta(0, second),
            ],
            1_000,
        );
        for words in [answer, stream] {
            let call = "[look] {\"a\":1}";
            assert_eq!(words.completion(), Some(format!("hi\n{call}\n{call}\n\nho")));
            assert_eq!(words.reasoning().as_deref(), Some("hm"));
        }
        let silent = whole(&json!({"choices": [{"message": {"content": null}}]}), 9);
        assert_eq!((silent.completion(), silent.reasoning()), (None, None));
    }

    #[test]
    fn no_more_is_heard_than_there_is_room_for() {
        let said = |text: &str| json!({"choices": [{"delta": {"content": text}}]});
        let words = streamed(&[said("ab"), said("cé"), said("f")], 4);
        assert_eq!(words.completion().as_deref(), Some("abc"));
    }
}
