//! A provider that speaks OpenAI's API, over HTTP.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use keyway_core::catalogue::Endpoint;
use keyway_core::secret::KeySecret;
use keyway_providers::chat::{self, Answer, ChatRequest, StreamEvent};
use keyway_providers::openai;
use keyway_providers::sse::Decoder;
use zeroize::Zeroizing;

use super::{ANSWER_TIMEOUT, Failure, timed_out};
use crate::config::ProviderConfig;
use crate::egress::{Egress, EgressError};

/// How long a stream may stay silent.
const IDLE_TIMEOUT: Duration = Duration::from_mins(2);
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
const ERROR_BYTES_MAX: usize = 64 * 1024;
const EVENT_BYTES_MAX: usize = 4 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct OpenAi {
    url: String,
    /// The operator's, for requests that bring no credential of their own.
    api_key: Option<KeySecret>,
    egress: Egress,
}

#[derive(Debug)]
pub(in crate::relay) struct OpenAiStream {
    body: Incoming,
    decoder: Decoder,
    ended: bool,
    /// What must not be passed on, whatever the provider repeats.
    api_key: Option<KeySecret>,
}

impl OpenAi {
    pub(super) fn new(provider: &ProviderConfig, egress: Egress) -> Self {
        Self {
            url: format!("{}/chat/completions", provider.base_url),
            api_key: provider.api_key.clone(),
            egress,
        }
    }

    pub(super) async fn answer(
        &self,
        request: &ChatRequest,
        endpoint: &Endpoint,
        credential: Option<&KeySecret>,
    ) -> Result<Answer, Failure> {
        let key = credential.or(self.api_key.as_ref());
        let answered = async {
            let response = self.send(request, endpoint, key).await?;
            read(response.into_body(), ANSWER_BYTES_MAX).await
        };
        let body =
            tokio::time::timeout(ANSWER_TIMEOUT, answered).await.map_err(|_| timed_out())??;
        Answer::parse(&body).map_err(|error| said(&error.to_string(), key))
    }

    pub(super) async fn stream(
        &self,
        request: &ChatRequest,
        endpoint: &Endpoint,
        credential: Option<&KeySecret>,
    ) -> Result<OpenAiStream, Failure> {
        let key = credential.or(self.api_key.as_ref());
        let sent = tokio::time::timeout(ANSWER_TIMEOUT, self.send(request, endpoint, key)).await;
        let response = sent.map_err(|_| timed_out())??;
        let content_type = response.headers().get(header::CONTENT_TYPE);
        let streams =
            content_type.is_some_and(|it| it.as_bytes().starts_with(b"text/event-stream"));
        if !streams {
            return Err(Failure::new("The provider answered with something else than a stream"));
        }
        let decoder = Decoder::new(EVENT_BYTES_MAX);
        let api_key = key.cloned();
        Ok(OpenAiStream { body: response.into_body(), decoder, ended: false, api_key })
    }

    async fn send(
        &self,
        request: &ChatRequest,
        endpoint: &Endpoint,
        key: Option<&KeySecret>,
    ) -> Result<Response<Incoming>, Failure> {
        let body = openai::request_body(request, &endpoint.upstream_model);
        let mut call = Request::post(&self.url)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json, text/event-stream");
        if let Some(key) = key {
            call = call.header(header::AUTHORIZATION, bearer(key)?);
        }
        let call = call
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| Failure::new(format!("The request could not be built: {error}")))?;
        let response = self.egress.send(call).await.map_err(|error| match error {
            EgressError::Connect(_) => Failure::new("The provider cannot be reached"),
            EgressError::Broken(_) => Failure::new("The provider broke the connection"),
        })?;
        if response.status().is_success() {
            Ok(response)
        } else {
            Err(failure(response, key).await)
        }
    }
}

async fn failure(response: Response<Incoming>, key: Option<&KeySecret>) -> Failure {
    let status = response.status();
    let retry_after = response.headers().get(header::RETRY_AFTER);
    let retry_after_seconds = retry_after.and_then(|value| value.to_str().ok()?.parse().ok());
    let body = tokio::time::timeout(IDLE_TIMEOUT, read(response.into_body(), ERROR_BYTES_MAX));
    let body = body.await.ok().and_then(Result::ok).unwrap_or_default();
    let secret = key.map(KeySecret::expose);
    let message = chat::error_message(&body, secret);
    Failure {
        status: Some(status),
        message: message.unwrap_or_else(|| format!("The provider answered {status}")),
        retry_after_seconds,
    }
}

/// What presents `key`. One that came with a request may be no header's value.
fn bearer(key: &KeySecret) -> Result<HeaderValue, Failure> {
    let text = Zeroizing::new(format!("Bearer {}", key.expose()));
    let mut value = HeaderValue::from_str(&text)
        .map_err(|_| Failure::new("The provider's key has characters that no header takes"))?;
    value.set_sensitive(true);
    Ok(value)
}

impl OpenAiStream {
    pub(super) async fn next(&mut self) -> Result<Option<StreamEvent>, Failure> {
        loop {
            let event = self.decoder.next().map_err(|error| Failure::new(error.to_string()))?;
            if let Some(event) = event {
                let secret = self.api_key.as_ref();
                return match chat::stream_event(&event.data) {
                    Ok(StreamEvent::Error { code, message }) => {
                        let message = said(&message, secret).message;
                        Ok(Some(StreamEvent::Error { code, message }))
                    }
                    Ok(event) => Ok(Some(event)),
                    Err(error) => Err(said(&error.to_string(), secret)),
                };
            }
            if self.ended {
                return Ok(None);
            }
            let frame = tokio::time::timeout(IDLE_TIMEOUT, self.body.frame()).await;
            match frame.map_err(|_| timed_out())? {
                Some(Ok(frame)) => {
                    if let Some(bytes) = frame.data_ref() {
                        self.decoder.feed(bytes);
                    }
                }
                Some(Err(_)) => return Err(Failure::new("The provider broke the connection")),
                None => self.ended = true,
            }
        }
    }
}

async fn read(body: Incoming, bytes_max: usize) -> Result<Bytes, Failure> {
    let collected = Limited::new(body, bytes_max).collect().await;
    collected
        .map(http_body_util::Collected::to_bytes)
        .map_err(|_| Failure::new("The provider's answer broke off or was too large"))
}

/// A failure in the provider's own words.
fn said(words: &str, api_key: Option<&KeySecret>) -> Failure {
    Failure::new(chat::scrub(words, api_key.map(KeySecret::expose)))
}
