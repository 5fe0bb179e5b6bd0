//! What a connection goes over, read only where something may have come.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::ear::Ear;

trait Ways: Read + Write + Unpin + Send {}

impl<S: Read + Write + Unpin + Send> Ways for S {}

pub(super) struct Stream {
    ways: Box<dyn Ways>,
    ear: Ear,
}

impl From<MaybeHttpsStream<TokioIo<TcpStream>>> for Stream {
    fn from(stream: MaybeHttpsStream<TokioIo<TcpStream>>) -> Self {
        // What it takes to encrypt is large, and not kept where nothing is encrypted.
        let ways: Box<dyn Ways> = match stream {
            MaybeHttpsStream::Http(stream) => Box::new(stream),
            MaybeHttpsStream::Https(stream) => Box::new(stream),
        };
        Self { ways, ear: Ear::default() }
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { ways, ear } = &mut *self;
        ear.hear(cx, |cx| Pin::new(ways).poll_read(cx, buffer))
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.ways).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.ways).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.ways.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.ways).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.ways).poll_shutdown(cx)
    }
}
