//! Where the gateway connects: to what its configuration names, whatever a request or a provider says.

use std::time::Duration;

use http::StatusCode;
use keyway_testkit::{Gateway, Provider, Script};
use serde_json::{Value, json};

use crate::setup;

/// A gateway before a provider at `base_url`, with `more` in its section.
async fn gateway(base_url: &str, more: &str) -> Gateway {
    setup().config(&toml(base_url, more)).start().await
}

/// Its configuration; what is added to it is said of its one endpoint.
fn toml(base_url: &str, more: &str) -> String {
    format!(
        "[[providers]]\nslug = \"p\"\ndialect = \"openai\"\nbase_url = \"{base_url}\"\n{more}\n\
         [[models]]\nid = \"acme/fast\"\ncontext_length = 8000\n[[models.endpoints]]\n\
         provider = \"p\"\nupstream_model = \"m\"\npricing = {{ prompt = \"0\", completion = \"0\" }}\n"
    )
}

async fn key(gateway: &Gateway) -> String {
    gateway.manager().create_key(&json!({"name": "a"})).await.1
}

fn completion() -> Value {
    json!({
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    })
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (provider, tripwire) = (Provider::start().await, Provider::start().await);
    let gateway = gateway(&provider.base_url, "").await;
    let string = key(&gateway).await;
    for status in [300, 301, 302, 303, 307, 308] {
        for place in [tripwire.base_url.as_str(), "http://169.254.169.254/latest/meta-data", "//x"]
        {
            let headers = vec![("location", place.to_owned()), ("refresh", format!("0;{place}"))];
            provider.then(Script::Answer { status, headers, body: String::new() });
            let reply = gateway.client(&string).chat("acme/fast", "hi").await;
            assert_eq!(reply.status, StatusCode::BAD_GATEWAY, "{status} {place}");
        }
    }
    assert!(tripwire.received().is_empty());
}

/// Every field of a request that holds an address, or held one in another gateway, and every header.
#[tokio::test]
async fn no_request_chooses_where_the_gateway_connects() {
    let (provider, tripwire) = (Provider::start().await, Provider::start().await);
    provider.always(Script::json(200, &completion()));
    let gateway = gateway(&provider.base_url, "").await;
    let string = key(&gateway).await;
    let place = tripwire.base_url.as_str();
    let parts = json!([
        {"type": "image_url", "image_url": {"url": format!("{place}/image.png")}},
        {"type": "video_url", "video_url": {"url": format!("{place}/video.mp4")}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": format!("{place}/a.pdf")}},
        {"type": "text", "text": format!("{place}/text")},
    ]);
    let messages = json!([{"role": "user", "content": parts}]);
    let mut bodies = vec![json!({"model": "acme/fast", "messages": messages})];
    for field in [
        "api_base",
        "base_url",
        "baseURL",
        "api_url",
        "endpoint",
        "url",
        "proxy",
        "host",
        "callback_url",
        "webhook_url",
        "custom_host",
        "target_url",
        "azure_endpoint",
        "upstream",
        "server_url",
    ] {
        bodies.push(json!({
            "model": "acme/fast", "messages": [{"role": "user", "content": "hi"}], field: place,
            "metadata": {field: place}, "trace": {field: place}, "extra_body": {field: place},
        }));
    }
    for (number, body) in bodies.into_iter().enumerate() {
        let reply = gateway.client(&string).post("/api/v1/chat/completions", &body).await;
        // The provider is not sent there either.
        let expected = if number == 0 { StatusCode::BAD_REQUEST } else { StatusCode::OK };
        assert_eq!(reply.status, expected, "{body}: {reply:?}");
    }
    for header in [
        "x-portkey-custom-host",
        "x-forwarded-host",
        "x-forwarded-server",
        "forwarded",
        "x-host",
        "x-original-url",
        "x-rewrite-url",
        "x-base-url",
        "x-upstream",
        "proxy",
        "referer",
        "http-referer",
        "x-callback-url",
        "location",
        "origin",
    ] {
        let client = gateway.client(&string).with_header(header, place);
        assert_eq!(client.chat("acme/fast", "hi").await.status, StatusCode::OK, "{header}");
    }
    assert!(tripwire.received().is_empty(), "{:?}", tripwire.received());
    let sent_to = provider.base_url.trim_start_matches("http://").trim_end_matches("/v1");
    for received in provider.received() {
        assert_eq!(received.headers["host"], sent_to);
    }
}

#[tokio::test]
async fn no_proxy_is_taken_from_the_environment() {
    let (provider, tripwire) = (Provider::start().await, Provider::start().await);
    provider.always(Script::json(200, &completion()));
    let toml = format!(
        "[[providers]]\nslug = \"p\"\ndialect = \"openai\"\nbase_url = \"{}\"\n[[models]]\n\
         id = \"acme/fast\"\ncontext_length = 8000\n[[models.endpoints]]\nprovider = \"p\"\n\
         upstream_model = \"m\"\npricing = {{ prompt = \"0\", completion = \"0\" }}\n",
        provider.base_url
    );
    let mut setup = setup().config(&toml);
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
    {
        setup = setup.variable(name, tripwire.base_url.trim_end_matches("/v1"));
    }
    let gateway = setup.start().await;
    let string = key(&gateway).await;
    assert_eq!(gateway.client(&string).chat("acme/fast", "hi").await.status, StatusCode::OK);
    assert!(tripwire.received().is_empty());
}

/// `localhost.` is a name like any other, and no name leads to this machine unless that is allowed.
#[tokio::test]
async fn a_name_that_leads_to_this_machine_has_to_be_allowed() {
    let provider = Provider::start().await;
    provider.always(Script::json(200, &completion()));
    let (_, port) = provider.base_url.trim_end_matches("/v1").rsplit_once(':').expect("a port");
    let number = format!("http://2130706433:{port}/v1");
    for (more, status) in [("", StatusCode::BAD_GATEWAY), ("allow_private = true", StatusCode::OK)]
    {
        let gateway = gateway(&number, more).await;
        let string = key(&gateway).await;
        let reply = gateway.client(&string).chat("acme/fast", "hi").await;
        assert_eq!(reply.status, status, "{more}: {reply:?}");
    }
    assert_eq!(provider.received().len(), 1);
}

#[tokio::test]
async fn a_provider_that_does_not_begin_in_time_is_given_up() {
    let provider = Provider::start().await;
    let late = vec![(Duration::from_mins(1), String::new())];
    provider.always(Script::Stream { pieces: late, breaks: false });
    let little = "timeouts = { first_byte = \"300ms\" }";
    for (of_provider, of_endpoint) in
        [(little, ""), ("", little), ("timeouts = { idle = 1 }", little)]
    {
        let toml = toml(&provider.base_url, of_provider) + of_endpoint;
        let gateway = setup().config(&toml).start().await;
        let string = key(&gateway).await;
        let reply = gateway.client(&string).chat("acme/fast", "hi").await;
        assert_eq!(reply.status, StatusCode::GATEWAY_TIMEOUT, "{reply:?}");
        reply.error();
    }
}
