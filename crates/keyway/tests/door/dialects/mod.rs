//! Providers that speak each dialect: whatever they speak, clients hear the same, and pay the same.

mod allowed;
mod anthropic;
pub(crate) mod bedrock;
mod cohere;
mod errands;
mod gemini;
mod vertex;

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use keyway_testkit::{Gateway, Provider, Script};
use serde_json::{Value, json};

use crate::setup;

const SECRET: &str = "odd-provider-secret-0123456789";

/// A provider of one dialect, and what it says. Each answer counts 10 tokens of prompt and 4 of
/// completion.
struct Speaker {
    dialect: &'static str,
    /// Where requests arrive: those that do not stream, and those that do.
    paths: [&'static str; 2],
    /// The header that presents [`SECRET`], and how.
    credential: (&'static str, &'static str),
    /// The body of an answer that says this.
    whole: fn(&str) -> Value,
    /// The pieces of a stream that says these, and ends well.
    stream: fn(&[&str]) -> Vec<Bytes>,
    /// The media type of a stream.
    kind: &'static str,
    /// The body of an error with this message.
    error: fn(&str) -> Value,
    /// An event that cannot be read.
    malformed: &'static [u8],
}

const SPEAKERS: [Speaker; 4] =
    [anthropic::SPEAKER, bedrock::SPEAKER, cohere::SPEAKER, gemini::SPEAKER];

/// A gateway before a provider of this dialect; $0.000001 and $0.000002 a token.
async fn gateway(speaker: &Speaker, provider: &Provider) -> Gateway {
    gateway_with(speaker, provider, SECRET).await
}

async fn gateway_with(speaker: &Speaker, provider: &Provider, secret: &str) -> Gateway {
    let toml = format!(
        "[[providers]]\nslug = \"p\"\nname = \"P\"\ndialect = \"{}\"\nbase_url = \"{}\"\n\
         api_key = \"env:PROVIDER_KEY\"\ntimeouts = {{ idle = \"300ms\" }}\n[[models]]\nid = \"acme/fast\"\ncontext_length = 8000\n\
         max_completion_tokens = 100\n[[models.endpoints]]\nprovider = \"p\"\n\
         upstream_model = \"their/model:1\"\n\
         pricing = {{ prompt = \"0.000001\", completion = \"0.000002\" }}\n",
        speaker.dialect, provider.base_url
    );
    setup().config(&toml).variable("PROVIDER_KEY", secret).start().await
}

async fn key(gateway: &Gateway) -> (String, String) {
    let (key, string) = gateway.manager().create_key(&json!({"name": "a", "limit": 1})).await;
    (key["hash"].as_str().expect("a hash").to_owned(), string)
}

async fn spent(gateway: &Gateway, hash: &str) -> String {
    gateway.manager().key(hash).await["usage"].to_string()
}

/// The chunks of a stream, without its last word.
async fn chunks(gateway: &Gateway, string: &str) -> Vec<Value> {
    let stream = gateway.client(string).chat_stream("acme/fast", "hi").await.expect("a head");
    assert_eq!(stream.status, StatusCode::OK);
    let events = stream.rest().await;
    let json = events.iter().filter(|event| *event != "[DONE]");
    json.map(|event| serde_json::from_str(event).expect("JSON")).collect()
}

/// A stream of this dialect, all at once.
fn pieces(speaker: &Speaker, pieces: Vec<Bytes>) -> Script {
    let pieces = pieces.into_iter().map(|piece| (Duration::ZERO, piece));
    Script::Sequence { kind: speaker.kind, pieces: pieces.collect() }
}

#[tokio::test]
async fn a_plain_answer_is_translated_and_charged() {
    for speaker in SPEAKERS {
        let provider = Provider::start().await;
        provider.always(Script::json(200, &(speaker.whole)("Hello!")));
        let gateway = gateway(&speaker, &provider).await;
        let (hash, string) = key(&gateway).await;
        let reply = gateway.client(&string).chat("acme/fast", "hi").await;
        assert_eq!(reply.status, StatusCode::OK, "{}: {reply:?}", speaker.dialect);
        let answer = reply.json();
        assert_eq!(answer["choices"][0]["message"]["content"], "Hello!", "{answer}");
        assert_eq!(answer["choices"][0]["finish_reason"], "stop");
        assert_eq!(answer["usage"]["cost"].to_string(), "0.000018", "{}", speaker.dialect);
        assert_eq!(spent(&gateway, &hash).await, "0.000018");
        let received = provider.received().remove(0);
        assert_eq!(received.path, speaker.paths[0]);
        let (header, value) = speaker.credential;
        assert_eq!(received.headers[header], value.replace("SECRET", SECRET));
        assert!(!received.headers.contains_key("accept-encoding"));
        assert!(!format!("{received:?}").contains(&string), "the client's key stays here");
    }
}

#[tokio::test]
async fn a_stream_is_translated_chunk_by_chunk() {
    for speaker in SPEAKERS {
        let provider = Provider::start().await;
        provider.always(pieces(&speaker, (speaker.stream)(&["Hel", "lo!"])));
        let gateway = gateway(&speaker, &provider).await;
        let (hash, string) = key(&gateway).await;
        let chunks = chunks(&gateway, &string).await;
        let said = chunks.iter().filter_map(|it| it["choices"][0]["delta"]["content"].as_str());
        assert_eq!(said.collect::<String>(), "Hello!", "{}: {chunks:?}", speaker.dialect);
        let [.., finish, usage] = &chunks[..] else { panic!("{chunks:?}") };
        assert_eq!(finish["choices"][0]["finish_reason"], "stop", "{finish}");
        assert_eq!(usage["usage"]["cost"].to_string(), "0.000018", "{}", speaker.dialect);
        assert_eq!(spent(&gateway, &hash).await, "0.000018");
        assert_eq!(provider.received().remove(0).path, speaker.paths[1]);
    }
}

#[tokio::test]
async fn an_error_before_the_first_byte_keeps_its_status_and_loses_the_credential() {
    for speaker in SPEAKERS {
        let provider = Provider::start().await;
        let gateway = gateway(&speaker, &provider).await;
        let (hash, string) = key(&gateway).await;
        let client = gateway.client(&string);
        for (status, expected) in [(429, 429), (400, 400), (401, 502), (500, 502)] {
            let error = (speaker.error)(&format!("no, {SECRET} is out"));
            provider.then(Script::json(status, &error)).then(Script::json(status, &error));
            let plain = client.chat("acme/fast", "hi").await;
            assert_eq!(plain.status.as_u16(), expected, "{}: {plain:?}", speaker.dialect);
            assert_eq!(plain.json()["error"]["metadata"]["raw"], "no, [masked] is out");
            let streamed = client.chat_stream("acme/fast", "hi").await.expect("a head");
            assert_eq!(streamed.status.as_u16(), expected, "{}", speaker.dialect);
        }
        assert_eq!(spent(&gateway, &hash).await, "0");
        assert!(!gateway.log().contains(SECRET));
    }
}

#[tokio::test]
async fn a_stream_that_ends_early_or_cannot_be_read_is_an_error_and_free() {
    for speaker in SPEAKERS {
        let provider = Provider::start().await;
        let gateway = gateway(&speaker, &provider).await;
        let (hash, string) = key(&gateway).await;
        let whole = (speaker.stream)(&["Hel", "lo!"]);
        let begun: Vec<Bytes> = whole.iter().take(whole.len() / 2).cloned().collect();
        let malformed = [begun.clone(), vec![Bytes::from_static(speaker.malformed)]].concat();
        for sent in [begun, malformed] {
            provider.then(pieces(&speaker, sent));
            let chunks = chunks(&gateway, &string).await;
            let last = chunks.last().expect("a chunk");
            assert_eq!(last["error"]["code"], 502, "{}: {last}", speaker.dialect);
            assert_eq!(last["choices"][0]["finish_reason"], "error");
        }
        assert_eq!(spent(&gateway, &hash).await, "0");
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_a_bad_gateway_and_free() {
    let encoded = vec![("content-encoding", "gzip".to_owned())];
    for speaker in SPEAKERS {
        let provider = Provider::start().await;
        let gateway = gateway(&speaker, &provider).await;
        let (hash, string) = key(&gateway).await;
        let whole = (speaker.whole)("Hello!").to_string();
        let answer =
            |body: &str, headers| Script::Answer { status: 200, headers, body: body.to_owned() };
        let cut = &whole[..whole.len() / 2];
        let sent =
            [answer(cut, Vec::new()), answer("{}", Vec::new()), answer(&whole, encoded.clone())];
        for script in sent {
            provider.then(script.clone());
            let reply = gateway.client(&string).chat("acme/fast", "hi").await;
            assert_eq!(reply.status, StatusCode::BAD_GATEWAY, "{}: {script:?}", speaker.dialect);
        }
        assert_eq!(spent(&gateway, &hash).await, "0");
    }
}

#[tokio::test]
async fn a_stream_that_stalls_is_given_up_and_free() {
    for speaker in SPEAKERS {
        let provider = Provider::start().await;
        let whole = (speaker.stream)(&["Hel", "lo!"]);
        let begun = whole.iter().take(whole.len() / 2).map(|it| (Duration::ZERO, it.clone()));
        let late = [(Duration::from_mins(1), Bytes::new())];
        provider
            .always(Script::Sequence { kind: speaker.kind, pieces: begun.chain(late).collect() });
        let gateway = gateway(&speaker, &provider).await;
        let (hash, string) = key(&gateway).await;
        let chunks = chunks(&gateway, &string).await;
        let last = chunks.last().expect("a chunk");
        assert_eq!(last["error"]["code"], 504, "{}: {last}", speaker.dialect);
        assert_eq!(spent(&gateway, &hash).await, "0");
    }
}

#[tokio::test]
async fn what_a_dialect_has_no_word_for_is_refused_by_name_and_not_sent() {
    let picture = json!({"type": "image_url", "image_url": {"url": "https://a.example/b.png"}});
    let sound = json!({"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}});
    for speaker in SPEAKERS {
        let provider = Provider::start().await;
        let gateway = gateway(&speaker, &provider).await;
        let (hash, string) = key(&gateway).await;
        let two = json!({"model": "acme/fast", "n": 2, "max_tokens": 5, "messages": [
            {"role": "user", "content": "hi"},
        ]});
        let mut cases = vec![(two, "n")];
        if ["gemini", "vertex"].contains(&speaker.dialect) {
            cases.clear();
        }
        let shown = match speaker.dialect {
            "bedrock" => Some(&picture),
            "anthropic" | "cohere" => Some(&sound),
            _ => None,
        };
        if let Some(part) = shown {
            let messages = json!([{"role": "user", "content": [part]}]);
            let body = json!({"model": "acme/fast", "max_tokens": 5, "messages": messages});
            cases.push((body, "messages[0].content[0]"));
        }
        for (body, field) in cases {
            let refused = gateway.client(&string).post("/api/v1/chat/completions", &body).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}: {refused:?}", speaker.dialect);
            let told = refused.error();
            assert!(told.starts_with(&format!("{field}: ")), "{}: {told}", speaker.dialect);
        }
        assert!(provider.received().is_empty(), "{}", speaker.dialect);
        assert_eq!(spent(&gateway, &hash).await, "0");
    }
}
