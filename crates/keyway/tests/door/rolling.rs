//! Streams that are admitted without their whole bound, and end where their budget does.

use std::time::Duration;

use futures_util::future::join_all;
use http::{Method, StatusCode};
use keyway_core::money::Nanos;
use keyway_testkit::{Client, Gateway, Provider, Script, eventually};
use serde_json::{Value, json};

use crate::money::{CHAT, MODEL, body, key, metadata};
use crate::nodes::nodes;
use crate::{gateway, setup};

/// 90,000 tokens, $0.18: 6 of prompt at $0.000001, each of completion at $0.000002.
const BOOK: &str = "#echo tokens=90000\nhello";
const PROMPT_NANOS: i64 = 6_000;
const TOKEN_NANOS: i64 = 2_000;
/// The first slice: 1,024 tokens and the prompt.
const SLICE_NANOS: i64 = PROMPT_NANOS + 1_024 * TOKEN_NANOS;

fn nanos(usd: &Value) -> i64 {
    Nanos::parse_limit(&usd.to_string()).expect("USD").get()
}

/// How a stream ended.
struct End {
    /// Chunks with something to say.
    tokens: i64,
    /// Of the chunk that gives the reason.
    reason: Value,
    why: Value,
    usage: Value,
}

/// Reads a stream to its end, in the form that every stream ends in.
async fn read(client: &Client, asked: &Value) -> End {
    let mut asked = asked.clone();
    asked["stream"] = json!(true);
    // A machine that is too slow for its load may cut a node off for a moment: then it is asked again.
    let stream = eventually("the stream begins", async || {
        let stream = client.open(Method::POST, CHAT, asked.to_string()).await.expect("a head");
        (stream.status != StatusCode::SERVICE_UNAVAILABLE).then_some(stream)
    })
    .await;
    assert_eq!(stream.status, StatusCode::OK);
    let mut events = stream.rest().await;
    assert_eq!(events.pop().as_deref(), Some("[DONE]"));
    let chunks: Vec<Value> =
        events.iter().map(|event| serde_json::from_str(event).expect("JSON")).collect();
    let [said @ .., reason, usage] = chunks.as_slice() else { panic!("{chunks:?}") };
    assert!(chunks.iter().all(|chunk| chunk.get("error").is_none()));
    let tokens = i64::try_from(said.len()).expect("few");
    let (why, usage) = (reason["keyway_metadata"].clone(), usage["usage"].clone());
    End { tokens, reason: reason["choices"][0]["finish_reason"].clone(), why, usage }
}

#[tokio::test]
async fn a_stream_is_as_long_as_its_budget_and_charged_for_what_was_delivered() {
    let gateway = gateway().await;
    let (client, hash) = key(&gateway, json!(0.005)).await;
    let plain = client.chat(MODEL, BOOK).await;
    assert_eq!(plain.status, StatusCode::PAYMENT_REQUIRED, "only a stream can end in time");
    let end = read(&client, &body(BOOK)).await;
    assert_eq!(end.reason, "length");
    let message = end.why["message"].as_str().expect("an explanation");
    assert!(message.contains("of the daily limit of $0.005 are spent"), "{message}");
    assert_eq!(end.why["limit_source"], "key_limit");
    assert_eq!(end.why["limit"].to_string(), "0.005");
    let charge = PROMPT_NANOS + end.tokens * TOKEN_NANOS;
    assert_eq!(nanos(&end.usage["cost"]), charge);
    assert_eq!(end.usage["completion_tokens"], end.tokens);
    let shown = gateway.manager().key(&hash).await;
    assert_eq!((nanos(&shown["usage"]), shown["held"].to_string()), (charge, "0".to_owned()));
    let stranded = 5_000_000 - charge;
    println!(
        "{} tokens for ${}; ${} are left",
        end.tokens,
        end.usage["cost"],
        Nanos::new(stranded)
    );
    assert!((0..TOKEN_NANOS).contains(&stranded), "less than a token is left: {stranded}");
}

