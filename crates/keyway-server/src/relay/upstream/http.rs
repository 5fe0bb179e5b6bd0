//! A provider over HTTP: sends what its dialect says, reads what it says of the answer.

use std::fmt;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Body as _;
use keyway_core::catalogue::Patience;
use keyway_core::clock::Clock;
use keyway_core::secret::KeySecret;
use keyway_providers::chat::{self, Answer, ChatRequest, StreamEvent};
use keyway_providers::dialect::{COUNTED_HEADER, Dialect, Reader, Target};
use tokio::sync::Semaphore;

use super::authorize::Presented;
use super::base::Base;
use super::google::{self, Tokens};
use super::silence::Silence;
use super::{Failure, authorize, timed_out};
use crate::config::{ProviderConfig, Timeouts};
use crate::egress::{Egress, EgressError, Handed, Received};
use crate::http::pieces::Pieces;
use crate::http::turns::{NoTurn, Turn, Turns};

const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
const ERROR_BYTES_MAX: usize = 64 * 1024;
const COUNT_BYTES_MAX: usize = 64 * 1024;
/// An estimate is there at once, so that nobody waits long for better.
const COUNT_TIMEOUT: Duration = Duration::from_secs(5);
/// Counts that are asked for at a time: they are free, and providers limit them.
const COUNTS_MAX: usize = 16;
/// Requests that wait for their turn at one provider.
const WAITING_MAX: usize = 256;

pub(super) struct HttpProvider {
    dialect: Dialect,
    base: Base,
    /// The operator's, for requests that bring no credential of their own.
    api_key: Option<KeySecret>,
    /// What is presented for those, ready; `None` where that differs from time to time, or cannot be said.
    shared: Option<Arc<Presented>>,
    timeouts: Timeouts,
    egress: Egress,
    clock: Arc<dyn Clock>,
    tokens: Tokens,
    /// Turns to ask for a count.
    counts: Semaphore,
    /// Turns to be answered; `None` is for whoever comes.
    turns: Option<Turns>,
}

#[derive(Debug)]
pub(in crate::relay) struct HttpStream {
    body: Received,
    reader: Reader,
    ended: bool,
    silence: Silence,
    /// Its key must not be passed on, whatever the provider repeats.
    presented: Arc<Presented>,
    #[expect(dead_code, reason = "held for its destructor")]
    turn: Option<Turn>,
}

impl fmt::Debug for HttpProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpProvider").field("base", &self.base).finish_non_exhaustive()
    }
}

impl HttpProvider {
    pub(super) fn new(provider: &ProviderConfig, egress: Egress, clock: Arc<dyn Clock>) -> Self {
        let (dialect, api_key) = (provider.dialect, provider.api_key.clone());
        let stands = !api_key.as_ref().is_some_and(|key| google::is_account(dialect, key));
        let shared = stands.then(|| Presented::new(dialect, api_key.clone()).ok()).flatten();
        Self {
            dialect,
            base: Base::of(&provider.base_url),
            api_key,
            shared: shared.map(Arc::new),
            timeouts: provider.timeouts,
            egress,
            clock,
            tokens: Tokens::new(token_url(provider).to_owned()),
            counts: Semaphore::new(COUNTS_MAX),
            turns: provider.requests_max.map(|most| Turns::new(most, WAITING_MAX)),
        }
    }

    pub(super) fn always_bounds(&self) -> bool {
        self.dialect.is_anthropics()
    }

    pub(super) async fn answer(
        &self,
        request: &ChatRequest,
        target: &Target<'_>,
        credential: Option<&KeySecret>,
        patience: Patience,
    ) -> Result<Answer, Failure> {
        let _turn = self.turn().await?;
        let presented = self.presented(credential).await?;
        let answered = pin!(async {
            let response = self.send(request, target, &presented, patience, None).await?;
            let counted = response.headers().get(COUNTED_HEADER);
            let counted = counted.and_then(|value| value.to_str().ok()?.parse().ok());
            Ok((read(response.into_body(), ANSWER_BYTES_MAX).await?, counted))
        });
        let (body, counted) = tokio::time::timeout(self.timeouts.at(patience).first_byte, answered)
            .await
            .map_err(|_| timed_out())??;
        let answer = self.dialect.answer_to(request, target, &body, counted);
        let secret = presented.secret();
        let mut answer = answer.map_err(|error| said(&error.to_string(), secret))?;
        answer.scrub_failures(secret);
        Ok(answer)
    }

