//! The items of a response: what the model thought, said and called for.

use serde_json::{Map, Value, json};

/// An item while it is being said.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) id: String,
    pub(super) kind: Kind,
    /// What was said of it so far: text, or the arguments of a call.
    pub(super) text: String,
    /// Where it stands in the output of the provider that began it; `None` of one that is told here.
    pub(super) passed_at: Option<u64>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// What the model thought.
    Thought,
    /// What it says that it thought.
    Summary,
    Message,
    Refusal,
    Call {
        call_id: String,
        name: String,
        is_custom: bool,
    },
}

/// What proves a thought to the provider that had it.
#[derive(Clone, Debug, Default)]
pub(super) struct Proof {
    pub(super) signature: Option<String>,
    pub(super) encrypted: Option<String>,
    pub(super) format: Option<String>,
}

/// What is told of a text besides.
#[derive(Clone, Debug, Default)]
pub(super) struct Also {
    pub(super) annotations: Vec<Value>,
    pub(super) logprobs: Vec<Value>,
}

impl Kind {
    pub(super) const fn prefix(&self) -> &'static str {
        match self {
            Self::Thought | Self::Summary => "rs",
            Self::Message | Self::Refusal => "msg",
            Self::Call { is_custom: false, .. } => "fc",
            Self::Call { is_custom: true, .. } => "ctc",
        }
    }
}

impl Item {
    /// One that its provider begins with `event`; `None` where it has no text that comes in pieces.
    pub(super) fn added(event: &Map<String, Value>) -> Option<Self> {
        let item = event.get("item")?;
        let passed_at = event.get("output_index").and_then(Value::as_u64);
        let field = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
        let call =
            |is_custom| Kind::Call { call_id: field("call_id"), name: field("name"), is_custom };
        let kind = match item["type"].as_str()? {
            "message" => Kind::Message,
            "reasoning" => Kind::Thought,
            "function_call" => call(false),
            "custom_tool_call" => call(true),
            _ => return None,
        };
        Some(Self { id: field("id"), kind, text: String::new(), passed_at })
    }

    /// Adds a piece of what was `said`, as its event is called.
    pub(super) fn add(&mut self, said: &str, piece: &str) {
        let kind = match said {
            "response.output_text" => Kind::Message,
            "response.refusal" => Kind::Refusal,
            "response.reasoning_text" => Kind::Thought,
            "response.reasoning_summary_text" => Kind::Summary,
            "response.function_call_arguments" | "response.custom_tool_call_input" => {
                self.kind.clone()
            }
            _ => return,
        };
        self.kind = kind;
        self.text.push_str(piece);
    }

    /// As it is before anything of it is said.
    pub(super) fn begun(&self) -> Value {
        self.object("in_progress", false, &Proof::default(), &Also::default())
    }

    pub(super) fn done(&self, status: &str, proof: &Proof, also: &Also) -> Value {
        self.object(status, true, proof, also)
    }

    /// The part of the item that its text is in; a call has none.
    pub(super) fn part(&self, text: &str, also: &Also) -> Option<Value> {
        Some(match self.kind {
            Kind::Thought => json!({"type": "reasoning_text", "text": text}),
            Kind::Summary => json!({"type": "summary_text", "text": text}),
            Kind::Message => {
                json!({"type": "output_text", "text": text, "annotations": also.annotations, "logprobs": also.logprobs})
            }
            Kind::Refusal => json!({"type": "refusal", "refusal": text}),
            Kind::Call { .. } => return None,
        })
    }

    fn object(&self, status: &str, whole: bool, proof: &Proof, also: &Also) -> Value {
        let part = self.part(&self.text, also).filter(|_| whole && !self.text.is_empty());
        let parts: Vec<Value> = part.into_iter().collect();
        match &self.kind {
            Kind::Thought => self.reasoning(status, &parts, &[], proof),
            Kind::Summary => self.reasoning(status, &[], &parts, proof),
            Kind::Message | Kind::Refusal => json!({
                "id": self.id, "type": "message", "role": "assistant", "status": status,
                "content": parts,
            }),
            Kind::Call { call_id, name, is_custom: true } => json!({
                "id": self.id, "type": "custom_tool_call", "call_id": call_id, "name": name,
                "input": self.text, "status": status,
            }),
            Kind::Call { call_id, name, is_custom: false } => json!({
                "id": self.id, "type": "function_call", "call_id": call_id, "name": name,
                "arguments": self.text, "status": status,
            }),
        }
    }

    fn reasoning(
        &self,
        status: &str,
        content: &[Value],
        summary: &[Value],
        proof: &Proof,
    ) -> Value {
        let mut item = json!({
            "id": self.id, "type": "reasoning", "status": status, "summary": summary,
            "content": content,
        });
        let proofs = [
            ("encrypted_content", &proof.encrypted),
            ("signature", &proof.signature),
            ("format", &proof.format),
        ];
        for (field, value) in proofs {
            if let Some(value) = value {
                item[field] = value.as_str().into();
            }
        }
        item
    }
}