#[tokio::test]
async fn many_at_once_spend_no_more_than_there_is() {
    let gateway = gateway().await;
    let limit = 40_000_000;
    let (client, hash) = key(&gateway, json!(0.04)).await;
    let asked = body("#echo tokens=90000 each_ms=1\nhello");
    let ends = join_all((0..8).map(|_| read(&client, &asked))).await;
    let charges = ends.iter().map(|end| nanos(&end.usage["cost"]));
    for end in &ends {
        assert_eq!(end.reason, "length");
        // The directive is longer by ten bytes, which are three tokens.
        let prompt = nanos(&end.usage["cost"]) - end.tokens * TOKEN_NANOS;
        assert_eq!(prompt, PROMPT_NANOS + 3_000);
    }
    let sum: i64 = charges.sum();
    let shown = gateway.manager().key(&hash).await;
    assert_eq!((nanos(&shown["usage"]), shown["held"].to_string()), (sum, "0".to_owned()));
    println!("8 at once: ${} of ${} are spent", Nanos::new(sum), Nanos::new(limit));
    assert!(sum <= limit && limit - sum < SLICE_NANOS, "{sum}");
}

#[tokio::test]
async fn who_says_how_long_it_may_be_is_taken_at_its_word() {
    let gateway = gateway().await;
    let (client, hash) = key(&gateway, json!(0.005)).await;
    let mut explicit = body(BOOK);
    explicit["stream"] = json!(true);
    explicit["max_tokens"] = json!(80_000);
    let refused = client.post(CHAT, &explicit).await;
    assert_eq!(refused.status, StatusCode::PAYMENT_REQUIRED);
    let modest = client.clone().with_header("x-keyway-max-cost", "0.1");
    let mut asked = body(BOOK);
    asked["stream"] = json!(true);
    let refusing = client.clone().with_header("x-keyway-on-limit", "refuse");
    for client in [modest, refusing] {
        assert_eq!(client.post(CHAT, &asked).await.status, StatusCode::PAYMENT_REQUIRED);
    }
    assert_eq!(gateway.manager().key(&hash).await["usage"].to_string(), "0");

    let clamping = client.with_header("x-keyway-on-limit", "clamp");
    let end = read(&clamping, &body(BOOK)).await;
    assert_eq!((end.reason, end.why), (json!("length"), Value::Null), "the model ended by itself");
}

#[tokio::test]
async fn what_does_not_afford_the_first_slice_is_refused_and_a_dry_run_says_so() {
    let gateway = gateway().await;
    let mut asked = body(BOOK);
    asked["stream"] = json!(true);
    let dry = format!("{CHAT}?dry_run=true");
    let slice = Nanos::new(SLICE_NANOS).to_string();

    let (client, _) = key(&gateway, json!(0.002)).await;
    let foretold = client.post(&dry, &asked).await.json()["data"].clone();
    assert_eq!((&foretold["admitted"], &foretold["rolling"]), (&json!(false), &json!(true)));
    let refused = client.post(CHAT, &asked).await;
    assert_eq!(refused.status, StatusCode::PAYMENT_REQUIRED);
    assert_eq!(metadata(&refused)["requested"].to_string(), slice, "what would be held");

    let (client, _) = key(&gateway, json!(0.005)).await;
    let foretold = client.post(&dry, &asked).await.json()["data"].clone();
    assert_eq!((&foretold["admitted"], &foretold["rolling"]), (&json!(true), &json!(true)));
    assert_eq!(foretold["reserves"].to_string(), slice);
    asked["stream"] = json!(false);
    let plain = client.post(&dry, &asked).await.json()["data"].clone();
    assert_eq!((&plain["admitted"], &plain["rolling"]), (&json!(false), &json!(false)));
}

/// A gateway before a provider whose answers may be of a million tokens, $0.000002 each.
async fn before(provider: &Provider, abort_stops_billing: &str) -> Gateway {
    let toml = format!(
        "[[providers]]\nslug = \"p\"\nname = \"P\"\ndialect = \"openai\"\nbase_url = \"{}\"\n\
         api_key = \"env:PROVIDER_KEY\"\n{abort_stops_billing}\n\n[[models]]\nid = \"acme/long\"\n\
         context_length = 1000000\n\n[[models.endpoints]]\nprovider = \"p\"\n\
         upstream_model = \"m\"\npricing = {{ prompt = \"0.000001\", completion = \"0.000002\" }}\n",
        provider.base_url
    );
    setup().config(&toml).variable("PROVIDER_KEY", "a-key").start().await
}

/// So many chunks of nine bytes, then, where they are counted, the end.
fn script(chunks: usize, counted: Option<u64>) -> Script {
    let piece = |data: &Value| (Duration::ZERO, format!("data: {data}\n\n"));
    let delta = json!({"choices": [{"index": 0, "delta": {"content": "nine byte"}}]});
    let mut pieces = vec![piece(&delta); chunks];
    if let Some(completion_tokens) = counted {
        let end = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]});
        let usage = json!({"prompt_tokens": 1, "completion_tokens": completion_tokens});
        pieces.push(piece(&end));
        pieces.push(piece(&json!({"choices": [], "usage": usage})));
        pieces.push((Duration::ZERO, "data: [DONE]\n\n".to_owned()));
    }
    Script::Stream { pieces, breaks: false }
}

