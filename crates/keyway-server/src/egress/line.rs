//! One connection of HTTP/1.1. It has no task: whoever uses it moves it, so that a request and its answer
//! wake nobody in between, and whoever gives up closes it by dropping it.

use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http1::{Connection, SendRequest, handshake};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::Handed;
use super::stream::Stream;
use crate::bell::{self, Bell};

pub(super) struct Line(Box<Ends>);

struct Ends {
    asking: SendRequest<Full<Bytes>>,
    /// `None` once it is over.
    connection: Option<Connection<Stream, Full<Bytes>>>,
    bell: Bell,
}

/// Why a request got no answer.
pub(super) enum Unanswered {
    /// The connection was over before it took the request, which is unharmed.
    Untaken(Box<Request<Full<Bytes>>>, hyper::Error),
    Broken(hyper::Error),
}

impl Line {
    pub(super) async fn over(stream: MaybeHttpsStream<TokioIo<TcpStream>>) -> hyper::Result<Self> {
        let (asking, connection) = handshake(Stream::from(stream)).await?;
        Ok(Self(Box::new(Ends { asking, connection: Some(connection), bell: Bell::default() })))
    }

    /// Sends a request, and waits for the head of its answer. `handed` is told once the connection took it.
    pub(super) async fn ask(
        &mut self,
        request: Request<Full<Bytes>>,
        handed: Option<&Handed>,
    ) -> Result<Response<Incoming>, Unanswered> {
        let mut answer = pin!(self.0.asking.try_send_request(request));
        poll_fn(|cx| {
            self.0.advance(Some(cx));
            let answered = answer.as_mut().poll(&mut unwoken()).map_err(|mut error| {
                match error.take_message() {
                    Some(request) => Unanswered::Untaken(Box::new(request), error.into_error()),
                    None => Unanswered::Broken(error.into_error()),
                }
            });
            if !matches!(answered, Poll::Ready(Err(Unanswered::Untaken(..)))) {
                handed.into_iter().for_each(Handed::set);
            }
            answered
        })
        .await
    }

    /// The next piece of `body`, which is what this connection answered last.
    pub(super) fn poll_body(
        &mut self,
        body: &mut Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let ends = &mut *self.0;
        // What was read already; and that more is wanted, which the connection has to know first.
        let (read, _) = bell::off(|| Pin::new(&mut *body).poll_frame(&mut unwoken()));
        if read.is_ready() {
            return read;
        }
        ends.advance(Some(cx));
        let (read, missed) = bell::off(|| Pin::new(body).poll_frame(&mut unwoken()));
        if missed && read.is_pending() {
            cx.waker().wake_by_ref();
        }
        read
    }

    /// Whether the next request may be sent: all of the last answer was read, or nobody reads the rest, and
    /// that is here.
    pub(super) fn is_free(&mut self) -> bool {
        let ends = &mut *self.0;
        if ends.asking.is_ready() {
            ends.bell.forget();
        } else {
            ends.advance(None);
        }
        ends.connection.is_some() && ends.asking.is_ready()
    }

    /// Whether the other end has not closed it, and says nothing unasked.
    pub(super) fn is_open(&mut self) -> bool {
        self.0.advance(None);
        self.0.connection.is_some()
    }
}

impl Ends {
    /// Writes and reads what can be, for the task of `cx` or for nobody.
    fn advance(&mut self, cx: Option<&Context<'_>>) {
        let mut cx = match cx {
            Some(cx) => self.bell.for_user(cx),
            None => self.bell.for_nobody(),
        };
        let connection = &mut self.connection;
        if connection.as_mut().is_some_and(|it| Pin::new(it).poll(&mut cx).is_ready()) {
            // With it goes what was not sent, and whoever waits for an answer hears of that.
            *connection = None;
        }
    }
}

/// For what only a connection brings about that the same task moves.
fn unwoken() -> Context<'static> {
    Context::from_waker(std::task::Waker::noop())
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").finish_non_exhaustive()
    }
}
