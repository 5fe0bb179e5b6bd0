//! What an answer says about itself beside its words: for its record, nothing is charged by it.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::Chunk;
use super::choice::{self, Form};
use super::chunk::Body;
use super::passage::Passage;
use crate::json::Json;

/// What a provider has said about its answer so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// What the provider calls it.
    pub id: Option<String>,
    /// The tier that it says that it served it in.
    pub service_tier: Option<String>,
    pub finish: Option<Finish>,
    pub images: u64,
}

/// Why an answer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finish {
    /// In OpenRouter's words,
    pub reason: String,
    /// and in the provider's.
    pub native: String,
}

/// Fields that are learnt of.
const FIELDS: [&str; 3] = ["id", "service_tier", "choices"];

impl About {
    /// Adds what an answer or a chunk of it says in the [`FIELDS`].
    fn learn<'a, J: Json<'a>>(&mut self, [id, tier, choices]: [Option<J>; 3], form: Form) {
        if self.id.is_none() {
            self.id = said(id);
        }
        if self.service_tier.is_none() {
            self.service_tier = said(tier);
        }
        if self.finish.is_none() {
            self.finish = choice::finish(choices);
        }
        self.images = self.images.saturating_add(choice::images(choices, form));
    }

    /// Of a whole answer, which `native` is what its provider said it in, if that is another dialect.
    pub(super) fn of_tree(body: &Map<String, Value>, native: Option<&Map<String, Value>>) -> Self {
        let id = native.and_then(|native| said(native.get("id")));
        let mut about = Self { id, ..Self::default() };
        about.learn(FIELDS.map(|field| body.get(field)), Form::Answer);
        about
    }

    pub(super) fn of_passage(passage: &Passage) -> Self {
        let mut about = Self::default();
        about.learn([passage.id(), passage.service_tier(), passage.choices()], Form::Answer);
        about
    }
}

fn said<'a, J: Json<'a>>(text: Option<J>) -> Option<String> {
    text?.as_str().filter(|text| !text.is_empty()).map(Cow::into_owned)
}

impl Chunk {
    /// Adds what this chunk says to what those before it said.
    pub fn tell(&self, about: &mut About) {
        match &self.body {
            Body::Tree(body) => about.learn(FIELDS.map(|field| body.get(field)), Form::Chunk),
            Body::Piece(piece) => about.learn(piece.root().pick(FIELDS), Form::Chunk),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::chat::{Answer, StreamEvent, stream_event};

    #[test]
    fn an_answer_and_its_stream_say_the_same() {
        let image = json!({"type": "image_url", "image_url": {"url": "data:,"}});
        let whole = json!({
            "id": "chatcmpl-1", "service_tier": "priority",
            "choices": [{"finish_reason": "max_tokens", "message": {"content": "a", "images": [image]}}],
        });
        let expected = About {
            id: Some("chatcmpl-1".to_owned()),
            service_tier: Some("priority".to_owned()),
            finish: Some(Finish { reason: "length".to_owned(), native: "max_tokens".to_owned() }),
            images: 1,
        };
        let answer = Answer::parse(whole.to_string().as_bytes()).expect("an answer");
        assert_eq!(answer.about(), expected);
        let mut about = About::default();
        for event in [
            json!({"id": "chatcmpl-1", "service_tier": null, "choices": [{"delta": {"images": [image]}}]}),
            json!({"id": "other", "service_tier": "priority", "choices": [{"finish_reason": null}]}),
            json!({"choices": [{"delta": {}, "finish_reason": "max_tokens"}]}),
            json!({"choices": []}),
        ] {
            let Ok(StreamEvent::Chunk(chunk)) = stream_event(event.to_string()) else {
                panic!("{event} is a chunk");
            };
            chunk.tell(&mut about);
        }
        assert_eq!(about, expected);
        let none = Answer::parse(br#"{"id": "", "choices": [{}]}"#).expect("an answer");
        assert_eq!(none.about(), About::default());
    }
}