fn long() -> Value {
    let mut asked = body("hi");
    asked["model"] = json!("acme/long");
    asked
}

#[tokio::test]
async fn a_provider_is_broken_off_only_where_that_stops_its_billing() {
    let provider = Provider::start().await;
    provider.always(script(20_000, None));
    let mut asked = long();
    asked["stream"] = json!(true);
    for unknown in ["", "abort_stops_billing = false"] {
        let gateway = before(&provider, unknown).await;
        let (client, _) = key(&gateway, json!(0.01)).await;
        assert_eq!(client.post(CHAT, &asked).await.status, StatusCode::PAYMENT_REQUIRED);
    }
    assert!(provider.received().is_empty());

    let gateway = before(&provider, "abort_stops_billing = true").await;
    let (client, hash) = key(&gateway, json!(0.01)).await;
    let end = read(&client, &long()).await;
    assert_eq!(end.reason, "length");
    // Nobody counted: nine bytes are three tokens by estimate, and a prompt of two bytes is one.
    assert_eq!(end.usage["completion_tokens"], end.tokens * 3);
    let charge = 1_000 + end.tokens * 3 * TOKEN_NANOS;
    assert_eq!(nanos(&end.usage["cost"]), charge);
    let shown = gateway.manager().key(&hash).await;
    assert_eq!((nanos(&shown["usage"]), shown["held"].to_string()), (charge, "0".to_owned()));
    assert!(10_000_000 - charge < SLICE_NANOS, "{charge}");
}

#[tokio::test]
async fn a_stream_that_ends_within_its_budget_is_charged_what_was_counted() {
    let provider = Provider::start().await;
    let gateway = before(&provider, "abort_stops_billing = true").await;
    // Fewer than its bytes say, and more: as much of them as the budget affords is held at the end.
    for (counted, charge) in [(900, 1_801_000), (2_800, 5_601_000)] {
        let (client, hash) = key(&gateway, json!(0.01)).await;
        provider.then(script(900, Some(counted)));
        let end = read(&client, &long()).await;
        assert_eq!((&end.reason, &end.why), (&json!("stop"), &Value::Null));
        assert_eq!((end.tokens, nanos(&end.usage["cost"])), (900, charge));
        let shown = gateway.manager().key(&hash).await;
        assert_eq!((nanos(&shown["usage"]), shown["held"].to_string()), (charge, "0".to_owned()));
    }
}

#[tokio::test]
async fn a_client_that_leaves_ends_a_rolling_stream() {
    let gateway = gateway().await;
    let (client, hash) = key(&gateway, json!(0.005)).await;
    let content = "#echo tokens=90000 each_ms=5\nhello";
    let mut stream = client.chat_stream(MODEL, content).await.expect("a head");
    stream.next().await.expect("a token");
    drop(stream);
    let charge = eventually("it is charged", async || {
        let charge = nanos(&gateway.manager().key(&hash).await["usage"]);
        (charge > 0).then_some(charge)
    })
    .await;
    assert!(charge < SLICE_NANOS, "nobody reads on for what is not billed: {charge}");
}

#[tokio::test]
async fn a_stream_that_rolls_is_granted_more_by_a_store_that_nodes_share() {
    let nodes = nodes(2).await;
    let manager = nodes.gateways[0].manager();
    let (made, string) = manager.create_key(&json!({"name": "a", "limit": 0.02})).await;
    let hash = made["hash"].as_str().expect("a hash");
    let clients: Vec<_> = nodes.gateways.iter().map(|node| node.client(&string)).collect();
    let asked = body(BOOK);
    let ends = join_all(clients.iter().map(|client| read(client, &asked))).await;
    let sum: i64 = ends.iter().map(|end| nanos(&end.usage["cost"])).sum();
    for end in &ends {
        assert_eq!(end.reason, "length");
        assert_eq!(nanos(&end.usage["cost"]), PROMPT_NANOS + end.tokens * TOKEN_NANOS);
    }
    assert_eq!(nanos(&manager.key(hash).await["usage"]), sum);
    println!("two nodes: ${} of $0.02 are spent", Nanos::new(sum));
    assert!(sum <= 20_000_000 && 20_000_000 - sum < SLICE_NANOS, "{sum}");
}
