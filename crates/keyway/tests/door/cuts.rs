//! What is charged of a stream that is cut: what its provider counted by then, and an estimate of the
//! rest; never more than was held.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use keyway_testkit::{Gateway, Provider, Script, Streamed};
use serde_json::{Value, json};

use crate::money::CHAT;
use crate::setup;

/// 9 bytes of output, which are three tokens where nobody counts.
const PIECE: &str = "nine byte";

/// A gateway before a provider; $0.000001 and $0.000002 a token.
async fn gateway(provider: &Provider, dialect: &str) -> Gateway {
    let toml = format!(
        "[[providers]]\nslug = \"p\"\nname = \"P\"\ndialect = \"{dialect}\"\nbase_url = \"{}\"\n\
         api_key = \"env:PROVIDER_KEY\"\n\n[[models]]\nid = \"acme/fast\"\ncontext_length = 8000\n\
         max_completion_tokens = 100\n\n[[models.endpoints]]\nprovider = \"p\"\nupstream_model = \"m\"\n\
         pricing = {{ prompt = \"0.000001\", completion = \"0.000002\" }}\n",
        provider.base_url
    );
    setup().config(&toml).variable("PROVIDER_KEY", "a-key").start().await
}

/// These events, and then nothing for longer than anybody waits.
fn begun(events: &[Value]) -> Script {
    let piece = |event: &Value| (Duration::ZERO, Bytes::from(format!("data: {event}\n\n")));
    let silence = [(Duration::from_mins(1), Bytes::new())];
    let pieces = events.iter().map(piece).chain(silence).collect();
    Script::Sequence { kind: "text/event-stream", pieces }
}

fn delta(usage: &Value) -> Value {
    let choice = json!({"index": 0, "delta": {"content": PIECE}, "finish_reason": null});
    json!({"choices": [choice], "usage": usage})
}

fn openai(continuous: bool) -> Vec<Value> {
    let counted = json!({"prompt_tokens": 700, "completion_tokens": 5});
    vec![delta(if continuous { &counted } else { &Value::Null }), delta(&Value::Null)]
}

fn anthropic() -> Vec<Value> {
    let usage = json!({"input_tokens": 600, "cache_read_input_tokens": 100, "output_tokens": 1});
    let text = json!({"type": "content_block_delta", "index": 0,
        "delta": {"type": "text_delta", "text": PIECE}});
    let start = json!({"type": "message_start", "message": {"usage": usage}});
    vec![start, text.clone(), text]
}

fn gemini() -> Vec<Value> {
    let event = |said: u64| {
        let content = json!({"role": "model", "parts": [{"text": PIECE}]});
        json!({"candidates": [{"content": content, "index": 0}], "usageMetadata": {
            "promptTokenCount": 700, "candidatesTokenCount": said, "thoughtsTokenCount": 40,
        }})
    };
    vec![event(5), event(8)]
}

/// Reads both pieces of a stream, and has it cut.
async fn cut(gateway: &Gateway, content: Value) -> Value {
    let manager = gateway.manager();
    let (key, string) = manager.create_key(&json!({"name": "a", "limit": 1})).await;
    let body = json!({"model": "acme/fast", "stream": true,
        "messages": [{"role": "user", "content": content}]});
    let stream = gateway.client(&string).open(Method::POST, CHAT, body.to_string()).await;
    let mut stream = stream.expect("a head");
    assert_eq!(stream.status, StatusCode::OK);
    let id = stream.headers["x-generation-id"].to_str().expect("text").to_owned();
    read_two(&mut stream).await;
    let hash = key["hash"].as_str().expect("a hash");
    let disabled = manager.patch(&format!("/api/v1/keys/{hash}"), &json!({"disabled": true})).await;
    assert_eq!(disabled.status, StatusCode::OK);
    let last = stream.rest().await.pop().expect("a last word");
    assert!(last.contains("disabled"), "{last}");
    let shown = manager.get(&format!("/api/v1/generation?id={id}")).await.json()["data"].clone();
    let key = manager.key(hash).await;
    assert_eq!((&key["usage"], &key["held"]), (&shown["usage"], &json!(0)));
    shown
}

