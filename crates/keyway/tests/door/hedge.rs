//! Hedging: the next endpoint is asked where the first is slow to begin, and both are paid for, once.

use std::time::Duration;

use futures_util::future::join_all;
use http::StatusCode;
use keyway_core::money::Nanos;
use keyway_testkit::{Client, Gate, Gateway, Provider, Script, Streamed, eventually};
use serde_json::{Value, json};

use crate::money::CHAT;
use crate::setup;

/// Nobody waits that long.
const NEVER: Duration = Duration::from_mins(1);
/// Long enough for the next to be asked, and to begin.
const LATE: Duration = Duration::from_millis(400);
/// Of 10 tokens of prompt and 4 of completion.
const ONE: &str = "0.000018";

/// A gateway before two providers, asked in their order; $0.000001 and $0.000002 a token.
async fn gateway(providers: [&Provider; 2], routing: &str, of_providers: &str) -> Gateway {
    let sections = providers.iter().enumerate().map(|(number, provider)| {
        format!(
            "\n[[providers]]\nslug = \"p{number}\"\nname = \"Provider {number}\"\ndialect = \"openai\"\n\
             base_url = \"{}\"\napi_key = \"env:PROVIDER_KEY\"\n{of_providers}\n",
            provider.base_url
        )
    });
    let model =
        "\n[[models]]\nid = \"acme/fast\"\ncontext_length = 8000\nmax_completion_tokens = 100\n";
    let endpoints = (0..providers.len()).map(|number| {
        format!(
            "\n[[models.endpoints]]\nprovider = \"p{number}\"\nupstream_model = \"m\"\n\
             pricing = {{ prompt = \"0.000001\", completion = \"0.000002\" }}\n"
        )
    });
    let all = [routing.to_owned()].into_iter().chain(sections).chain([model.to_owned()]);
    let toml: String = all.chain(endpoints).collect();
    setup().config(&toml).variable("PROVIDER_KEY", "a-key").start().await
}

const SOON: &str = "[routing]\nhedge_after = \"50ms\"\n";

/// A stream that begins after a while.
fn after(pause: Duration) -> Script {
    let [first, rest] = stream();
    Script::Stream { pieces: vec![(pause, first), (Duration::ZERO, rest)], breaks: false }
}

/// A stream that begins when the gate is opened.
fn gated(gate: &Gate) -> Script {
    Script::Gated { first: String::new(), gate: gate.clone(), rest: stream().concat() }
}

