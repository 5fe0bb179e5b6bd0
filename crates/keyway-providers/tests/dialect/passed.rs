//! OpenAI's Responses between a client and a provider that both speak them: what of an answer is passed
//! on, beside a file. To take changes over: `KEYWAY_FIXTURES=write cargo test -p keyway-providers`.

use std::fs;

use keyway_providers::chat::{ChatRequest, StreamEvent};
use keyway_providers::dialect::{Dialect, Target};
use keyway_providers::face::{Face, StreamError, Voice};
use keyway_providers::openai::Quirks;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::golden::{compare, fixtures, read};
use super::{envelope, receipt};

const TARGET: Target<'static> = Target { model: "theirs", completion_tokens_max: 100 };

fn openai() -> Dialect {
    Dialect::OpenAi(Quirks::named("openai").expect("a row"))
}

fn asked() -> (ChatRequest, Voice) {
    let body = json!({"model": "acme/fast", "input": "hi", "stream": true});
    Face::Responses.read(body).expect("a request")
}

#[test]
fn only_who_serves_them_gets_them() {
    let (request, _) = asked();
    for name in Quirks::NAMES {
        let dialect = Dialect::OpenAi(Quirks::named(name).expect("a row"));
        let serves = ["openai", "azure", "openrouter"].contains(name);
        let path = dialect.path(&request, &TARGET);
        assert_eq!(path.ends_with("/responses"), serves, "{name}: {path}");
        let sent = dialect.body(&request, &TARGET).expect("a body");
        let sent: Value = serde_json::from_slice(&sent).expect("JSON");
        assert_eq!(sent.get("input").is_some(), serves, "{name}");
        assert_eq!(sent.get("messages").is_some(), !serves, "{name}");
    }
}

#[test]
fn prompts_are_continued_by_those_who_do() {
    let read = |fields: Value| {
        let mut body = json!({"model": "acme/fast", "prompt": "once", "stream": true});
        let object = body.as_object_mut().expect("an object");
        object.extend(fields.as_object().expect("an object").clone());
        Face::Completions.read(body).expect("a request").0
    };
    let always = ["together", "fireworks", "vllm", "llama.cpp", "ollama", "lmstudio"];
    let never = ["groq", "xai", "mistral", "perplexity", "moonshot"];
    let (one, two) = (read(json!({})), read(json!({"prompt": ["once", "twice"], "new": 1})));
    for name in Quirks::NAMES {
        let dialect = Dialect::OpenAi(Quirks::named(name).expect("a row"));
        let continued = |request| {
            let path = dialect.path(request, &TARGET);
            path.contains("/completions") && !path.contains("/chat/")
        };
        assert_eq!(continued(&one), always.contains(name), "{name}");
        let sent = dialect.body(&two, &TARGET);
        if never.contains(name) {
            assert_eq!(sent.expect_err("refused").field, "prompt", "{name}");
            continue;
        }
        let sent: Value = serde_json::from_slice(&sent.expect("a body")).expect("JSON");
        assert_eq!(
            (&sent["prompt"], &sent["new"]),
            (&json!(["once", "twice"]), &json!(1)),
            "{name}"
        );
        assert_eq!((&sent["model"], sent.get("messages")), (&json!("theirs"), None), "{name}");
    }
    for dialect in [Dialect::Anthropic, Dialect::Gemini, Dialect::Bedrock, Dialect::Cohere] {
        assert_eq!(dialect.body(&two, &TARGET).expect_err("refused").field, "prompt");
    }
}

#[test]
fn what_nobody_here_knows_goes_to_no_other_dialect() {
    let odd = json!([{"role": "user", "content": "hi"}, {"type": "brand_new", "x": 1}]);
    let body = json!({"model": "acme/fast", "input": odd});
    let (request, _) = Face::Responses.read(body).expect("a request");
    let sent = openai().body(&request, &TARGET).expect("a body");
    let sent: Value = serde_json::from_slice(&sent).expect("JSON");
    assert_eq!(sent["input"], odd);
    assert_eq!(request.prompt_tokens_bound(), Err("input[1].type".to_owned()));
    let plain = Dialect::OpenAi(Quirks::named("plain").expect("a row"));
    for dialect in [plain, Dialect::Anthropic, Dialect::Gemini, Dialect::Bedrock, Dialect::Cohere] {
        let refused = dialect.body(&request, &TARGET).expect_err("refused");
        assert_eq!(refused.field, "input[1].type", "{dialect:?}");
    }
}