async fn read_two(stream: &mut Streamed) {
    let mut pieces = 0;
    while pieces < 2 {
        let event = stream.next().await.expect("two pieces come");
        pieces += usize::from(event.contains(PIECE));
    }
}

#[tokio::test]
async fn what_was_counted_early_is_charged_and_the_rest_estimated() {
    for (dialect, events, completion) in [
        // Five were counted after the first piece; the second is estimated.
        ("openai", openai(true), 8),
        // Only the prompt is counted early.
        ("anthropic", anthropic(), 6),
        // Everything is, what was thought and not shown too.
        ("gemini", gemini(), 48),
    ] {
        let provider = Provider::start().await;
        provider.always(begun(&events));
        let gateway = gateway(&provider, dialect).await;
        let shown = cut(&gateway, json!("x".repeat(1_000))).await;
        let tokens = (&shown["tokens_prompt"], &shown["tokens_completion"]);
        assert_eq!(tokens, (&json!(700), &json!(completion)), "{dialect}");
        assert_eq!(shown["usage"].to_string(), format!("0.000{}", 700 + 2 * completion));
        assert_eq!((&shown["estimated"], &shown["ending"]), (&json!(true), &json!("revoked")));
        assert_eq!(shown["overrun"], json!(0));
    }
}

#[tokio::test]
async fn what_was_not_counted_is_estimated_by_its_kind_and_within_what_was_held() {
    let provider = Provider::start().await;
    provider.always(begun(&openai(false)));
    let gateway = gateway(&provider, "openai").await;
    let image = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}});
    for (images, prompt) in [(0, 1), (1, 1_601), (4, 6_401), (9, 8_000)] {
        let mut content = vec![json!({"type": "text", "text": "hi"})];
        content.extend((0..images).map(|_| image.clone()));
        let shown = cut(&gateway, json!(content)).await;
        let tokens = (&shown["tokens_prompt"], &shown["tokens_completion"]);
        assert_eq!(tokens, (&json!(prompt), &json!(6)), "{images} pictures");
        assert_eq!((&shown["estimated"], &shown["overrun"]), (&json!(true), &json!(0)));
    }
}

#[tokio::test]
async fn one_choice_that_fails_does_not_make_the_others_free() {
    let choice = |index: u64, content: &str, reason: Value| {
        let choice =
            json!({"index": index, "delta": {"content": content}, "finish_reason": reason});
        json!({"choices": [choice]}).to_string()
    };
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 4}});
    let usage = usage.to_string();
    let said = [choice(0, "a", Value::Null), choice(1, "b", json!("stop"))];
    let one = [said.as_slice(), &[choice(0, "", json!("error")), usage.clone()]].concat();
    let all = [choice(0, "", json!("error")), choice(1, "", json!("error")), usage.clone()];
    let open = [choice(0, "", Value::Null), choice(1, "", json!("error"))];
    let counted = r#"{"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 0}}"#;
    let open = [open.as_slice(), &[counted.to_owned()]].concat();
    for (events, cost, last) in [
        (one.as_slice(), "0.000018", "usage"),
        (all.as_slice(), "0", "error"),
        (open.as_slice(), "0", "usage"),
    ] {
        let provider = Provider::start().await;
        let mut data: Vec<&str> = events.iter().map(String::as_str).collect();
        data.push("[DONE]");
        provider.always(Script::events(&data));
        let gateway = gateway(&provider, "openai").await;
        let manager = gateway.manager();
        let (key, string) = manager.create_key(&json!({"name": "a", "limit": 1})).await;
        let body = json!({"model": "acme/fast", "stream": true, "n": 2,
            "messages": [{"role": "user", "content": "hi"}]});
        let stream = gateway.client(&string).open(Method::POST, CHAT, body.to_string()).await;
        let heard = stream.expect("a head").rest().await;
        let heard = heard.iter().rev().find(|event| *event != "[DONE]").expect("an event");
        assert!(heard.contains(&format!("\"{last}\":")), "{heard}");
        let key = manager.key(key["hash"].as_str().expect("a hash")).await;
        assert_eq!((key["usage"].to_string().as_str(), &key["held"]), (cost, &json!(0)), "{heard}");
    }
}