    pub(super) async fn stream(
        &self,
        request: &ChatRequest,
        target: &Target<'_>,
        credential: Option<&KeySecret>,
        patience: Patience,
        handed: Option<&Handed>,
    ) -> Result<HttpStream, Failure> {
        let turn = self.turn().await?;
        let presented = self.presented(credential).await?;
        let timeouts = self.timeouts.at(patience);
        let sent = pin!(self.send(request, target, &presented, patience, handed));
        let sent = tokio::time::timeout(timeouts.first_byte, sent).await;
        let response = sent.map_err(|_| timed_out())??;
        if !is_of_type(&response, self.dialect.stream_type()) {
            return Err(Failure::new("The provider answered with something else than a stream"));
        }
        Ok(HttpStream {
            body: response.into_body(),
            reader: self.dialect.reader_for(request),
            ended: false,
            silence: Silence::new(timeouts.idle),
            presented: Arc::clone(&presented),
            turn,
        })
    }

    async fn turn(&self) -> Result<Option<Turn>, Failure> {
        match &self.turns {
            Some(turns) => turns.take().await.map(Some).map_err(|NoTurn| Failure::crowded()),
            None => Ok(None),
        }
    }

    /// Asks how many tokens a prompt has, which costs nothing; `None` where that cannot be asked, or too
    /// much is being asked already.
    pub(super) async fn count(
        &self,
        request: &ChatRequest,
        target: &Target<'_>,
        credential: Option<&KeySecret>,
        patience: Patience,
    ) -> Option<Result<u64, Failure>> {
        let (path, body) = self.dialect.count(request, target)?;
        let _turn = self.counts.try_acquire().ok()?;
        let counted = async {
            let presented = self.presented(credential).await?;
            let call = self.post(&path, body.into(), request, &presented)?;
            let response = self.exchange(call, &presented, patience, None).await?;
            let body = read(response.into_body(), COUNT_BYTES_MAX).await?;
            let counted = Dialect::counted(&body);
            counted.ok_or_else(|| Failure::new("The provider's count cannot be read"))
        };
        let counted = tokio::time::timeout(COUNT_TIMEOUT, counted).await;
        Some(counted.unwrap_or_else(|_| Err(timed_out())))
    }

    /// What is presented: a token in place of a service account.
    async fn presented(&self, credential: Option<&KeySecret>) -> Result<Arc<Presented>, Failure> {
        if let (None, Some(shared)) = (credential, &self.shared) {
            return Ok(Arc::clone(shared));
        }
        let key = match credential.or(self.api_key.as_ref()) {
            Some(key) if google::is_account(self.dialect, key) => {
                // Once an hour, and larger than what it is asked for.
                Some(Box::pin(self.tokens.token(key, &self.egress, self.clock.now())).await?)
            }
            key => key.cloned(),
        };
        Presented::new(self.dialect, key).map(Arc::new)
    }

    async fn send(
        &self,
        request: &ChatRequest,
        target: &Target<'_>,
        presented: &Presented,
        patience: Patience,
        handed: Option<&Handed>,
    ) -> Result<Response<Received>, Failure> {
        let body = self.dialect.body(request, target).map_err(Failure::untold)?;
        let path = self.dialect.path(request, target);
        let call = self.post(&path, body.into(), request, presented)?;
        self.exchange(call, presented, patience, handed).await
    }

    async fn exchange(
        &self,
        call: Request<Full<Bytes>>,
        presented: &Presented,
        patience: Patience,
        handed: Option<&Handed>,
    ) -> Result<Response<Received>, Failure> {
        let response = self.egress.send_within(call, patience.connect, handed).await;
        let response = response.map_err(|error| match error {
            EgressError::Connect(_) | EgressError::Late => {
                Failure::new("The provider cannot be reached")
            }
            EgressError::Broken(_) => Failure::new("The provider broke the connection"),
        })?;
        // Nothing encoded is asked for, so that no answer bursts where it is decoded.
        if is_encoded(response.headers()) {
            return Err(Failure::new(
                "The provider's answer is compressed, which was not asked for",
            ));
        }
        if response.status().is_success() {
            Ok(response)
        } else {
            let idle = self.timeouts.at(patience).idle;
            Err(Box::pin(failure(response, presented.secret(), idle)).await)
        }
    }

