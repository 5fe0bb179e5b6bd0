//! Whatever a provider does wrong, plain or in a stream: the client hears of it as the contract says, the
//! reservation ends, once, and what is charged is right to the nano-dollar.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use keyway_testkit::{Client, Gateway, Provider, Script};
use serde_json::{Value, json};

use crate::money::CHAT;
use crate::setup;

const SECRET: &str = "provider-secret-0123456789";
/// Nobody waits that long.
const SILENCE: Duration = Duration::from_mins(1);
/// The statuses of errors, what the client hears of each, and whether it is told not to ask again.
const STATUSES: [(u16, u16, bool); 9] = [
    (400, 400, false),
    (401, 502, true),
    (402, 502, true),
    (403, 502, true),
    (404, 404, false),
    (429, 429, false),
    (500, 502, false),
    (503, 503, false),
    (529, 503, false),
];

async fn gateway(providers: &[&Provider]) -> Gateway {
    let sections = providers.iter().enumerate().map(|(number, provider)| {
        format!(
            "[[providers]]\nslug = \"p{number}\"\nname = \"Provider {number}\"\ndialect = \"openai\"\n\
             base_url = \"{}\"\napi_key = \"env:PROVIDER_KEY\"\n\
             timeouts = {{ first_byte = \"500ms\", idle = \"500ms\" }}\n",
            provider.base_url
        )
    });
    let model =
        "[[models]]\nid = \"acme/fast\"\ncontext_length = 8000\nmax_completion_tokens = 100\n";
    let endpoints = (0..providers.len()).map(|number| {
        format!(
            "[[models.endpoints]]\nprovider = \"p{number}\"\nupstream_model = \"m\"\n\
             pricing = {{ prompt = \"0.000001\", completion = \"0.000002\" }}\n"
        )
    });
    let toml: String = sections.chain([model.to_owned()]).chain(endpoints).collect();
    setup().config(&toml).variable("PROVIDER_KEY", SECRET).start().await
}

fn body(stream: bool) -> Value {
    let order = json!({"order": ["p0", "p1"]});
    json!({"model": "acme/fast", "stream": stream, "provider": order,
        "messages": [{"role": "user", "content": "hi"}]})
}

