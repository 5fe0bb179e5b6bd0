//! A provider that says as much as it may is told what was reserved for, in every dialect, and never
//! bills more than that; where nothing has to be bounded it is told what the client said, and no more.

use http::StatusCode;
use keyway_testkit::{Gateway, Provider, Received, Script};
use serde_json::{Value, json};

use super::SPEAKERS;
use crate::setup;

const CHAT: &str = "/api/v1/chat/completions";
/// What one that nobody told anything says.
const UNTOLD: u64 = 50_000;
/// The most that an answer may have.
const LONGEST: u64 = 100;

/// Where a server is told how long an answer may be, and where its answer says how long it is.
struct Server {
    /// The provider's section, but for the address.
    provider: &'static str,
    bound: &'static str,
    whole: fn(&str) -> Value,
    counts: &'static str,
}

const SERVERS: [Server; 7] = [
    openai("dialect = \"openai\"", "/max_tokens"),
    openai("dialect = \"openai\"\nquirks = \"openai\"", "/max_completion_tokens"),
    openai("dialect = \"openai\"\nquirks = \"vllm\"", "/max_tokens"),
    Server {
        provider: "dialect = \"anthropic\"",
        bound: "/max_tokens",
        whole: SPEAKERS[0].whole,
        counts: "/usage/output_tokens",
    },
    Server {
        provider: "dialect = \"bedrock\"",
        bound: "/inferenceConfig/maxTokens",
        whole: SPEAKERS[1].whole,
        counts: "/usage/outputTokens",
    },
    Server {
        provider: "dialect = \"cohere\"",
        bound: "/max_tokens",
        whole: SPEAKERS[2].whole,
        counts: "/usage/billed_units/output_tokens",
    },
    Server {
        provider: "dialect = \"gemini\"",
        bound: "/generationConfig/maxOutputTokens",
        whole: SPEAKERS[3].whole,
        counts: "/usageMetadata/candidatesTokenCount",
    },
];

const fn openai(provider: &'static str, bound: &'static str) -> Server {
    Server { provider, bound, whole: completion, counts: "/usage/completion_tokens" }
}

fn completion(text: &str) -> Value {
    let message = json!({"role": "assistant", "content": text});
    let usage = json!({"prompt_tokens": 10, "completion_tokens": 4});
    json!({"choices": [{"index": 0, "finish_reason": "length", "message": message}], "usage": usage})
}

impl Server {
    /// Answers with as many tokens as it may.
    fn speak(&self, received: &Received) -> Script {
        let told = received.body.pointer(self.bound).and_then(Value::as_u64);
        let mut answer = (self.whole)("on and on");
        // Thoughts are counted beside what is said, and are a part of what was allowed.
        if let Some(thought) = answer.pointer_mut("/usageMetadata/thoughtsTokenCount") {
            *thought = 0.into();
        }
        *answer.pointer_mut(self.counts).expect("a count") = told.unwrap_or(UNTOLD).into();
        Script::json(200, &answer)
    }

    async fn gateway(&'static self, provider: &Provider) -> Gateway {
        provider.decides(|received| self.speak(received));
        before(provider, self.provider, 8_000, LONGEST).await
    }
}

async fn before(provider: &Provider, section: &str, context: u64, longest: u64) -> Gateway {
    let toml = format!(
        "[[providers]]\nslug = \"p\"\nbase_url = \"{}\"\napi_key = \"env:PROVIDER_KEY\"\n{section}\n\n\
         [[models]]\nid = \"acme/fast\"\ncontext_length = {context}\nmax_completion_tokens = {longest}\n\n\
         [[models.endpoints]]\nprovider = \"p\"\nupstream_model = \"m\"\n\
         pricing = {{ prompt = \"0.000001\", completion = \"0.000002\" }}\n",
        provider.base_url
    );
    setup().config(&toml).variable("PROVIDER_KEY", "a-key").start().await
}

