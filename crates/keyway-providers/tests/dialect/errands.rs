//! Embeddings and rankings in the dialects that say them in their own way: what is sent for a request,
//! and what its client hears of the answer, beside a file. To take changes over:
//! `KEYWAY_FIXTURES=write cargo test -p keyway-providers`.

use std::fs;

use keyway_providers::dialect::{Dialect, Target};
use keyway_providers::face::Face;
use keyway_providers::json;
use keyway_providers::openai::Quirks;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::golden::{compare, fixtures};
use super::{envelope, receipt};

fn face(name: &Value) -> Face {
    if name == "rerank" { Face::Rerank } else { Face::Embeddings }
}

fn dialect(name: &Value) -> Dialect {
    let name = name.as_str().expect("a dialect");
    Dialect::parse(name, Quirks::named("plain").expect("a row")).expect("a dialect")
}

#[test]
fn errands_are_sent_and_answered_as_recorded() {
    for file in fixtures("errands", "json") {
        let case = json::parse(&fs::read(&file).expect("a fixture")).expect("JSON");
        let (request, voice) =
            face(&case["face"]).read(case["request"].clone()).expect("a request");
        let model = case["model"].as_str().expect("the provider's name of it");
        let target = Target { model, completion_tokens_max: 1 };
        let dialect = dialect(&case["dialect"]);
        let sent = dialect.body(&request, &target).expect("a body");
        let sent: Value = serde_json::from_slice(&sent).expect("JSON");
        let answer = case["answer"].to_string();
        let answer = dialect
            .answer_to(&request, &target, answer.as_bytes(), case["counted"].as_u64())
            .expect("an answer");
        let usage = answer.usage();
        let said = voice.whole(answer, &envelope(), &receipt(usage.unwrap_or_default()));
        let said: Value = serde_json::from_slice(&said).expect("JSON");
        let rendered = json!({
            "path": dialect.path(&request, &target), "sent": sent,
            "is_counted": usage.is_some(), "said": said,
        });
        compare(&file, &format!("{rendered:#}\n"));
    }
}

#[test]
fn what_a_provider_does_not_take_is_named() {
    let refused = |dialect_name: &str, model: &str, name: &str, fields: Value| {
        let mut body = json!({"model": "a/b", "input": "hi", "query": "q", "documents": ["d"]});
        body.as_object_mut()
            .expect("an object")
            .extend(fields.as_object().expect("an object").clone());
        let (request, _) = face(&name.into()).read(body).expect("a request");
        let target = Target { model, completion_tokens_max: 1 };
        dialect(&dialect_name.into()).body(&request, &target).expect_err("refused").field
    };
    let sound = json!({"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}});
    let cases = [
        ("cohere", "m", "embeddings", json!({"input": [[1, 2]]}), "input"),
        (
            "cohere",
            "m",
            "embeddings",
            json!({"input": [{"content": [sound]}]}),
            "input[0].content[0]",
        ),
        ("cohere", "m", "rerank", json!({"documents": ["a", {"image": "data:,"}]}), "documents[1]"),
        ("gemini", "m", "rerank", json!({}), "model"),
        ("vertex", "m", "embeddings", json!({"input": [{"content": [sound]}]}), "input[0]"),
        ("anthropic", "m", "embeddings", json!({}), "model"),
        (
            "bedrock",
            "amazon.titan-embed-text-v2:0",
            "embeddings",
            json!({"input": ["a", "b"]}),
            "input",
        ),
        ("bedrock", "amazon.titan-embed-text-v2:0", "rerank", json!({}), "model"),
        ("bedrock", "anthropic.claude", "embeddings", json!({}), "model"),
    ];
    for (dialect, model, face, fields, field) in cases {
        assert_eq!(refused(dialect, model, face, fields), field, "{dialect} {model}");
    }
}

#[test]
fn what_is_no_answer_is_told_from_a_failure() {
    for (dialect, model, told) in [
        (Dialect::Cohere, "m", "has no embeddings"),
        (Dialect::Gemini, "m", "has no embeddings"),
        (Dialect::Bedrock, "amazon.titan-embed-text-v1", "has no embedding"),
    ] {
        let body = json!({"model": "a/b", "input": "hi"});
        let (request, _) = Face::Embeddings.read(body).expect("a request");
        let target = Target { model, completion_tokens_max: 1 };
        let said = |body: &str| {
            let answer = dialect.answer_to(&request, &target, body.as_bytes(), None);
            answer.expect_err(body).to_string()
        };
        assert!(said("{}").contains(told), "{dialect:?}");
        assert!(said("[]").contains(told), "{dialect:?}");
        assert_eq!(said(r#"{"error": {"message": "no"}, "message": "no"}"#), "no", "{dialect:?}");
    }
}

proptest! {
    #[test]
    fn no_answer_panics(
        name in prop::sample::select(vec!["cohere", "gemini", "vertex", "bedrock"]),
        field in "(embeddings|predictions|results|embedding|meta)",
        item in "(1|null|\\[\\]|\\{\\}|\\[\\{\"values\":[01]\\}\\]|\\{\"float\":[01]\\})",
    ) {
        let body = json!({"model": "a/b", "input": "hi"});
        let (request, _) = Face::Embeddings.read(body).expect("a request");
        let target = Target { model: "amazon.titan-embed-text-v1", completion_tokens_max: 1 };
        let body = format!("{{{field:?}:{item}}}");
        let _ = dialect(&name.into()).answer_to(&request, &target, body.as_bytes(), None);
    }
}