#[test]
fn answers_are_passed_on_as_recorded() {
    for file in fixtures("responses/answers", "json") {
        let (request, voice) = asked();
        let body = fs::read(&file).expect("a fixture");
        let answer = openai().answer_to(&request, &TARGET, &body, None).expect("an answer");
        let usage = answer.usage().expect("a count");
        let counted = json!({
            "output_bytes": answer.output_bytes(), "is_uncharged": answer.is_uncharged(),
        });
        let said = voice.whole(answer, &envelope(), &receipt(usage));
        let said: Value = serde_json::from_slice(&said).expect("JSON");
        compare(&file, &format!("{:#}\n", json!({"said": said, "counted": counted})));
    }
}

#[test]
fn streams_are_passed_on_as_recorded() {
    for file in fixtures("responses/streams", "sse") {
        let (request, mut voice) = asked();
        let (events, broken) =
            read(openai().reader_for(&request), &[&fs::read(&file).expect("a fixture")]);
        assert_eq!(broken, None);
        let (mut rendered, mut usage) = (Vec::new(), None);
        for event in events {
            match event {
                StreamEvent::Chunk(chunk) => {
                    usage = chunk.usage().or(usage);
                    rendered.extend_from_slice(&voice.chunk(chunk, &envelope()));
                }
                StreamEvent::Error { code, message } => {
                    let code = code.unwrap_or(502);
                    let error =
                        StreamError { code, message: &message, error_type: "provider_unavailable" };
                    rendered.extend_from_slice(&voice.failure(&envelope(), &error));
                }
                StreamEvent::Done => {}
            }
        }
        if let Some(usage) = usage {
            rendered.extend_from_slice(&voice.closing(&envelope(), &receipt(usage)));
        }
        compare(&file, std::str::from_utf8(&rendered).expect("text"));
    }
}

fn recorded() -> Vec<Vec<u8>> {
    let files = fixtures("responses/streams", "sse").into_iter();
    files.map(|file| fs::read(file).expect("a fixture")).collect()
}

proptest! {
    #[test]
    fn however_a_stream_is_cut_its_events_are_the_same(
        mut bytes in prop::sample::select(recorded()),
        noise in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
    ) {
        for (at, byte) in noise {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let (first, second) = bytes.split_at(cut.index(bytes.len() + 1));
        let (request, _) = asked();
        let reader = || openai().reader_for(&request);
        prop_assert_eq!(read(reader(), &[first, second]), read(reader(), &[&bytes]));
    }

    #[test]
    fn however_a_continued_prompt_is_cut_its_events_are_the_same(
        noise in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = concat!(
            "data: {\"choices\":[{\"index\":0,\"text\":\"he\",\"finish_reason\":null}],\"new\":1}\n\n",
            "data: {\"choices\":[{\"index\":1,\"text\":\"llo\",\"finish_reason\":\"stop\"}]}\n\n",
            "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\n",
            "data: [DONE]\n\n",
        )
        .as_bytes()
        .to_vec();
        for (at, byte) in noise {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let (first, second) = bytes.split_at(cut.index(bytes.len() + 1));
        let body = json!({"model": "acme/fast", "prompt": ["a", "b"], "stream": true});
        let (request, _) = Face::Completions.read(body).expect("a request");
        let reader = || openai().reader_for(&request);
        prop_assert_eq!(read(reader(), &[first, second]), read(reader(), &[&bytes]));
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let (request, _) = asked();
        let _ = openai().answer_to(&request, &TARGET, &bytes, None);
        read(openai().reader_for(&request), &[&bytes]);
    }
}