/// How many tokens an answer to `body` has, and what it cost beyond what was reserved for it.
async fn ask(
    gateway: &Gateway,
    limit: &Value,
    headers: &[(&'static str, &str)],
    body: &Value,
) -> (u64, String) {
    let manager = gateway.manager();
    let (_, key) = manager.create_key(&json!({"name": "a", "limit": limit})).await;
    let client = headers
        .iter()
        .fold(gateway.client(&key), |client, (name, value)| client.with_header(name, value));
    let reply = client.post(CHAT, body).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    let id = reply.headers["x-generation-id"].to_str().expect("text").to_owned();
    let shown = manager.get(&format!("/api/v1/generation?id={id}")).await.json();
    let tokens = reply.json()["usage"]["completion_tokens"].as_u64().expect("a count");
    (tokens, shown["data"]["overrun"].to_string())
}

fn hi() -> Value {
    json!({"model": "acme/fast", "messages": [{"role": "user", "content": "hi"}]})
}

#[tokio::test]
async fn nobody_says_more_than_was_reserved_for() {
    for server in &SERVERS {
        let provider = Provider::start().await;
        let gateway = server.gateway(&provider).await;
        let all = (LONGEST, "0".to_owned());
        assert_eq!(ask(&gateway, &json!(1), &[], &hi()).await, all, "{}", server.provider);
        let ceiling = [("x-keyway-max-cost", "0.01")];
        assert_eq!(ask(&gateway, &Value::Null, &ceiling, &hi()).await, all, "{}", server.provider);
        let mut short = hi();
        short["max_tokens"] = json!(7);
        assert_eq!(ask(&gateway, &json!(1), &[], &short).await.0, 7, "{}", server.provider);
    }
}

#[tokio::test]
async fn who_has_no_limit_is_not_bounded_by_the_gateway() {
    for server in &SERVERS {
        let provider = Provider::start().await;
        let gateway = server.gateway(&provider).await;
        let (tokens, _) = ask(&gateway, &Value::Null, &[], &hi()).await;
        // Anthropic wants to be told.
        let expected = if server.provider.contains("anthropic") { LONGEST } else { UNTOLD };
        assert_eq!(tokens, expected, "{}", server.provider);
    }
}

#[tokio::test]
async fn a_server_that_counts_both_sides_together_is_never_asked_for_too_much() {
    // Each letter is a token there, which is denser than any estimate.
    for (section, bound) in
        [("dialect = \"openai\"", "/max_tokens"), ("dialect = \"anthropic\"", "/max_tokens")]
    {
        let provider = Provider::start().await;
        provider.decides(move |received| {
            let content = &received.body["messages"][0]["content"];
            let content = content[0]["text"].as_str().or(content.as_str()).expect("a text");
            let prompt = content.len() as u64;
            let most = received.body.pointer(bound).and_then(Value::as_u64).expect("a bound");
            if prompt + most > 8_000 {
                let error =
                    json!({"error": {"message": "This model's maximum context length is 8000"}});
                return Script::json(400, &error);
            }
            let mut answer = completion("hello");
            answer["usage"] = json!({"prompt_tokens": prompt, "completion_tokens": most});
            if section.contains("anthropic") {
                answer = (SPEAKERS[0].whole)("hello");
                answer["usage"] = json!({"input_tokens": prompt, "output_tokens": most});
            }
            Script::json(200, &answer)
        });
        let gateway = before(&provider, section, 8_000, 4_000).await;
        for (letters, least, most) in
            [(100, 4_000, 4_000), (4_500, 1_000, 4_000), (6_500, 1_000, 1_500)]
        {
            let mut body = hi();
            body["messages"][0]["content"] = json!("x".repeat(letters));
            let (tokens, overrun) = ask(&gateway, &json!(1), &[], &body).await;
            assert!((least..=most).contains(&tokens), "{section}: {letters} letters, {tokens}");
            assert_eq!(overrun, "0");
        }
    }
}
