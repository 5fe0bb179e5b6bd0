//! A provider that does what a test tells it, and remembers what it was sent.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// What the provider does with one request.
#[derive(Clone, Debug)]
pub enum Script {
    /// Answers at once.
    Answer { status: u16, headers: Vec<(&'static str, String)>, body: String },
    /// Streams these pieces, with a pause before each; then closes, or breaks the connection.
    Stream { pieces: Vec<(Duration, String)>, breaks: bool },
    /// Streams `first` of server-sent events, and `rest` once the gate is open.
    Gated { first: String, gate: Gate, rest: String },
    /// Streams pieces of another kind than server-sent events, then closes.
    Sequence { kind: &'static str, pieces: Vec<(Duration, Bytes)> },
}

impl Script {
    pub fn json(status: u16, body: &Value) -> Self {
        Self::Answer { status, headers: Vec::new(), body: body.to_string() }
    }

    /// Server-sent events, all at once.
    pub fn events(data: &[&str]) -> Self {
        let pieces = data.iter().map(|data| (Duration::ZERO, format!("data: {data}\n\n")));
        Self::Stream { pieces: pieces.collect(), breaks: false }
    }
}

/// Shut until a test opens it, for good.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Semaphore>);

impl Gate {
    pub fn shut() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    pub fn open(&self) {
        self.0.close();
    }

    async fn opened(&self) {
        // It never has a permit: whoever waits is told that it is closed.
        let _ = self.0.acquire().await;
    }
}

/// Says what to do with a request, where that depends on it.
type Decide = Arc<dyn Fn(&Received) -> Script + Send + Sync>;

/// What the provider was sent.
#[derive(Clone, Debug)]
pub struct Received {
    pub path: String,
    pub headers: HeaderMap,
    /// Null where it is no JSON.
    pub body: Value,
    pub bytes: Bytes,
}

/// Listens on a port of its own until it is dropped.
#[derive(Debug)]
pub struct Provider {
    /// `http://127.0.0.1:PORT/v1`
    pub base_url: String,
    state: Arc<Mutex<State>>,
    server: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    decide: Option<Decide>,
    scripts: VecDeque<Script>,
    /// Done when no script is left.
    default: Option<Script>,
    received: Vec<Received>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("received", &self.received.len()).finish_non_exhaustive()
    }
}

type Body = BoxBody<Bytes, std::io::Error>;

impl Provider {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::<Mutex<State>>::default();
        let serving = Arc::clone(&state);
        #[expect(clippy::disallowed_methods, reason = "aborted when the provider is dropped")]
        let server = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let state = Arc::clone(&serving);
                let service = service_fn(move |request| answer(Arc::clone(&state), request));
                #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
                tokio::spawn(async move {
                    let _ =
                        http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        Self { base_url: format!("http://{address}/v1"), state, server }
    }

    /// The next request that is not scripted yet gets this.
    pub fn then(&self, script: Script) -> &Self {
        self.lock().scripts.push_back(script);
        self
    }

    /// Every request beyond the scripted ones gets this.
    pub fn always(&self, script: Script) -> &Self {
        self.lock().default = Some(script);
        self
    }

    /// Every request from now on gets what `decide` says of it, and is not remembered.
    pub fn decides(&self, decide: impl Fn(&Received) -> Script + Send + Sync + 'static) -> &Self {
        self.lock().decide = Some(Arc::new(decide));
        self
    }

    pub fn received(&self) -> Vec<Received> {
        self.lock().received.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(
    state: Arc<Mutex<State>>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let received = Received {
        path: head.uri.path().to_owned(),
        headers: head.headers,
        body: serde_json::from_slice(&body).unwrap_or_default(),
        bytes: body,
    };
    let script = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(decide) = state.decide.clone() {
            drop(state);
            return Ok(perform(decide(&received)));
        }
        state.received.push(received);
        let script = state.scripts.pop_front().or_else(|| state.default.clone());
        script.unwrap_or_else(|| Script::json(500, &serde_json::json!("nothing is scripted")))
    };
    Ok(perform(script))
}

fn perform(script: Script) -> Response<Body> {
    let (response, body) = match script {
        Script::Answer { status, headers, body } => {
            let mut response =
                Response::builder().status(status).header("content-type", "application/json");
            for (name, value) in headers {
                response = response.header(name, value);
            }
            let never = |never: Infallible| match never {};
            (response, Full::new(Bytes::from(body)).map_err(never).boxed())
        }
        Script::Stream { pieces, breaks } => {
            let response = Response::builder().header("content-type", "text/event-stream");
            let pieces = pieces.into_iter().map(|(pause, piece)| (pause, Bytes::from(piece)));
            (response, StreamBody::new(pieces_of(pieces.collect(), breaks)).boxed())
        }
        Script::Gated { first, gate, rest } => {
            let response = Response::builder().header("content-type", "text/event-stream");
            let first = stream::once(async { Ok(Frame::data(Bytes::from(first))) });
            let rest = stream::once(async move {
                gate.opened().await;
                Ok(Frame::data(Bytes::from(rest)))
            });
            (response, StreamBody::new(stream::StreamExt::chain(first, rest)).boxed())
        }
        Script::Sequence { kind, pieces } => {
            let response = Response::builder().header("content-type", kind);
            (response, StreamBody::new(pieces_of(pieces, false)).boxed())
        }
    };
    response.body(body).expect("a response")
}

fn pieces_of(
    pieces: Vec<(Duration, Bytes)>,
    breaks: bool,
) -> impl futures_util::Stream<Item = Result<Frame<Bytes>, std::io::Error>> + Send + Sync {
    stream::unfold(Some(VecDeque::from(pieces)), move |pieces| async move {
        let mut pieces = pieces?;
        match pieces.pop_front() {
            Some((pause, piece)) => {
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
                Some((Ok(Frame::data(piece)), Some(pieces)))
            }
            None if breaks => Some((Err(std::io::Error::other("told to break")), None)),
            None => None,
        }
    })
}
