//! Where a request is sent: a provider over HTTP, or the built-in model.

mod authorize;
mod aws;
mod base;
mod echo;
mod google;
mod http;
mod silence;

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use ::http::StatusCode;
use hashbrown::HashMap;
use keyway_core::catalogue::Patience;
use keyway_core::clock::Clock;
use keyway_core::secret::KeySecret;
use keyway_providers::chat::{Answer, ChatRequest, Chunk, RequestError, StreamEvent};
use keyway_providers::dialect::Target;

use self::echo::EchoStream;
use self::http::{HttpProvider, HttpStream};
use super::catalogue::BUILT_IN_PROVIDER;
use crate::config::{Config, ProviderConfig};
use crate::egress::{Egress, Handed, Place};
use crate::telemetry::traces::Callee;

/// How long the built-in model may take for a whole answer.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(10);

/// What stands in the course for an endpoint that did not fail, but was broken off by the gateway: the
/// number that servers use for a request whose client closed it.
const OUTRUN: u16 = 499;

/// A provider that requests can be sent to.
#[derive(Debug)]
pub struct Upstream {
    /// For people, as answers name it.
    pub name: String,
    /// Whether a stream that is broken off is billed up to there, and no further.
    pub abort_stops_billing: bool,
    /// Whether what it says that an answer costs is charged, where it says so.
    pub trust_provider_cost: bool,
    /// Whether it is told which trace a request belongs to.
    pub pass_traceparent: bool,
    /// As spans name it.
    pub callee: Callee,
    connection: Connection,
}

#[derive(Debug)]
enum Connection {
    Echo,
    Http(Box<HttpProvider>),
}

/// What a provider said.
#[derive(Debug)]
pub(super) enum Reply {
    Whole(Box<Answer>),
    /// It began to answer: the first chunk is there.
    Stream(ChunkStream),
}

/// A streamed answer.
#[derive(Debug)]
pub(super) struct ChunkStream {
    /// What came of it before anybody listened.
    first: Option<Box<Chunk>>,
    rest: Rest,
}

#[derive(Debug)]
enum Rest {
    Echo(Box<EchoStream>),
    Http(Box<HttpStream>),
}

/// A provider's failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// What it answered, where it did.
    pub(super) status: Option<StatusCode>,
    /// For the caller; credentials are masked.
    pub(super) message: String,
    pub(super) retry_after_seconds: Option<u32>,
    /// It did answer, with more than the gateway takes.
    pub(super) too_large: bool,
    /// Nothing was sent: what the request says in a field cannot be said to this provider.
    pub(super) untold: Option<RequestError>,
    /// Nothing was sent: it has as much to do as it is meant to.
    pub(super) crowded: bool,
}

impl Failure {
    fn new(message: impl Into<String>) -> Self {
        Self {
            status: None,
            message: message.into(),
            retry_after_seconds: None,
            too_large: false,
            untold: None,
            crowded: false,
        }
    }

    /// The provider's dialect has no word for what the request says.
    fn untold(error: RequestError) -> Self {
        let message = error.to_string();
        let status = Some(StatusCode::BAD_REQUEST);
        Self { status, untold: Some(error), ..Self::new(message) }
    }

    /// It has as many requests as it is sent at once.
    fn crowded() -> Self {
        Self {
            status: Some(StatusCode::SERVICE_UNAVAILABLE),
            retry_after_seconds: Some(1),
            crowded: true,
            ..Self::new("The provider has as many requests as it is sent at once")
        }
    }

    /// Another endpoint began before it, and it was broken off.
    pub(super) fn outrun() -> Self {
        let status = StatusCode::from_u16(OUTRUN).ok();
        Self { status, ..Self::new("Another provider began before it") }
    }

    /// Whether the request itself is to blame, and not who was asked.
    pub(super) fn is_requests(&self) -> bool {
        self.status.is_some_and(|status| matches!(status.as_u16(), 400 | 413 | 422))
    }
}

fn timed_out() -> Failure {
    Failure {
        status: Some(StatusCode::GATEWAY_TIMEOUT),
        ..Failure::new("The provider did not answer in time")
    }
}

