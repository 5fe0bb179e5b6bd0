//! A provider for load: it bills what a request says, and remembers what it managed to send.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::{Random, Ticket};

/// Connections that wait to be accepted: thousands of requests come at once.
const BACKLOG: u32 = 4_096;
/// The text of each token. Whoever counts by bytes finds at least as many tokens as there are.
pub(crate) const TOKEN: &str = "word";

/// How an [`Upstream`] answers.
#[derive(Clone, Debug)]
pub struct Pace {
    /// Before the first byte, drawn for each request.
    pub first_least: Duration,
    pub first_most: Duration,
    /// Before each further piece of a stream.
    pub each: Duration,
    /// Tokens in a piece of a stream.
    pub tokens_a_piece: u64,
    pub seed: u64,
}

impl Default for Pace {
    fn default() -> Self {
        let zero = Duration::ZERO;
        Self { first_least: zero, first_most: zero, each: zero, tokens_a_piece: 1, seed: 1 }
    }
}

/// One request that reached the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispatch {
    /// What the client wrote on it.
    pub ticket: Ticket,
    pub streamed: bool,
    /// What it is billed, whoever hears the answer.
    pub tokens_billed: u64,
    /// Tokens and bytes of the answer that were handed to the network.
    pub tokens_sent: u64,
    pub bytes_sent: u64,
    /// Whether the last of it was, too.
    pub finished: bool,
}

impl Dispatch {
    /// Whether the gateway left before the end, or died.
    pub const fn aborted(&self) -> bool {
        !self.finished
    }
}

/// Listens on a port of its own until it is dropped.
#[derive(Debug)]
pub struct Upstream {
    /// `http://127.0.0.1:PORT/v1`
    pub base_url: String,
    log: Log,
    server: JoinHandle<()>,
}

type Log = Arc<Mutex<Vec<Dispatch>>>;
type Body = BoxBody<Bytes, Infallible>;

