//! `POST /api/v1/chat/completions`

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::stream;
use http::{HeaderValue, header};
use keyway_core::catalogue::Model;
use keyway_core::error::{Error, ErrorKind};
use keyway_core::id::GenerationId;
use keyway_core::key::KeyRecord;
use keyway_core::ledger::{Ending, Metered};
use keyway_providers::chat::{ChatRequest, RequestError};
use keyway_providers::openai::{Answer, Chunk, Envelope};
use tokio::sync::{mpsc, oneshot};

use super::bound::{self, Bound};
use super::dispatch::{Dispatched, dispatch};
use super::exchange::{Ended, Exchange};
use super::meter::{Late, ReserveError};
use super::pump::Pump;
use super::refusal::refusal;
use super::upstream::{ChunkStream, Reply};
use crate::app::App;
use crate::entropy::random;
use crate::http::body;
use crate::http::caller::{InferenceCaller, refused_key};
use crate::http::error::ApiError;

/// Events that may wait for the client to read them.
const CLIENT_EVENTS_MAX: usize = 32;
const GENERATION_ID: &str = "x-generation-id";

/// Answers with a model's completion of `messages`, whole or as a stream of events.
#[utoipa::path(
    post,
    path = "/chat/completions",
    operation_id = "sendChatCompletionRequest",
    tag = "Chat",
    request_body(
        content = serde_json::Value,
        description = "OpenAI's chat completion request. Unknown fields are passed on."
    ),
    responses(
        (status = 200, description = "The completion; with `stream` as server-sent events"),
        (status = 400, description = "The request is malformed, or names no model of this gateway"),
        (status = 401, description = "No valid key"),
        (status = 402, description = "The key cannot afford what the request may cost"),
        (status = 403, description = "Nothing is left under the key's limit, or it is a management key"),
        (status = 408, description = "The body took too long to arrive"),
        (status = 413, description = "The body is too large"),
        (status = 429, description = "The provider asks to wait"),
        (status = 502, description = "The provider failed"),
        (status = 503, description = "The store cannot be written, or the provider is overloaded"),
    ),
    security(("inference_key" = []))
)]
pub async fn chat_completion(
    State(app): State<Arc<App>>,
    InferenceCaller(key): InferenceCaller,
    request: Request,
) -> Result<Response, ApiError> {
    let bytes = body::read(request, body::INFERENCE_BYTES_MAX).await?;
    let request = ChatRequest::parse(body::parse(&bytes)?).map_err(invalid)?;
    let model = app.catalogue.model(&request.model).cloned().ok_or_else(|| {
        let message = format!("{} is not a valid model ID", request.model);
        ApiError::from(Error::new(ErrorKind::Invalid, message))
    })?;
    let bound = bound::bound(&request, &model).map_err(invalid)?;
    let id = GenerationId::new(app.clock.now(), random());
    let job = Job { app: Arc::clone(&app), key, request, model, bound, id };
    let (answer, answered) = oneshot::channel();
    app.tasks.spawn(job.run(answer));
    let broken = || Error::internal("a relay task ended without an answer").into();
    answered.await.unwrap_or_else(|_| Err(broken()))
}

type Reception = oneshot::Sender<Result<Response, ApiError>>;

/// One request, in a task of its own: the client's disappearance cannot cancel its settlement.
struct Job {
    app: Arc<App>,
    key: Arc<KeyRecord>,
    request: ChatRequest,
    model: Arc<Model>,
    bound: Bound,
    id: GenerationId,
}

impl Job {
    async fn run(self, client: Reception) {
        let (app, id) = (Arc::clone(&self.app), self.id);
        if AssertUnwindSafe(self.relay(client)).catch_unwind().await.is_err() {
            tracing::error!(%id, "a relay task panicked");
            app.meter.void(id);
        }
    }