/// Every provider of the configuration, by slug, and the built-in one.
pub fn connect(config: &Config, clock: &Arc<dyn Clock>) -> HashMap<String, Upstream> {
    let egress = Egress::new(config.providers.iter().flat_map(places));
    let configured = config.providers.iter().map(|provider| {
        let connection = Connection::Http(Box::new(HttpProvider::new(
            provider,
            if provider.http2 { egress.with_http2() } else { egress.clone() },
            Arc::clone(clock),
        )));
        let upstream = Upstream {
            name: provider.name.clone(),
            abort_stops_billing: provider.abort_stops_billing,
            trust_provider_cost: provider.trust_provider_cost,
            pass_traceparent: provider.pass_traceparent,
            callee: Callee::new(&provider.slug, provider.dialect, &provider.base_url),
            connection,
        };
        (provider.slug.clone(), upstream)
    });
    let built_in = Upstream {
        name: "Keyway".to_owned(),
        abort_stops_billing: true,
        trust_provider_cost: false,
        pass_traceparent: false,
        callee: Callee::within(BUILT_IN_PROVIDER),
        connection: Connection::Echo,
    };
    configured.chain([(BUILT_IN_PROVIDER.to_owned(), built_in)]).collect()
}

/// Where requests to a provider go: to its own address, and to the server of its tokens.
fn places(provider: &ProviderConfig) -> impl Iterator<Item = Place> {
    let tokens = provider.dialect.is_at_vertex().then(|| http::token_url(provider));
    let urls = [provider.base_url.as_str()].into_iter().chain(tokens);
    urls.map(|url| Place {
        uri: url.parse().expect("the configuration was checked"),
        allow_private: provider.allow_private,
        connect_timeout: provider.timeouts.connect,
    })
}

impl Upstream {
    /// Whether it is told how long an answer may be even where nobody asked for that.
    pub(super) fn always_bounds(&self) -> bool {
        matches!(&self.connection, Connection::Http(provider) if provider.always_bounds())
    }

    /// Sends `request` and answers when there is something to give to the client: the whole answer,
    /// or the first chunk of a stream. `credential` is presented in place of the configured one; what
    /// it is, its dialect reads out of its text. `handed` tells whether a stream was asked for there.
    pub(super) async fn send(
        &self,
        request: &ChatRequest,
        target: &Target<'_>,
        credential: Option<&KeySecret>,
        patience: Patience,
        handed: Option<&Handed>,
    ) -> Result<Reply, Failure> {
        if !request.stream {
            return match &self.connection {
                Connection::Echo => echo::answer(request).await,
                Connection::Http(provider) => {
                    provider.answer(request, target, credential, patience).await
                }
            }
            .map(|answer| Reply::Whole(Box::new(answer)));
        }
        let mut rest = match &self.connection {
            Connection::Echo => Rest::Echo(Box::new(EchoStream::open(request)?)),
            Connection::Http(provider) => {
                let stream = provider.stream(request, target, credential, patience, handed).await?;
                Rest::Http(Box::new(stream))
            }
        };
        match poll_fn(|cx| rest.poll_next(cx)).await? {
            Some(StreamEvent::Chunk(first)) => {
                Ok(Reply::Stream(ChunkStream { first: Some(Box::new(first)), rest }))
            }
            Some(StreamEvent::Error { code, message }) => Err(Failure {
                status: code.and_then(|code| StatusCode::from_u16(code).ok()),
                ..Failure::new(message)
            }),
            Some(StreamEvent::Done) | None => Err(Failure::new("The provider answered nothing")),
        }
    }
}

impl Upstream {
    /// Asks how many tokens the prompt of `request` has, which costs nothing; `None` where the provider
    /// does not tell, or is asked too much already.
    pub(super) async fn count(
        &self,
        request: &ChatRequest,
        target: &Target<'_>,
        credential: Option<&KeySecret>,
        patience: Patience,
    ) -> Option<Result<u64, Failure>> {
        match &self.connection {
            Connection::Echo => None,
            Connection::Http(provider) => {
                provider.count(request, target, credential, patience).await
            }
        }
    }
}

impl ChunkStream {
    /// The next event; `None` when the provider closed the stream.
    pub(super) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<StreamEvent>, Failure>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Ok(Some(StreamEvent::Chunk(*first)))),
            None => self.rest.poll_next(cx),
        }
    }
}

impl Rest {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<StreamEvent>, Failure>> {
        match self {
            Self::Echo(stream) => stream.poll_next(cx),
            Self::Http(stream) => stream.poll_next(cx),
        }
    }
}
