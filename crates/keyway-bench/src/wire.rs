//! Just enough HTTP/1.1 for both ends of the bench, so that they cost little beside what is measured:
//! bodies with a length, and chunks that fit into memory.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One end of a connection that is kept open.
pub(crate) struct Wire {
    socket: TcpStream,
    unread: BytesMut,
}

/// What of a message matters here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    /// Of an answer; 0 in a request.
    pub(crate) status: u16,
    pub(crate) body: Body,
}

/// What is still to come of a body.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Body {
    Bytes(usize),
    Chunks,
    Ended,
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl Wire {
    pub(crate) async fn connect(authority: &str) -> io::Result<Self> {
        Self::over(TcpStream::connect(authority).await?)
    }

    pub(crate) fn over(socket: TcpStream) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        Ok(Self { socket, unread: BytesMut::new() })
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.write_all(bytes).await
    }

    /// The head of the next message; `None` where the other side closed between two.
    pub(crate) async fn head(&mut self) -> io::Result<Option<Head>> {
        loop {
            if let Some(end) = find(&self.unread, b"\r\n\r\n") {
                let text = std::str::from_utf8(&self.unread[..end]);
                let head = Head::read(text.map_err(|_| malformed("the head is no text"))?)?;
                self.unread.advance(end + 4);
                return Ok(Some(head));
            }
            if self.more().await? == 0 {
                return Ok(None);
            }
        }
    }

    /// The next piece of a body, as it arrived; `None` at its end.
    pub(crate) async fn piece(&mut self, body: &mut Body) -> io::Result<Option<Bytes>> {
        loop {
            match body {
                Body::Ended | Body::Bytes(0) => return Ok(None),
                Body::Bytes(left) if !self.unread.is_empty() => {
                    let taken = (*left).min(self.unread.len());
                    *left -= taken;
                    return Ok(Some(self.unread.split_to(taken).freeze()));
                }
                Body::Bytes(_) => {}
                Body::Chunks => {
                    if let Some(chunk) = self.chunk()? {
                        if chunk.is_empty() {
                            *body = Body::Ended;
                        }
                        return Ok((!chunk.is_empty()).then_some(chunk));
                    }
                }
            }
            if self.more().await? == 0 {
                return Err(malformed("the body broke off"));
            }
        }
    }

    /// Reads a body to its end.
    pub(crate) async fn whole(&mut self, mut body: Body) -> io::Result<Vec<u8>> {
        let mut whole = Vec::new();
        while let Some(piece) = self.piece(&mut body).await? {
            whole.extend_from_slice(&piece);
        }
        Ok(whole)
    }

    /// The next chunk, once all of it is there; the last one is empty.
    fn chunk(&mut self) -> io::Result<Option<Bytes>> {
        let Some(line) = find(&self.unread, b"\r\n") else { return Ok(None) };
        let size = std::str::from_utf8(&self.unread[..line]).ok();
        let size = size.and_then(|size| usize::from_str_radix(size.trim(), 16).ok());
        let size = size.ok_or_else(|| malformed("a chunk has no size"))?;
        let (begin, end) = (line + 2, line + 2 + size);
        if self.unread.len() < end + 2 {
            return Ok(None);
        }
        self.unread.advance(begin);
        let chunk = self.unread.split_to(size).freeze();
        self.unread.advance(2);
        Ok(Some(chunk))
    }

    async fn more(&mut self) -> io::Result<usize> {
        self.socket.read_buf(&mut self.unread).await
    }
}

impl Head {
    fn read(text: &str) -> io::Result<Self> {
        let mut lines = text.split("\r\n");
        let first = lines.next().unwrap_or_default();
        let status = match first.strip_prefix("HTTP/1.1 ") {
            Some(rest) => rest.get(..3).and_then(|status| status.parse().ok()),
            None => Some(0),
        };
        let status = status.ok_or_else(|| malformed("the answer has no status"))?;
        let mut body = Body::Ended;
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            if name.eq_ignore_ascii_case("content-length") {
                let length = value.trim().parse().map_err(|_| malformed("it has no length"))?;
                body = Body::Bytes(length);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                body = Body::Chunks;
            }
        }
        Ok(Self { status, body })
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// What the other end sends in `parts`, each on its own.
    async fn receiving(parts: &'static [&'static str]) -> Wire {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let sending = async {
            let (mut socket, _) = listener.accept().await.expect("a connection");
            for part in parts {
                socket.write_all(part.as_bytes()).await.expect("sent");
                tokio::task::yield_now().await;
            }
        };
        let (wire, ()) = tokio::join!(Wire::connect(&address), sending);
        wire.expect("connected")
    }

    async fn pieces(wire: &mut Wire) -> (u16, Vec<Bytes>) {
        let mut head = wire.head().await.expect("no failure").expect("a head");
        let mut pieces = Vec::new();
        while let Some(piece) = wire.piece(&mut head.body).await.expect("no failure") {
            pieces.push(piece);
        }
        (head.status, pieces)
    }

    #[tokio::test]
    async fn answers_with_a_length_and_in_chunks_are_read_one_after_the_other() {
        let mut wire = receiving(&[
            "HTTP/1.1 200 OK\r\nContent-Le",
            "ngth: 5\r\n\r\nhello",
            "HTTP/1.1 503 Busy\r\ntransfer-encoding: chunked\r\n\r\n3\r\nab",
            "c\r\n1\r\nd\r\n0\r\n",
            "\r\nHTTP/1.1 204 Nothing\r\n\r\n",
        ])
        .await;
        let (status, whole) = pieces(&mut wire).await;
        assert_eq!((status, whole.concat()), (200, b"hello".to_vec()));
        assert_eq!(pieces(&mut wire).await, (503, vec![Bytes::from("abc"), Bytes::from("d")]));
        assert_eq!(pieces(&mut wire).await, (204, vec![]));
        assert!(wire.head().await.expect("no failure").is_none());
    }

    #[tokio::test]
    async fn what_breaks_off_is_no_answer() {
        let mut wire = receiving(&["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell"]).await;
        let head = wire.head().await.expect("no failure").expect("a head");
        assert!(wire.whole(head.body).await.is_err());
    }
}
