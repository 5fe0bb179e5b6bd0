//! Vertex: Gemini's words, behind access tokens.

use http::StatusCode;
use keyway_testkit::{Gateway, Provider, Script};
use serde_json::json;

use super::{anthropic, chunks, gemini, key, pieces};
use crate::setup;

const ACCOUNT: &str = include_str!("../../../../keyway-testkit/fixtures/service-account.json");

async fn gateway(provider: &Provider, tokens: &Provider) -> Gateway {
    gateway_of("vertex", provider, tokens).await
}

async fn gateway_of(dialect: &str, provider: &Provider, tokens: &Provider) -> Gateway {
    let toml = format!(
        "[[providers]]\nslug = \"p\"\ndialect = \"{dialect}\"\nbase_url = \"{}\"\n\
         api_key = \"env:ACCOUNT\"\ntoken_url = \"{}/token\"\n[[models]]\nid = \"acme/fast\"\n\
         context_length = 8000\n[[models.endpoints]]\nprovider = \"p\"\nupstream_model = \"m\"\n\
         pricing = {{ prompt = \"0\", completion = \"0\" }}\n",
        provider.base_url, tokens.base_url
    );
    setup().config(&toml).variable("ACCOUNT", ACCOUNT).start().await
}

#[tokio::test]
async fn a_token_is_had_once_and_presented() {
    let (provider, tokens) = (Provider::start().await, Provider::start().await);
    provider.always(Script::json(200, &(gemini::SPEAKER.whole)("Hello!")));
    tokens.always(Script::json(200, &json!({"access_token": "ya29.one", "expires_in": 3599})));
    let gateway = gateway(&provider, &tokens).await;
    let (_, string) = key(&gateway).await;
    for _ in 0..3 {
        let reply = gateway.client(&string).chat("acme/fast", "hi").await;
        assert_eq!(reply.json()["choices"][0]["message"]["content"], "Hello!", "{reply:?}");
    }
    for received in provider.received() {
        assert_eq!(received.path, "/v1/models/m:generateContent");
        assert_eq!(received.headers["authorization"], "Bearer ya29.one");
    }
    let asked = tokens.received();
    assert_eq!(asked.len(), 1, "a token that is still good is not had anew");
    assert_eq!(asked[0].path, "/v1/token");
    assert!(!format!("{asked:?}").contains("PRIVATE KEY"));
}

#[tokio::test]
async fn a_token_that_is_about_to_expire_is_had_anew() {
    let (provider, tokens) = (Provider::start().await, Provider::start().await);
    provider.always(Script::json(200, &(gemini::SPEAKER.whole)("Hello!")));
    tokens.always(Script::json(200, &json!({"access_token": "ya29.short", "expires_in": 60})));
    let gateway = gateway(&provider, &tokens).await;
    let (_, string) = key(&gateway).await;
    for _ in 0..2 {
        gateway.client(&string).chat("acme/fast", "hi").await;
    }
    assert_eq!(tokens.received().len(), 2);
}

#[tokio::test]
async fn an_account_that_gets_no_token_is_the_providers_failure() {
    let (provider, tokens) = (Provider::start().await, Provider::start().await);
    tokens.always(Script::json(401, &json!({"error": "invalid_grant"})));
    let gateway = gateway(&provider, &tokens).await;
    let (_, string) = key(&gateway).await;
    let reply = gateway.client(&string).chat("acme/fast", "hi").await;
    assert_eq!(reply.status, StatusCode::BAD_GATEWAY, "{reply:?}");
    assert!(provider.received().is_empty());
}

#[tokio::test]
async fn claude_speaks_its_own_words_there() {
    let (provider, tokens) = (Provider::start().await, Provider::start().await);
    let speaker = anthropic::SPEAKER;
    provider.then(Script::json(200, &(speaker.whole)("Hello!")));
    provider.then(pieces(&speaker, (speaker.stream)(&["Hel", "lo!"])));
    tokens.always(Script::json(200, &json!({"access_token": "ya29.one", "expires_in": 3599})));
    let gateway = gateway_of("vertex-anthropic", &provider, &tokens).await;
    let (_, string) = key(&gateway).await;
    let reply = gateway.client(&string).chat("acme/fast", "hi").await;
    assert_eq!(reply.json()["choices"][0]["message"]["content"], "Hello!", "{reply:?}");
    let chunks = chunks(&gateway, &string).await;
    let said = chunks.iter().filter_map(|it| it["choices"][0]["delta"]["content"].as_str());
    assert_eq!(said.collect::<String>(), "Hello!");
    let received = provider.received();
    let paths: Vec<&str> = received.iter().map(|it| it.path.as_str()).collect();
    assert_eq!(paths, ["/v1/models/m:rawPredict", "/v1/models/m:streamRawPredict"]);
    for (received, streams) in received.iter().zip([None, Some(&json!(true))]) {
        assert_eq!(received.headers["authorization"], "Bearer ya29.one");
        assert_eq!(received.body["anthropic_version"], "vertex-2023-10-16");
        assert_eq!((received.body.get("model"), received.body.get("stream")), (None, streams));
    }
}
