//! Vertex: Gemini's words, behind access tokens.

use http::StatusCode;
use keyway_testkit::{Gateway, Provider, Script};
use serde_json::json;

use super::{gemini, key};
use crate::setup;

const ACCOUNT: &str = include_str!("../../../../keyway-testkit/fixtures/service-account.json");

async fn gateway(provider: &Provider, tokens: &Provider) -> Gateway {
    let toml = format!(
        "[[providers]]\nslug = \"p\"\ndialect = \"vertex\"\nbase_url = \"{}\"\n\
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