    async fn relay(self, client: Reception) {
        let metered = match self.admit().await {
            Ok(metered) => metered,
            Err(error) => return answer(client, Err(error)),
        };
        if client.is_closed() {
            // It left while it waited for its turn: nothing was sent, nothing is owed.
            return self.app.meter.void(self.id);
        }
        let dispatched = dispatch(&self.app, &self.model, &self.request).await;
        let Dispatched { endpoint, upstream, reply } = match dispatched {
            Ok(dispatched) => dispatched,
            Err(error) => {
                self.app.meter.void(self.id);
                return answer(client, Err(error));
            }
        };
        let exchange = Exchange {
            app: Arc::clone(&self.app),
            metered: Arc::new(Metered { provider: endpoint.provider.clone(), ..metered }),
            envelope: Envelope {
                id: self.id.to_string(),
                model: self.model.id.clone(),
                provider: upstream.name.clone(),
                created: self.app.clock.now().as_seconds(),
            },
            bound: self.bound,
            pricing: endpoint.pricing,
            prompt_bytes: self.request.prompt_text_bytes(),
        };
        match reply {
            Reply::Whole(whole) => answer(client, give_whole(&exchange, whole).await),
            Reply::Stream(first, rest) => give_stream(&exchange, first, rest, client).await,
        }
    }

    /// Reserves the bound on the key's account.
    async fn admit(&self) -> Result<Metered, ApiError> {
        let (app, key) = (&self.app, &self.key);
        let admitted_at = app.clock.now();
        let reserved = app.meter.reserve(self.id, &app.keyring, key, self.bound.cost).await;
        let windows = reserved.map_err(|error| match error {
            ReserveError::Refused(it) => refusal(&it, &self.bound, key, &app.public_url),
            ReserveError::Key(error) => refused_key(error),
            ReserveError::Store(error) => error.into(),
        })?;
        Ok(Metered {
            id: self.id,
            key: key.id,
            accounts: vec![key.account],
            windows,
            model: self.model.id.clone(),
            provider: String::new(),
            streamed: self.request.stream,
            admitted_at,
        })
    }
}

/// The whole body waits for the charge.
async fn give_whole(exchange: &Exchange, whole: Answer) -> Result<Response, ApiError> {
    let ended = Ended {
        ending: Ending::Completed,
        usage: whole.usage(),
        output_bytes: whole.output_bytes(),
        free: whole.is_uncharged(),
    };
    let receipt = exchange.settle(ended, Late::Waive).await?;
    let body = whole.render(&exchange.envelope, &receipt);
    let mut response = Body::from(body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(GENERATION_ID, generation_id(exchange));
    Ok(response)
}

/// The first byte waits for the mark, the last for the charge.
async fn give_stream(exchange: &Exchange, first: Chunk, rest: ChunkStream, client: Reception) {
    let (events, body) = mpsc::channel::<Bytes>(CLIENT_EVENTS_MAX);
    let mut pump = Pump::new(exchange, events);
    if let Err(error) = pump.open().await {
        answer(client, Err(error.into()));
        // The mark may not have been written, but that it was not is for the store to say.
        let free = Ended { ending: Ending::Stopped, usage: None, output_bytes: 0, free: true };
        if let Err(error) = exchange.settle(free, Late::Waive).await {
            tracing::debug!(%error, "a request that was not answered is settled later");
        }
        return;
    }
    answer(client, Ok(stream_response(exchange, body)));
    pump.run(first, rest).await;
}

fn stream_response(exchange: &Exchange, events: mpsc::Receiver<Bytes>) -> Response {
    let events = stream::unfold(events, |mut events| async {
        let event = events.recv().await?;
        Some((Ok::<_, std::convert::Infallible>(event), events))
    });
    let mut response = Body::from_stream(events).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(GENERATION_ID, generation_id(exchange));
    response
}

fn generation_id(exchange: &Exchange) -> HeaderValue {
    HeaderValue::from_str(&exchange.envelope.id).expect("an id is visible ASCII")
}

/// A client that is gone does not hear it; what is owed is settled all the same.
fn answer(client: Reception, response: Result<Response, ApiError>) {
    let _ = client.send(response);
}

fn invalid(error: RequestError) -> ApiError {
    Error::invalid(&error.field, error.message).into()
}
