//! Whatever a provider leaves out or sets to null, clients accept what comes of it.

use keyway_providers::chat::{Answer, StreamEvent, error_chunk, stream_event, usage_chunk};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::clients::{accept_answer, accept_chunk};
use super::{envelope, receipt};

/// An object of which every field may be absent, null or as it should be.
fn fields(fields: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    let fields: Vec<_> = fields
        .into_iter()
        .map(|(name, value)| {
            let value = prop_oneof![Just(None), Just(Some(Value::Null)), value.prop_map(Some)];
            value.prop_map(move |value| Some((name.to_owned(), value?)))
        })
        .collect();
    fields
        .prop_map(|fields| Value::Object(fields.into_iter().flatten().collect::<Map<_, _>>()))
        .boxed()
}

fn one_of(values: &[Value]) -> BoxedStrategy<Value> {
    prop::sample::select(values.to_vec()).boxed()
}

fn text() -> BoxedStrategy<Value> {
    "\\PC{0,8}".prop_map(Value::from).boxed()
}

fn count() -> BoxedStrategy<Value> {
    any::<u64>().prop_map(Value::from).boxed()
}

fn list(item: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    prop::collection::vec(item, 0..3).prop_map(Value::from).boxed()
}

fn said() -> BoxedStrategy<Value> {
    let function = fields(vec![("name", text()), ("arguments", text())]);
    let function = function.prop_filter("a call names its function", |it| !it["name"].is_null());
    let call = fields(vec![
        ("id", text()),
        ("type", one_of(&[json!("function")])),
        ("index", one_of(&[json!(0), json!(-1), json!("0")])),
    ]);
    let call = (call, function).prop_map(|(mut call, function)| {
        call["function"] = function;
        call
    });
    fields(vec![
        ("role", one_of(&[json!("assistant"), json!("model"), json!("")])),
        ("content", text()),
        ("reasoning", text()),
        ("reasoning_content", text()),
        (
            "reasoning_details",
            list(one_of(&[json!({"type": "reasoning.text", "signature": null})])),
        ),
        ("refusal", text()),
        ("tool_calls", list(call.boxed())),
        ("images", one_of(&[json!([])])),
        ("audio", one_of(&[json!({"data": ""})])),
        ("annotations", one_of(&[json!([])])),
    ])
}

fn provider_body() -> BoxedStrategy<Value> {
    let choice = fields(vec![
        ("index", one_of(&[json!(0), json!(1.5), json!("0")])),
        ("finish_reason", one_of(&[json!("stop"), json!(""), json!(7), json!("end_turn")])),
        ("native_finish_reason", one_of(&[json!("STOP")])),
        ("logprobs", one_of(&[json!({"content": []})])),
        ("message", said()),
        ("delta", said()),
    ]);
    let details = |name| fields(vec![(name, count()), ("audio_tokens", count())]);
    let usage = fields(vec![
        ("prompt_tokens", count()),
        ("completion_tokens", count()),
        ("total_tokens", count()),
        ("prompt_tokens_details", details("cached_tokens")),
        ("completion_tokens_details", details("reasoning_tokens")),
        ("cost", one_of(&[json!(0.5)])),
        ("cost_details", one_of(&[json!({})])),
        ("is_byok", one_of(&[json!(true)])),
    ]);
    fields(vec![
        ("id", text()),
        ("object", text()),
        ("created", one_of(&[json!(1.5)])),
        ("model", text()),
        ("provider", text()),
        ("system_fingerprint", text()),
        ("service_tier", text()),
        ("choices", list(prop_oneof![choice, Just(Value::Null)].boxed())),
        ("usage", usage),
        ("error", one_of(&[Value::Null])),
    ])
}

proptest! {
    #[test]
    fn every_answer_is_accepted(body in provider_body()) {
        if let Ok(answer) = Answer::parse(body.to_string().as_bytes()) {
            let receipt = receipt(answer.usage().unwrap_or_default());
            let rendered = answer.render(&envelope(), &receipt);
            accept_answer(&serde_json::from_slice(&rendered).expect("JSON"));
        }
    }

    #[test]
    fn every_chunk_is_accepted(body in provider_body()) {
        let event = stream_event(body.to_string());
        let Ok(StreamEvent::Chunk(chunk)) = event else { panic!("{event:?}") };
        let usage = chunk.usage().unwrap_or_default();
        accept_chunk(&serde_json::from_str(&chunk.render(&envelope())).expect("JSON"));
        accept_chunk(&serde_json::from_str(&usage_chunk(&envelope(), &receipt(usage))).expect("JSON"));
    }

    #[test]
    fn every_failure_is_accepted(code in 400..600_u16, message in "(.|\\n|\\r){0,40}") {
        let chunk = error_chunk(&envelope(), code, &message, "provider_unavailable");
        accept_chunk(&serde_json::from_str(&chunk).expect("JSON"));
        // Whatever the message holds, the event stays one line.
        prop_assert!(!chunk.contains(['\n', '\r']));
    }

    #[test]
    fn no_body_panics(body in provider_body(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = body.to_string().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(answer) = Answer::parse(&bytes) {
            let _ = (answer.is_uncharged(), answer.output_bytes());
            let receipt = receipt(answer.usage().unwrap_or_default());
            answer.render(&envelope(), &receipt);
        }
        if let Ok(StreamEvent::Chunk(chunk)) = stream_event(String::from_utf8_lossy(&bytes)) {
            let _ = (chunk.choices().count(), chunk.output_bytes());
            chunk.render(&envelope());
        }
    }
}
