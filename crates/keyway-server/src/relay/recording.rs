//! What is said in a request whose key keeps it, while it is being said.

use keyway_core::key::KeyRecord;
use keyway_core::ledger::Metered;
use keyway_providers::chat::{Answer, ChatRequest, Chunk, Words};
use keyway_providers::face::Face;
use serde_json::{Value, json};

use crate::app::App;
use crate::contents::{Said, clip};

#[derive(Debug)]
pub(super) struct Recording {
    input: Value,
    words: Words,
    error: Option<Value>,
}

impl Recording {
    /// Begins one where `key` and the configuration want it.
    pub(super) fn begin(
        app: &App,
        key: &KeyRecord,
        face: Face,
        request: &ChatRequest,
    ) -> Option<Self> {
        if !key.log_content || !app.contents.is_allowed() {
            return None;
        }
        let most = app.contents.bytes_taken();
        Some(Self {
            input: clip(&input(face, request), most),
            words: Words::new(most),
            error: None,
        })
    }

    pub(super) fn hear_answer(&mut self, answer: &Answer) {
        self.words.hear_answer(answer);
    }

    pub(super) fn hear_chunk(&mut self, chunk: &Chunk) {
        self.words.hear_chunk(chunk);
    }

    /// Its provider failed in the middle of it.
    pub(super) fn fail(&mut self, status: u16, message: &str, provider: &str) {
        self.error = Some(json!({
            "status": status,
            "message": message,
            "provider_name": provider,
            "raw": null,
            "previous_errors": [],
        }));
    }

    pub(super) fn said(self, request: &Metered) -> Said {
        Said {
            generation: request.id,
            key: request.key,
            input: self.input,
            completion: self.words.completion(),
            reasoning: self.words.reasoning(),
            error: self.error,
        }
    }
}

/// The prompt or the messages.
fn input(face: Face, request: &ChatRequest) -> Value {
    let field = |name: &str| request.field(name).cloned().unwrap_or_default();
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    match face {
        Face::Chat | Face::Messages | Face::Responses => json!({"messages": request.messages()}),
        Face::Completions => {
            let content = request.messages().first().and_then(|it| it.get("content"));
            json!({"prompt": text(content.cloned().unwrap_or_default())})
        }
        Face::Embeddings => json!({"prompt": text(field("input"))}),
        Face::Rerank => {
            let both = json!({"query": field("query"), "documents": field("documents")});
            json!({"prompt": both.to_string()})
        }
    }
}
