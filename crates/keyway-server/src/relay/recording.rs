//! What is said in a request whose key keeps it, while it is being said.

use http::StatusCode;
use keyway_core::key::KeyRecord;
use keyway_core::ledger::Metered;
use keyway_providers::chat::{Answer, ChatRequest, Chunk, Words};
use keyway_providers::face::Face;
use serde_json::{Value, json};

use crate::app::App;
use crate::contents::{Said, clip};
use crate::http::error::ApiError;

/// Bytes of text that are kept of how it failed.
const ERROR_BYTES_MAX: usize = 16 * 1024;

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

    /// `provider` failed before it had said everything.
    pub(super) fn fail(&mut self, failure: Failure, provider: &str) {
        let Failure { status, message, raw, previous } = failure;
        let error = json!({
            "status": status.as_u16(),
            "message": message,
            "provider_name": provider,
            "raw": raw,
            "previous_errors": previous,
        });
        self.error = Some(clip(&error, ERROR_BYTES_MAX));
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

/// How a request failed.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    message: String,
    /// The provider's own words.
    raw: Value,
    /// The attempts before.
    previous: Vec<Value>,
}

impl Failure {
    /// In the middle of a stream.
    pub(super) fn said(status: StatusCode, message: &str) -> Self {
        Self { status, message: message.to_owned(), raw: Value::Null, previous: Vec::new() }
    }

    /// Before anything was said, as the client hears it.
    pub(super) fn of(error: &ApiError) -> Self {
        let metadata = error.envelope()["error"]["metadata"].take();
        let previous = metadata.get("previous_errors").and_then(Value::as_array);
        let previous = previous.into_iter().flatten().map(|it| {
            json!({
                "code": it["code"],
                "message": it["message"],
                "provider_name": it["provider_name"],
                "raw": null,
            })
        });
        Self {
            status: error.status(),
            message: error.message().to_owned(),
            raw: metadata.get("raw").cloned().unwrap_or_default(),
            previous: previous.collect(),
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