    /// A call of `path` under the provider's address, with everything that it wants of one.
    fn post(
        &self,
        path: &str,
        body: Bytes,
        request: &ChatRequest,
        presented: &Presented,
    ) -> Result<Request<Full<Bytes>>, Failure> {
        let (uri, now) = (self.base.with(path)?, || self.clock.now());
        let mut call = presented.call(uri, body, self.dialect, now)?;
        let more = [authorize::betas(self.dialect, request), authorize::traceparent(request)];
        for (name, value) in more.into_iter().flatten() {
            call.headers_mut().insert(name, value);
        }
        Ok(call)
    }
}

/// Where the provider's access tokens are had, if it wants any.
pub(super) fn token_url(provider: &ProviderConfig) -> &str {
    provider.token_url.as_deref().unwrap_or(google::TOKEN_URL)
}

async fn failure(
    response: Response<Received>,
    secret: Option<&str>,
    patience: Duration,
) -> Failure {
    let status = response.status();
    let retry_after = response.headers().get(header::RETRY_AFTER);
    let retry_after_seconds = retry_after.and_then(|value| value.to_str().ok()?.parse().ok());
    let body = tokio::time::timeout(patience, read(response.into_body(), ERROR_BYTES_MAX));
    let body = body.await.ok().and_then(Result::ok).unwrap_or_default();
    let message = chat::error_message(&body, secret);
    Failure {
        status: Some(status),
        retry_after_seconds,
        ..Failure::new(message.unwrap_or_else(|| format!("The provider answered {status}")))
    }
}

fn is_of_type(response: &Response<Received>, expected: &str) -> bool {
    let content_type = response.headers().get(header::CONTENT_TYPE);
    content_type.is_some_and(|it| it.as_bytes().starts_with(expected.as_bytes()))
}

fn is_encoded(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    encodings.any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

impl HttpStream {
    pub(super) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<StreamEvent>, Failure>> {
        loop {
            match self.read() {
                Ok(None) if !self.ended => {}
                read => return Poll::Ready(read),
            }
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
                return self.silence.poll(cx).map(|()| Err(timed_out()));
            };
            self.silence.broken();
            match frame {
                Some(Ok(frame)) => {
                    if let Some(bytes) = frame.data_ref() {
                        self.reader.feed(bytes);
                    }
                }
                Some(Err(_)) => {
                    return Poll::Ready(Err(Failure::new("The provider broke the connection")));
                }
                None => self.ended = true,
            }
        }
    }

    /// The next event of what has come.
    fn read(&mut self) -> Result<Option<StreamEvent>, Failure> {
        let secret = self.presented.secret();
        match self.reader.next() {
            Ok(Some(StreamEvent::Error { code, message })) => {
                let message = said(&message, secret).message;
                Ok(Some(StreamEvent::Error { code, message }))
            }
            Ok(event) => Ok(event),
            Err(error) => Err(said(&error.to_string(), secret)),
        }
    }
}

async fn read(body: Received, bytes_max: usize) -> Result<Bytes, Failure> {
    let (mut body, mut pieces) = (Limited::new(body, bytes_max), Pieces::default());
    while !body.is_end_stream() {
        match body.frame().await {
            Some(Ok(frame)) => frame.into_data().into_iter().for_each(|data| pieces.push(data)),
            Some(Err(error)) if error.is::<LengthLimitError>() => {
                let message = format!("The provider's answer is larger than {bytes_max} bytes");
                return Err(Failure { too_large: true, ..Failure::new(message) });
            }
            Some(Err(_)) => return Err(Failure::new("The provider's answer broke off")),
            None => break,
        }
    }
    Ok(pieces.whole())
}

/// A failure in the provider's own words.
fn said(words: &str, secret: Option<&str>) -> Failure {
    Failure::new(chat::scrub(words, secret).into_owned())
}