fn stream() -> [String; 2] {
    let event = |data: &Value| format!("data: {data}\n\n");
    let said =
        json!({"choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": null}]});
    let end = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]});
    let counted = json!({"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 4}});
    [event(&said), event(&end) + &event(&counted) + "data: [DONE]\n\n"]
}

fn body() -> Value {
    json!({"model": "acme/fast", "stream": true, "provider": {"order": ["p0", "p1"]},
        "messages": [{"role": "user", "content": "hi"}]})
}

async fn ask(client: &Client) -> Streamed {
    client.open(http::Method::POST, CHAT, body().to_string()).await.expect("a head")
}

/// Who answered one request, and what is told of it then: what it cost, and who did not answer.
struct Told {
    provider: String,
    shown: Value,
}

async fn told(gateway: &Gateway, limit: &Value) -> Told {
    let manager = gateway.manager();
    let (key, string) = manager.create_key(&json!({"name": "a", "limit": limit})).await;
    let stream = ask(&gateway.client(&string)).await;
    assert_eq!(stream.status, StatusCode::OK);
    let id = stream.headers["x-generation-id"].to_str().expect("text").to_owned();
    let events = stream.rest().await;
    let [first, .., usage, done] = &events[..] else { panic!("{events:?}") };
    assert_eq!(done, "[DONE]");
    let first: Value = serde_json::from_str(first).expect("JSON");
    let usage: Value = serde_json::from_str(usage).expect("JSON");
    let shown = manager.get(&format!("/api/v1/generation?id={id}")).await.json()["data"].clone();
    let key = manager.key(key["hash"].as_str().expect("a hash")).await;
    assert_eq!((&key["usage"], &key["held"]), (&shown["usage"], &json!(0)), "{shown}");
    assert_eq!((&usage["usage"]["cost"], &shown["overrun"]), (&shown["usage"], &json!(0)));
    Told { provider: first["provider"].as_str().expect("a name").to_owned(), shown }
}

fn asked(providers: &[&Provider; 2]) -> [usize; 2] {
    providers.map(|provider| provider.received().len())
}

#[tokio::test]
async fn the_next_begins_for_one_that_is_slow_and_both_are_paid_once() {
    for (of_providers, cost) in [
        // As much as the other, for all that anybody knows.
        ("abort_stops_billing = false", "0.000036"),
        // The prompt, and nothing of an answer.
        ("abort_stops_billing = true", "0.000028"),
    ] {
        let (slow, quick) = (Provider::start().await, Provider::start().await);
        slow.always(after(NEVER));
        quick.always(after(Duration::ZERO));
        let gateway = gateway([&slow, &quick], SOON, of_providers).await;
        let told = told(&gateway, &json!(1)).await;
        assert_eq!(told.provider, "Provider 1");
        assert_eq!(told.shown["usage"].to_string(), cost, "{of_providers}");
        assert_eq!(told.shown["estimated"], json!(true));
        let responses = told.shown["provider_responses"].as_array().expect("a list").iter();
        let statuses: Vec<&Value> = responses.map(|it| &it["status"]).collect();
        assert_eq!(statuses, [&json!(499), &json!(200)], "outrun, and answered");
        assert_eq!(asked(&[&slow, &quick]), [1, 1]);
    }
}

#[tokio::test]
async fn the_first_answers_where_the_next_is_slower_still() {
    let (late, never) = (Provider::start().await, Provider::start().await);
    let gate = Gate::shut();
    late.always(gated(&gate));
    never.always(after(NEVER));
    let gateway = gateway([&late, &never], SOON, "").await;
    let limit = json!(1);
    let (told, ()) = tokio::join!(told(&gateway, &limit), async {
        eventually("both are asked", async || (asked(&[&late, &never]) == [1, 1]).then_some(()))
            .await;
        gate.open();
    });
    assert_eq!(told.provider, "Provider 0");
    assert_eq!(told.shown["usage"].to_string(), "0.000036", "the next may bill as well");
    assert_eq!(asked(&[&late, &never]), [1, 1]);
}

#[tokio::test]
async fn one_that_fails_bills_nothing_and_the_other_is_waited_for() {
    for fails in [0, 1] {
        let providers = [Provider::start().await, Provider::start().await];
        let [failing, answering] = [Gate::shut(), Gate::shut()];
        providers[fails].always(failure_behind(&failing));
        providers[1 - fails].always(gated(&answering));
        let both = [&providers[0], &providers[1]];
        let gateway = gateway(both, SOON, "").await;
        let limit = json!(1);
        let (told, ()) = tokio::join!(told(&gateway, &limit), async {
            eventually("both are asked", async || (asked(&both) == [1, 1]).then_some(())).await;
            failing.open();
            let words = "an endpoint failed";
            eventually(words, async || gateway.log().contains(words).then_some(())).await;
            answering.open();
        });
        assert_eq!(told.provider, format!("Provider {}", 1 - fails));
        assert_eq!(told.shown["usage"].to_string(), ONE);
        assert_eq!(told.shown["estimated"], json!(false));
    }
}

/// An error that comes as the first event, when the gate is opened.
fn failure_behind(gate: &Gate) -> Script {
    let error = json!({"error": {"message": "overloaded", "code": 503}});
    let rest = format!("data: {error}\n\n");
    Script::Gated { first: String::new(), gate: gate.clone(), rest }
}

#[tokio::test]
async fn one_that_was_sent_nothing_bills_nothing() {
    let (busy, quick) = (Provider::start().await, Provider::start().await);
    let gate = Gate::shut();
    busy.always(gated(&gate));
    quick.always(after(Duration::ZERO));
    let gateway = gateway([&busy, &quick], SOON, "requests_max = 1").await;
    let (_, string) = gateway.manager().create_key(&json!({"name": "b", "limit": 1})).await;
    let client = gateway.client(&string);
    let mut alone = body();
    alone["provider"] = json!({"only": ["p0"]});
    let occupies = async {
        let stream = client.open(http::Method::POST, CHAT, alone.to_string()).await;
        stream.expect("a head").rest().await
    };
    let limit = json!(1);
    let (_, told) = tokio::join!(occupies, async {
        eventually("it is busy", async || (asked(&[&busy, &quick]) == [1, 0]).then_some(())).await;
        // It waits for its turn at the first.
        let told = told(&gateway, &limit).await;
        gate.open();
        told
    });
    assert_eq!((told.provider.as_str(), asked(&[&busy, &quick])), ("Provider 1", [1, 1]));
    assert_eq!(told.shown["usage"].to_string(), ONE);
    assert_eq!(told.shown["estimated"], json!(false));
    let responses = told.shown["provider_responses"].as_array().expect("a list");
    assert!(responses.iter().all(|it| it["status"] != json!(499)), "{responses:?}");
}

#[tokio::test]
async fn nobody_else_is_asked_where_it_is_off_or_in_time_or_not_to_be_paid_twice() {
    // One request holds some $0.0004 at most: the prompt's bytes, and 100 tokens of completion.
    let tight = json!(0.0006);
    for (routing, pause, limit) in [
        ("", LATE, json!(1)),
        ("[routing]\nhedge_after = \"1m\"\n", LATE, json!(1)),
        (SOON, LATE, tight),
    ] {
        let (first, next) = (Provider::start().await, Provider::start().await);
        first.always(after(pause));
        next.always(after(Duration::ZERO));
        let gateway = gateway([&first, &next], routing, "").await;
        let told = told(&gateway, &limit).await;
        assert_eq!((told.provider.as_str(), asked(&[&first, &next])), ("Provider 0", [1, 0]));
        assert_eq!(told.shown["usage"].to_string(), ONE);
    }
}

#[tokio::test]
async fn a_limit_holds_however_many_are_asked_twice() {
    let (slow, quick) = (Provider::start().await, Provider::start().await);
    slow.always(after(NEVER));
    quick.always(after(LATE));
    let gateway = gateway([&slow, &quick], SOON, "timeouts = { idle = \"1s\" }").await;
    let manager = gateway.manager();
    let (key, string) = manager.create_key(&json!({"name": "a", "limit": 0.002})).await;
    let client = gateway.client(&string);
    let streams = join_all((0..12).map(|_| async {
        let stream = ask(&client).await;
        let status = stream.status.as_u16();
        stream.rest().await;
        status
    }));
    let statuses = streams.await;
    assert!(statuses.contains(&200), "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 402].contains(status)), "{statuses:?}");
    let key = manager.key(key["hash"].as_str().expect("a hash")).await;
    assert_eq!(key["held"], json!(0));
    let spent = Nanos::parse_limit(&key["usage"].to_string()).expect("USD");
    assert!(spent <= Nanos::new(2_000_000), "{spent}");
}

#[tokio::test]
async fn nobody_else_is_asked_for_a_client_that_left() {
    let (first, next) = (Provider::start().await, Provider::start().await);
    // Long enough for the client to be missed, and for the next to be asked if it were not.
    first.always(after(Duration::from_secs(3)));
    next.always(after(Duration::ZERO));
    let gateway = gateway([&first, &next], "[routing]\nhedge_after = \"1500ms\"\n", "").await;
    let manager = gateway.manager();
    let (key, string) = manager.create_key(&json!({"name": "a", "limit": 1})).await;
    let hash = key["hash"].as_str().expect("a hash");
    let client = gateway.client(&string);
    {
        let asking = ask(&client);
        let mut asking = std::pin::pin!(asking);
        tokio::select! {
            _ = &mut asking => panic!("it began to answer"),
            () = eventually("it is sent", async || (first.received().len() == 1).then_some(())) => {}
        }
    }
    eventually("it is settled", async || {
        let key = manager.key(hash).await;
        (key["held"] == json!(0) && key["usage"] != json!(0)).then_some(())
    })
    .await;
    assert_eq!(manager.key(hash).await["usage"].to_string(), ONE);
    assert_eq!(asked(&[&first, &next]), [1, 0]);
}
