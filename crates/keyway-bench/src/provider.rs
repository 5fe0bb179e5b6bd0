//! The provider of the bench: says the same to everybody, at a pace of its own.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;

use crate::wire::Wire;

/// Connections that wait to be accepted: thousands come at once.
const BACKLOG: u32 = 16_384;
/// What a client writes into its request where it wants a stream.
pub(crate) const STREAM: &str = "\"stream\":true";
/// One request in so many fails, and another one finds its connection broken, where there are faults.
const FAILS_ONCE_IN: usize = 50;
const FAILURE: &[u8] = b"HTTP/1.1 500 Internal Server Error\r\ncontent-type: application/json\r\n\
      content-length: 30\r\n\r\n{\"error\":{\"message\":\"broken\"}}";
/// The last of every stream.
pub(crate) const DONE: &[u8] = b"data: [DONE]\n\n";

/// How it answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Pieces of a stream before its end.
    pub(crate) pieces: usize,
    /// Before each piece but the first.
    pub(crate) pause: Duration,
    /// Requests that are worked on at once; the others wait.
    pub(crate) at_once: usize,
    /// How long it works on one.
    pub(crate) work: Duration,
    /// Whether it fails now and then: says so, or breaks the connection before its answer or in the
    /// middle of it.
    pub(crate) faults: bool,
}

impl Default for Pace {
    fn default() -> Self {
        let pause = Duration::from_millis(1);
        Self { pieces: 50, pause, at_once: usize::MAX >> 3, work: Duration::ZERO, faults: false }
    }
}

/// Listens on a port of its own, on a thread of its own, until it is dropped.
pub(crate) struct Provider {
    /// `HOST:PORT`
    pub(crate) authority: String,
    /// Ends the thread when it is dropped.
    _stop: oneshot::Sender<()>,
}

/// What never changes.
struct Said {
    pace: Pace,
    /// How many requests came so far.
    count: AtomicUsize,
    room: Semaphore,
    whole: Vec<u8>,
    stream_head: &'static [u8],
    piece: Vec<u8>,
    last: Vec<u8>,
}

impl Provider {
    pub(crate) fn start(pace: Pace) -> io::Result<Self> {
        let (told, authority) = std::sync::mpsc::sync_channel(1);
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("provider".to_owned()).spawn(move || {
            runtime.block_on(async move {
                let listener = listen();
                let _ = told.send(listener.as_ref().map_or_else(
                    |error| Err(io::Error::new(error.kind(), error.to_string())),
                    |listener| listener.local_addr().map(|address| address.to_string()),
                ));
                if let Ok(listener) = listener {
                    tokio::select! {
                        () = serve(listener, Arc::new(Said::new(pace))) => {}
                        _ = stopped => {}
                    }
                }
            });
        })?;
        let authority = authority.recv().map_err(io::Error::other)??;
        Ok(Self { authority, _stop: stop })
    }
}

fn listen() -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(([127, 0, 0, 1], 0).into())?;
    socket.listen(BACKLOG)
}

async fn serve(listener: TcpListener, said: Arc<Said>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((socket, _)) = listener.accept() => {
                let said = Arc::clone(&said);
                // Whoever breaks a connection has his reasons.
                connections.spawn(async move { said.converse(Wire::over(socket)?).await });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

impl Said {
    fn new(pace: Pace) -> Self {
        let answer = whole();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        );
        let stream_head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
              cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n";
        let ending = [piece("{}", "\"stop\""), usage_piece(), DONE.to_vec()].concat();
        Self {
            pace,
            count: AtomicUsize::new(0),
            room: Semaphore::new(pace.at_once),
            whole: [head.into_bytes(), answer].concat(),
            stream_head,
            piece: chunked(&piece("{\"content\":\" word\"}", "null")),
            last: [chunked(&ending), b"0\r\n\r\n".to_vec()].concat(),
        }
    }

    async fn converse(&self, mut wire: Wire) -> io::Result<()> {
        while let Some(head) = wire.head().await? {
            let request = wire.whole(head.body).await?;
            let streams = request.windows(STREAM.len()).any(|it| it == STREAM.as_bytes());
            let _working = self.room.acquire().await.map_err(io::Error::other)?;
            if !self.pace.work.is_zero() {
                tokio::time::sleep(self.pace.work).await;
            }
            if self.pace.faults && self.fails(&mut wire, streams).await? {
                continue;
            }
            if streams {
                self.stream(&mut wire).await?;
            } else {
                wire.send(&self.whole).await?;
            }
        }
        Ok(())
    }

    /// Whether it failed at this request instead of answering it.
    async fn fails(&self, wire: &mut Wire, streams: bool) -> io::Result<bool> {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        if number.is_multiple_of(FAILS_ONCE_IN) {
            wire.send(FAILURE).await?;
            return Ok(true);
        }
        if number % FAILS_ONCE_IN == 1 {
            if streams {
                wire.send(&[self.stream_head, &self.piece].concat()).await?;
            }
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(false)
    }

    async fn stream(&self, wire: &mut Wire) -> io::Result<()> {
        wire.send(&[self.stream_head, &self.piece].concat()).await?;
        for _ in 1..self.pace.pieces {
            tokio::time::sleep(self.pace.pause).await;
            wire.send(&self.piece).await?;
        }
        wire.send(&self.last).await
    }
}

fn chunked(bytes: &[u8]) -> Vec<u8> {
    let size = format!("{:x}\r\n", bytes.len());
    [size.as_bytes(), bytes, b"\r\n"].concat()
}

/// As OpenAI's servers say it, of a usual length.
fn whole() -> Vec<u8> {
    let content = "Measured twice, and cut once. ".repeat(12);
    format!(
        "{{\"id\":\"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT\",\"object\":\"chat.completion\",\
         \"created\":1741569952,\"model\":\"bench-1\",\"choices\":[{{\"index\":0,\"message\":\
         {{\"role\":\"assistant\",\"content\":\"{content}\",\"refusal\":null,\"annotations\":[]}},\
         \"logprobs\":null,\"finish_reason\":\"stop\"}}],\"usage\":{{\"prompt_tokens\":190,\
         \"completion_tokens\":84,\"total_tokens\":274,\"prompt_tokens_details\":\
         {{\"cached_tokens\":0,\"audio_tokens\":0}},\"completion_tokens_details\":\
         {{\"reasoning_tokens\":0,\"audio_tokens\":0}}}},\"service_tier\":\"default\",\
         \"system_fingerprint\":\"fp_44709d6fcb\"}}"
    )
    .into_bytes()
}

fn piece(delta: &str, finish_reason: &str) -> Vec<u8> {
    format!(
        "data: {{\"id\":\"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT\",\"object\":\
         \"chat.completion.chunk\",\"created\":1741569952,\"model\":\"bench-1\",\
         \"system_fingerprint\":\"fp_44709d6fcb\",\"choices\":[{{\"index\":0,\"delta\":{delta},\
         \"logprobs\":null,\"finish_reason\":{finish_reason}}}],\"usage\":null}}\n\n"
    )
    .into_bytes()
}

fn usage_piece() -> Vec<u8> {
    b"data: {\"id\":\"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT\",\"object\":\"chat.completion.chunk\",\
      \"created\":1741569952,\"model\":\"bench-1\",\"choices\":[],\"usage\":{\"prompt_tokens\":190,\
      \"completion_tokens\":50,\"total_tokens\":240}}\n\n"
        .to_vec()
}
