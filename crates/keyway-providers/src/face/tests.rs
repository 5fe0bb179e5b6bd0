//! What no face may do, whatever clients and providers say: panic, or tell of a charge too early.

use keyway_core::money::Nanos;
use keyway_core::pricing::{Cost, Usage};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::chat::{StreamEvent, stream_event};

const FACES: [Face; 6] = [
    Face::Chat,
    Face::Completions,
    Face::Messages,
    Face::Responses,
    Face::Embeddings,
    Face::Rerank,
];
/// Those that stream, each with a request.
fn streaming() -> [(Face, Value); 4] {
    let messages = json!([{"role": "user", "content": "hi"}]);
    [
        (Face::Chat, json!({"model": "a/b", "messages": messages})),
        (Face::Completions, json!({"model": "a/b", "prompt": "hi", "echo": true})),
        (Face::Messages, json!({"model": "a/b", "max_tokens": 9, "messages": messages})),
        (Face::Responses, json!({"model": "a/b", "input": "hi"})),
    ]
}

fn envelope() -> Envelope {
    Envelope { id: "gen-1".into(), model: "a/b".into(), provider: "A".into(), created: 7 }
}

fn receipt() -> Receipt {
    Receipt { usage: Usage::of(3, 4), cost: Cost::default(), charge: Nanos::new(9), byok: None }
}

/// Small values of every type, under the names that requests and answers use.
fn any_json() -> impl Strategy<Value = Value> {
    let text = "(system|user|assistant|tool|text|image|document|thinking|tool_use|tool_result|function|\
                custom|function_call|function_call_output|reasoning|message|input_text|input_image|\
                reasoning.text|reasoning.summary|reasoning.encrypted|base64|stop|\\PC{0,3})";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u32>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    let name = "(role|content|type|text|source|input|output|call_id|id|name|index|arguments|summary|\
                signature|data|function|tool_calls|reasoning|reasoning_details|refusal|delta|message|\
                finish_reason|logprobs|top_logprobs|tools|tool_choice|format|schema)";
    leaf.prop_recursive(5, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name, inner), 0..5)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

#[test]
fn a_stream_that_its_budget_ends_says_why_and_how_it_was_routed() {
    for (face, body) in streaming() {
        let (_, mut voice) = face.read(body).expect("a request");
        let why = json!({"message": "no more is affordable"});
        let why = why.as_object().expect("an object").clone();
        voice.tell_routing(json!({"summary": "the only endpoint"}));
        let mut said = voice.cut_short(&envelope(), why).to_vec();
        said.extend_from_slice(&voice.closing(&envelope(), &receipt()));
        let said = String::from_utf8(said).expect("text");
        assert!(said.contains("no more is affordable"), "{face:?}: {said}");
        assert!(said.contains("the only endpoint"), "{face:?}: {said}");
        let cut = ["\"length\"", "\"max_tokens\"", "\"max_output_tokens\""];
        assert!(cut.iter().any(|reason| said.contains(reason)), "{face:?}: {said}");
    }
}

proptest! {
    #[test]
    fn no_request_panics(
        field in "(messages|system|input|instructions|prompt|tools|tool_choice|thinking|metadata|text|\
                  output_config|fallbacks|reasoning|query|documents|stop_sequences|include)",
        value in any_json(),
    ) {
        for face in FACES {
            let mut body = json!({
                "model": "a/b", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}],
                "input": "hi", "prompt": "hi", "query": "q", "documents": ["d"],
            });
            body[field.as_str()] = value.clone();
            if let Ok((request, _)) = face.read(body) {
                let _ = (request.prompt_tokens_bound(), request.prompt_estimate());
                let _ = (request.uses(), request.images(), request.prompts());
            }
        }
    }

    #[test]
    fn no_chunk_panics_or_tells_what_is_not_charged(choices in prop::collection::vec(any_json(), 1..4)) {
        for (face, body) in streaming() {
            let (_, mut voice) = face.read(body).expect("a request");
            let mut said = Vec::new();
            for choice in &choices {
                let chunk = json!({
                    "choices": [choice], "usage": {"prompt_tokens": 3, "completion_tokens": 4},
                });
                let Ok(StreamEvent::Chunk(chunk)) = stream_event(chunk.to_string()) else { continue };
                said.extend_from_slice(&voice.chunk(chunk, &envelope()));
            }
            let said = String::from_utf8(said).expect("text");
            prop_assert!(!said.contains("\"cost\":0.000000009"), "{}", said);
            let end = voice.closing(&envelope(), &receipt());
            let end = std::str::from_utf8(&end).expect("text");
            prop_assert!(end.contains("\"cost\":0.000000009"), "{}", end);
            prop_assert!(end.ends_with("\n\n"));
        }
    }

    #[test]
    fn no_answer_panics(choice in any_json()) {
        for (face, body) in streaming() {
            let (_, voice) = face.read(body).expect("a request");
            let answer = json!({"choices": [choice]}).to_string();
            let answer = Answer::parse(answer.as_bytes()).expect("an answer");
            let body = voice.whole(answer, &envelope(), &receipt());
            let body: Value = serde_json::from_slice(&body).expect("JSON");
            prop_assert_eq!(body["usage"]["cost"].to_string(), "0.000000009");
        }
    }

    #[test]
    fn no_errand_panics(item in any_json()) {
        for (face, field) in [(Face::Embeddings, "data"), (Face::Rerank, "results")] {
            let body = json!({"model": "a/b", "input": "hi", "query": "q", "documents": ["d"]});
            let (request, voice) = face.read(body).expect("a request");
            let answer = json!({field: [item]}).to_string();
            let errand = request.errand.expect("an errand");
            let answer = Answer::of_errand(errand, answer.as_bytes()).expect("an answer");
            let body = voice.whole(answer, &envelope(), &receipt());
            prop_assert!(serde_json::from_slice::<Value>(&body).is_ok());
        }
    }
}
