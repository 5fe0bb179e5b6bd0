//! Connections to one node: kept alive, and bounded.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, SemaphorePermit};

pub(super) type Connection = SendRequest<Full<Bytes>>;

pub(super) struct Connections {
    /// `HOST:PORT`
    pub(super) authority: String,
    room: Semaphore,
    idle: Mutex<Vec<Connection>>,
}

impl Connections {
    pub(super) fn new(url: &str, most: usize) -> Self {
        let authority = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        Self { authority, room: Semaphore::new(most), idle: Mutex::default() }
    }

    /// Waits until one more request may go to this node.
    pub(super) async fn room(&self) -> SemaphorePermit<'_> {
        self.room.acquire().await.expect("it is never closed")
    }

    /// An idle connection, or a new one; `None` where the node is not there.
    pub(super) async fn take(&self) -> Option<Connection> {
        while let Some(idle) = self.pop() {
            if idle.is_ready() {
                return Some(idle);
            }
        }
        let socket = TcpStream::connect(&self.authority).await.ok()?;
        socket.set_nodelay(true).ok()?;
        let (connection, driver) = http1::handshake(TokioIo::new(socket)).await.ok()?;
        #[expect(clippy::disallowed_methods, reason = "ends with its connection")]
        tokio::spawn(async move {
            let _ = driver.await;
        });
        Some(connection)
    }

    /// Keeps a connection whose last answer was read to its end.
    pub(super) async fn give_back(&self, mut connection: Connection) {
        if connection.ready().await.is_ok() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
    }

    fn pop(&self) -> Option<Connection> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}