impl Upstream {
    /// Has to be called on a runtime.
    ///
    /// # Panics
    /// Where no port is free.
    pub fn start(pace: Pace) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        socket.bind(any).expect("a port");
        let listener = socket.listen(BACKLOG).expect("it listens");
        let address = listener.local_addr().expect("an address");
        let log = Log::default();
        let serving = Arc::clone(&log);
        #[expect(clippy::disallowed_methods, reason = "aborted when the provider is dropped")]
        let server = tokio::spawn(serve(listener, serving, pace));
        Self { base_url: format!("http://{address}/v1"), log, server }
    }

    /// The configuration of a gateway before this provider: one model, `MODEL`, each of whose
    /// completion tokens costs `nanos_per_token`, and whose prompts are free.
    pub fn config(&self, nanos_per_token: i64) -> String {
        let rate = keyway_core::money::Nanos::new(nanos_per_token);
        format!(
            "[[providers]]\nslug = \"load\"\ndialect = \"openai\"\nbase_url = \"{}\"\n\n\
             [[models]]\nid = \"{}\"\ncontext_length = 1000000\n\n\
             [[models.endpoints]]\nprovider = \"load\"\nupstream_model = \"load\"\n\
             pricing = {{ prompt = \"0\", completion = \"{rate}\" }}\n",
            self.base_url,
            Self::MODEL
        )
    }

    /// The model that [`Upstream::config`] names.
    pub const MODEL: &'static str = "torture/load";

    /// Every request so far, in the order of arrival.
    pub fn log(&self) -> Vec<Dispatch> {
        lock(&self.log).clone()
    }

    /// How many requests it has seen.
    pub fn count(&self) -> usize {
        lock(&self.log).len()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn lock(log: &Log) -> MutexGuard<'_, Vec<Dispatch>> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: TcpListener, log: Log, pace: Pace) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((socket, _)) = listener.accept() => {
                // Small pieces go out as they come.
                let _ = socket.set_nodelay(true);
                connections.spawn(connection(socket, Arc::clone(&log), pace.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(socket: TcpStream, log: Log, pace: Pace) {
    let service = service_fn(move |request| answer(Arc::clone(&log), pace.clone(), request));
    let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
}

async fn answer(
    log: Log,
    pace: Pace,
    request: Request<Incoming>,
) -> Result<Response<Body>, hyper::Error> {
    // A request that did not arrive whole was never one.
    let body = request.into_body().collect().await?.to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = body["messages"][0]["content"].as_str().unwrap_or_default();
    let Some(ticket) = Ticket::read(text) else {
        return Ok(refuse("the prompt is no ticket"));
    };
    let streamed = body["stream"].as_bool().unwrap_or(false);
    let asked = ticket.tokens.min(body["max_tokens"].as_u64().unwrap_or(u64::MAX));
    let entry = Entry::new(log, ticket, streamed, asked);
    let mut random = Random::new(pace.seed).fork(entry.index as u64);
    let first = random.duration(pace.first_least, pace.first_most);
    if !first.is_zero() {
        tokio::time::sleep(first).await;
    }
    let pieces = if streamed { pieces(asked, &pace) } else { vec![whole(asked)] };
    let kind = if streamed { "text/event-stream" } else { "application/json" };
    let body = StreamBody::new(sending(entry, pieces, pace.each)).boxed();
    Ok(Response::builder().header("content-type", kind).body(body).expect("a response"))
}

fn refuse(why: &str) -> Response<Body> {
    let body = http_body_util::Full::new(Bytes::from(json!({"error": why}).to_string())).boxed();
    Response::builder().status(400).body(body).expect("a response")
}

/// A line of the log while its answer is being sent.
struct Entry {
    log: Log,
    index: usize,
}

impl Entry {
    fn new(log: Log, ticket: Ticket, streamed: bool, tokens_billed: u64) -> Self {
        let dispatch = Dispatch {
            ticket,
            streamed,
            tokens_billed,
            tokens_sent: 0,
            bytes_sent: 0,
            finished: false,
        };
        let index = {
            let mut entries = lock(&log);
            entries.push(dispatch);
            entries.len() - 1
        };
        Self { log, index }
    }

    fn sent(&self, piece: &Piece) {
        let mut entries = lock(&self.log);
        let entry = &mut entries[self.index];
        entry.tokens_sent += piece.tokens;
        entry.bytes_sent += piece.text.len() as u64;
        entry.finished = piece.last;
    }
}

struct Piece {
    text: String,
    tokens: u64,
    last: bool,
}

/// The pieces as the network asks for them; what it never asked for was never sent.
fn sending(
    entry: Entry,
    pieces: Vec<Piece>,
    each: Duration,
) -> impl futures_util::Stream<Item = Result<Frame<Bytes>, Infallible>> + Send + Sync {
    let pieces = pieces.into_iter().enumerate();
    stream::unfold((entry, pieces), move |(entry, mut pieces)| async move {
        let (number, piece) = pieces.next()?;
        if number > 0 && piece.tokens > 0 && !each.is_zero() {
            tokio::time::sleep(each).await;
        }
        entry.sent(&piece);
        Some((Ok(Frame::data(Bytes::from(piece.text))), (entry, pieces)))
    })
}

fn usage(tokens: u64) -> Value {
    json!({"prompt_tokens": 1, "completion_tokens": tokens, "total_tokens": tokens + 1})
}

fn words(tokens: u64) -> String {
    TOKEN.repeat(usize::try_from(tokens).expect("a few tokens"))
}

fn whole(tokens: u64) -> Piece {
    let message = json!({"role": "assistant", "content": words(tokens)});
    let body = json!({
        "id": "load", "object": "chat.completion", "created": 1, "model": "load",
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": usage(tokens),
    });
    Piece { text: body.to_string(), tokens, last: true }
}

fn pieces(tokens: u64, pace: &Pace) -> Vec<Piece> {
    let chunk = |choices: Value, usage: Value| {
        let body = json!({
            "id": "load", "object": "chat.completion.chunk", "created": 1, "model": "load",
            "choices": choices, "usage": usage,
        });
        format!("data: {body}\n\n")
    };
    let each = pace.tokens_a_piece.max(1);
    let mut pieces: Vec<Piece> = (0..tokens.div_ceil(each))
        .map(|number| {
            let tokens = each.min(tokens - number * each);
            let delta =
                json!([{"index": 0, "delta": {"content": words(tokens)}, "finish_reason": null}]);
            Piece { text: chunk(delta, Value::Null), tokens, last: false }
        })
        .collect();
    let finish = json!([{"index": 0, "delta": {}, "finish_reason": "stop"}]);
    let text = chunk(finish, Value::Null) + &chunk(json!([]), usage(tokens)) + "data: [DONE]\n\n";
    pieces.push(Piece { text, tokens: 0, last: true });
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Ask, Client, Crowd, Outcome, Why};

    async fn ask(upstream: &Upstream, ticket: Ticket, stream: bool) -> Value {
        let client = Client::new(upstream.base_url.trim_end_matches("/v1"), None);
        let body = json!({
            "model": "load", "stream": stream, "max_tokens": 4,
            "messages": [{"role": "user", "content": ticket.to_string()}],
        });
        let opened =
            client.open(http::Method::POST, "/v1/chat/completions", body.to_string()).await;
        let opened = opened.expect("an answer");
        if stream {
            json!(opened.rest().await)
        } else {
            opened.into_reply().await.expect("all").json()
        }
    }

    #[tokio::test]
    async fn it_bills_what_the_request_says_and_writes_it_down() {
        let upstream = Upstream::start(Pace::default());
        let ticket = |number, tokens| Ticket { number, attempt: 0, tokens };
        let plain = ask(&upstream, ticket(1, 3), false).await;
        assert_eq!(plain["usage"]["completion_tokens"], 3);
        assert_eq!(plain["choices"][0]["message"]["content"], "wordwordword");
        let events = ask(&upstream, ticket(2, 5), true).await;
        // No more than max_tokens: four pieces, an end, a count and the last word.
        assert_eq!(events.as_array().expect("events").len(), 7, "{events}");
        let log = upstream.log();
        let seen: Vec<_> = log
            .iter()
            .map(|it| (it.ticket.number, it.tokens_billed, it.tokens_sent, it.finished))
            .collect();
        assert_eq!(seen, [(1, 3, 3, true), (2, 4, 4, true)]);
    }

    /// A crowd knows no difference between a gateway and a provider, but for the cost.
    #[tokio::test]
    async fn thousands_at_once_are_written_down_by_both_ends() {
        let each = std::time::Duration::from_millis(1);
        let upstream = Upstream::start(Pace { each, ..Pace::default() });
        let url = upstream.base_url.trim_end_matches("/v1").to_owned();
        let crowd = Crowd::new(&[url], "key").requests(2_000, 2_000).asking(7, |random, number| {
            let tokens = random.between(2, 9);
            let streamed = number.is_multiple_of(2);
            let abort_after = random.once_in(4).then_some(1);
            Ask { tokens, tokens_max: tokens, streamed, abort_after }
        });
        let told = crowd.run().await;
        assert_eq!((told.attempts.len(), upstream.count()), (2_000, 2_000), "{told}");
        let delivered: std::collections::HashMap<Ticket, (u64, bool)> = told
            .attempts
            .iter()
            .map(|attempt| match attempt.outcome {
                Outcome::Partial { delivered, why: Why::NoUsage } => {
                    (attempt.ticket, (delivered, false))
                }
                Outcome::Partial { delivered, why: Why::Left } => {
                    (attempt.ticket, (delivered, true))
                }
                _ => panic!("{attempt:?}"),
            })
            .collect();
        let left = delivered.values().filter(|(_, left)| *left).count();
        assert!((150..350).contains(&left), "a quarter of the streams is left: {left}");
        for dispatch in upstream.log() {
            let (delivered, left) = delivered[&dispatch.ticket];
            assert!(delivered <= dispatch.tokens_sent, "{dispatch:?}");
            assert!(left || delivered == dispatch.tokens_billed, "{dispatch:?}");
        }
    }
}