fn answer() -> Value {
    let message = json!({"role": "assistant", "content": "hi"});
    json!({"choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 4}})
}

fn delta(content: &str) -> String {
    let choice = json!({"index": 0, "delta": {"content": content}, "finish_reason": null});
    format!("data: {}\n\n", json!({"choices": [choice]}))
}

fn pieces(kind: &'static str, pieces: Vec<(Duration, String)>) -> Script {
    let pieces = pieces.into_iter().map(|(pause, piece)| (pause, Bytes::from(piece))).collect();
    Script::Sequence { kind, pieces }
}

fn failure(status: u16) -> Script {
    let body = json!({"error": {"message": format!("no, {SECRET} is out")}}).to_string();
    Script::Answer { status, headers: vec![("retry-after", "7".to_owned())], body }
}

/// A key whose limit affords one request at a time, and no second beside it.
struct Tight {
    client: Client,
    hash: String,
}

async fn tight(gateway: &Gateway) -> Tight {
    let manager = gateway.manager();
    let (_, free) = manager.create_key(&json!({"name": "free"})).await;
    let dry = gateway.client(&free).with_header("x-keyway-max-cost", "1");
    let dry = dry.post(&format!("{CHAT}?dry_run=true"), &body(false)).await.json();
    let bound: f64 = dry["data"]["reserves"].to_string().parse().expect("USD");
    // Room for what is charged in between, and not for two.
    let limit = bound + bound / 2.0;
    let (key, string) = manager.create_key(&json!({"name": "a", "limit": limit})).await;
    let hash = key["hash"].as_str().expect("a hash").to_owned();
    Tight { client: gateway.client(&string), hash }
}

impl Tight {
    /// Asks, and answers the code of the error that was heard, with all that was heard and its headers.
    async fn fail(&self, stream: bool) -> (u64, String, http::HeaderMap) {
        let opened = self.client.open(Method::POST, CHAT, body(stream).to_string()).await;
        let opened = opened.expect("a head");
        let (status, headers) = (opened.status, opened.headers.clone());
        if stream && status.is_success() {
            let events = opened.rest().await;
            let last: Value = serde_json::from_str(events.last().expect("an event")).expect("JSON");
            let code = last["error"]["code"].as_u64().unwrap_or_else(|| panic!("{last}"));
            return (code, last.to_string(), headers);
        }
        let reply = opened.into_reply().await.expect("a body");
        reply.error();
        (u64::from(status.as_u16()), String::from_utf8_lossy(&reply.body).into_owned(), headers)
    }

    async fn check(&self, gateway: &Gateway, usage: &str, what: &str) {
        let key = gateway.manager().key(&self.hash).await;
        assert_eq!((key["usage"].to_string().as_str(), &key["held"]), (usage, &json!(0)), "{what}");
    }
}

#[tokio::test]
async fn an_error_is_told_in_its_own_words_and_costs_nothing() {
    let provider = Provider::start().await;
    let gateway = gateway(&[&provider]).await;
    let key = tight(&gateway).await;
    for stream in [false, true] {
        for (status, expected, is_final) in STATUSES {
            let what = format!("{status}, streamed: {stream}");
            provider.then(failure(status));
            let (code, said, headers) = key.fail(stream).await;
            assert_eq!(code, u64::from(expected), "{what}: {said}");
            assert!(said.contains("no, [masked] is out"), "{what}: {said}");
            let should_retry = headers.get("x-should-retry").map(|it| it.to_str().expect("text"));
            assert_eq!(should_retry, is_final.then_some("false"), "{what}");
            assert_eq!(headers["retry-after"], "7", "{what}");
            key.check(&gateway, "0", &what).await;
        }
    }
    assert!(!gateway.log().contains(SECRET));
    assert!(gateway.log().contains("a provider refuses our credential"));
}

/// A credential that is kept for the key is for whose it is to mend, and its provider is named.
#[tokio::test]
async fn a_kept_credential_that_is_refused_is_a_403() {
    const KEPT: &str = "kept-secret-0123456789";
    let provider = Provider::start().await;
    let gateway = gateway(&[&provider]).await;
    let key = tight(&gateway).await;
    let kept = json!({"provider": "p0", "key": KEPT, "is_required": true});
    let made = gateway.manager().post("/api/v1/byok", &kept).await;
    assert!(made.status.is_success(), "{made:?}");
    for stream in [false, true] {
        for (status, expected, is_final) in
            [(401, 403, true), (402, 502, true), (403, 403, true), (429, 429, false)]
        {
            let what = format!("{status}, streamed: {stream}");
            let error = json!({"error": {"message": format!("{KEPT} is out")}});
            provider.then(Script::json(status, &error));
            let (code, said, headers) = key.fail(stream).await;
            assert_eq!(code, expected, "{what}: {said}");
            assert!(said.contains("Provider 0") && !said.contains(KEPT), "{what}: {said}");
            let should_retry = headers.get("x-should-retry").map(|it| it.to_str().expect("text"));
            assert_eq!(should_retry, is_final.then_some("false"), "{what}");
            key.check(&gateway, "0", &what).await;
        }
    }
    let presented = format!("Bearer {KEPT}");
    assert!(provider.received().iter().all(|it| it.headers["authorization"] == presented));
    assert!(!gateway.log().contains("a provider refuses our credential"));
}

#[tokio::test]
async fn what_cannot_be_read_is_an_error_and_costs_nothing() {
    let provider = Provider::start().await;
    let gateway = gateway(&[&provider]).await;
    let key = tight(&gateway).await;
    let at_once = |text: &str| (Duration::ZERO, text.to_owned());
    let whole = answer().to_string();
    let half = at_once(&whole[..whole.len() / 2]);
    // It would be an answer, if it were waited for.
    let mut endless = vec![at_once(&" ".repeat(1024 * 1024)); 80];
    endless.push(at_once(&whole));
    let json = |script: Vec<(Duration, String)>| pieces("application/json", script);
    let events = |script: Vec<(Duration, String)>| pieces("text/event-stream", script);
    let late = || (SILENCE, String::new());
    let zipped = |kind: &str, body: &str| Script::Answer {
        status: 200,
        headers: vec![("content-encoding", "gzip".to_owned()), ("content-type", kind.to_owned())],
        body: body.to_owned(),
    };
    let breaks = |first: &str| Script::Stream {
        // The pause lets the first piece out before the connection breaks.
        pieces: vec![at_once(first), (Duration::from_millis(30), ": on\n\n".to_owned())],
        breaks: true,
    };
    for (what, stream, script, expected) in [
        ("malformed JSON", false, json(vec![at_once("{\"choices\": [{")]), 502),
        ("a body without an end", false, json(endless), 502),
        ("no JSON", false, json(vec![at_once("<html>")]), 502),
        ("an early end", false, json(vec![half.clone()]), 502),
        ("a body that stalls", false, json(vec![half, late()]), 504),
        ("a silent server", false, json(vec![late()]), 504),
        ("compressed", false, zipped("application/json", &whole), 502),
        ("a malformed first event", true, events(vec![at_once("data: {\"choices\":\n\n")]), 502),
        ("a malformed event", true, events(vec![at_once(&(delta("a") + "data: {\n\n"))]), 502),
        ("no events", true, json(vec![at_once(&whole)]), 502),
        ("nothing", true, events(Vec::new()), 502),
        ("an end in the middle", true, events(vec![at_once(&delta("a"))]), 502),
        ("a break in the middle", true, breaks(&delta("a")), 502),
        ("a break before anything", true, breaks(": wait\n\n"), 502),
        ("a stall before anything", true, events(vec![late()]), 504),
        ("a stall in the middle", true, events(vec![at_once(&delta("a")), late()]), 504),
        ("compressed events", true, zipped("text/event-stream", &delta("a")), 502),
    ] {
        provider.then(script);
        let (code, said, _) = key.fail(stream).await;
        assert_eq!(code, expected, "{what}: {said}");
        key.check(&gateway, "0", what).await;
    }
    // What was held for all of them is there again, once.
    provider.then(Script::json(200, &answer()));
    let reply = key.client.post(CHAT, &body(false)).await;
    assert_eq!(reply.json()["usage"]["cost"].to_string(), "0.000018", "{reply:?}");
    key.check(&gateway, "0.000018", "an answer").await;
}

#[tokio::test]
async fn a_stream_without_an_end_is_ended() {
    let provider = Provider::start().await;
    // No hundred tokens are so long.
    let piece = (Duration::ZERO, delta(&"x".repeat(1024 * 1024)));
    provider.then(pieces("text/event-stream", vec![piece; 80]));
    let gateway = gateway(&[&provider]).await;
    let key = tight(&gateway).await;
    let (code, said, _) = key.fail(true).await;
    assert_eq!(code, 502);
    assert!(said.contains("more than it was asked for"), "{said}");
    key.check(&gateway, "0", "without an end").await;
}

#[tokio::test]
async fn the_next_answers_and_is_charged_once_and_the_record_names_who_failed() {
    let (broken, sound) = (Provider::start().await, Provider::start().await);
    sound.always(Script::json(200, &answer()));
    let gateway = gateway(&[&broken, &sound]).await;
    let key = tight(&gateway).await;
    for (count, (status, ..)) in (1..).zip(STATUSES) {
        broken.then(failure(status));
        let reply = key.client.post(CHAT, &body(false)).await;
        assert_eq!(reply.json()["provider"], "Provider 1", "{status}: {reply:?}");
        let id = reply.headers["x-generation-id"].to_str().expect("text");
        let shown = gateway.manager().get(&format!("/api/v1/generation?id={id}")).await.json();
        let tried = &shown["data"]["provider_responses"];
        let told = (&tried[0]["provider_name"], &tried[0]["status"]);
        assert_eq!(told, (&json!("Provider 0"), &json!(status)), "{shown}");
        assert!(!shown.to_string().contains(SECRET));
        let usage = format!("0.{:06}", 18 * count);
        key.check(&gateway, usage.trim_end_matches('0'), &status.to_string()).await;
    }
}
