//! A faulty network between two ends: a node and its database, or any others.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

/// Connections that are carried at a time; more are reset.
const CONNECTIONS_MAX: usize = 4_096;
/// Pieces that are on their way in one direction of one connection.
const PIECES_MAX: usize = 64;
const PIECE_BYTES: usize = 16 * 1024;

/// What the network does. Switched at run time, for connections old and new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Pass,
    /// Connections are reset, new ones too.
    Cut,
    /// Bytes vanish, and connections stay open. One that lost any is reset when this ends, as nobody
    /// could make sense of the rest.
    BlackHole,
    /// Bytes are held back, and arrive when this ends: what was sent long ago is done now.
    Stall,
    /// Each piece arrives so much later.
    Delay {
        to_target: Duration,
        to_client: Duration,
    },
    /// Requests go through; the answer to one that contains this text (to any, where it is empty) is
    /// dropped, and then the connection is reset.
    LoseAnswers {
        to: &'static str,
    },
}

/// Listens on a port of its own, and carries what comes to its target until it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
    server: JoinHandle<()>,
}

impl Proxy {
    /// # Panics
    /// Where no port is free.
    pub async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (mode, modes) = watch::channel(Mode::Pass);
        #[expect(clippy::disallowed_methods, reason = "aborted when the proxy is dropped")]
        let server = tokio::spawn(serve(listener, target, modes));
        Self { address, mode, server }
    }

    /// Where to connect to instead of the target.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    pub fn mode(&self) -> Mode {
        *self.mode.borrow()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, target: SocketAddr, modes: watch::Receiver<Mode>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((client, _)) = listener.accept() => {
                if connections.len() < CONNECTIONS_MAX {
                    connections.spawn(connection(client, target, modes.clone()));
                } else {
                    reset(&client);
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(mut client: TcpStream, target: SocketAddr, mut modes: watch::Receiver<Mode>) {
    let passable = modes.wait_for(|mode| !matches!(mode, Mode::BlackHole | Mode::Stall)).await;
    let passable = passable.is_ok_and(|mode| *mode != Mode::Cut);
    let server = if passable { TcpStream::connect(target).await.ok() } else { None };
    let Some(mut server) = server else { return reset(&client) };
    let mut cuts = modes.clone();
    let carried = {
        let (client_read, client_write) = client.split();
        let (server_read, server_write) = server.split();
        let (armed, answers) = watch::channel(false);
        let requests = Direction { modes: modes.clone(), kind: Kind::Requests(armed) };
        let answers = Direction { modes, kind: Kind::Answers(answers) };
        tokio::select! {
            biased;
            // Even while an end does not read.
            _ = cuts.wait_for(|mode| *mode == Mode::Cut) => Err(broken()),
            carried = async { tokio::try_join!(
                requests.carry(client_read, server_write),
                answers.carry(server_read, client_write)
            ) } => carried.map(|_| ()),
        }
    };
    // An end that closed has told the other; anything else breaks both.
    if carried.is_err() {
        reset(&client);
        reset(&server);
    }
}

/// Lets the other end see a reset as soon as the socket is dropped.
fn reset(socket: &TcpStream) {
    let _ = socket.set_zero_linger();
}

struct Direction {
    modes: watch::Receiver<Mode>,
    kind: Kind,
}

enum Kind {
    /// Tells the other direction that the next answer is to be lost.
    Requests(watch::Sender<bool>),
    Answers(watch::Receiver<bool>),
}

/// A piece on its way, and when it arrives.
type Piece = (Instant, Bytes);

impl Direction {
    async fn carry(self, from: ReadHalf<'_>, to: WriteHalf<'_>) -> io::Result<()> {
        let (pieces, arriving) = mpsc::channel(PIECES_MAX);
        let modes = self.modes.clone();
        tokio::try_join!(self.take(from, pieces), give(arriving, to, modes)).map(|_| ())
    }

    /// Reads, and decides what becomes of each piece.
    async fn take(mut self, mut from: ReadHalf<'_>, pieces: mpsc::Sender<Piece>) -> io::Result<()> {
        let mut lost_bytes = false;
        let mut buffer = vec![0; PIECE_BYTES];
        loop {
            let mode = *self.modes.borrow_and_update();
            if lost_bytes && mode != Mode::BlackHole {
                return Err(broken());
            }
            let read = tokio::select! {
                biased;
                changed = self.modes.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return Err(broken()),
                },
                read = from.read(&mut buffer) => read?,
            };
            if read == 0 && mode != Mode::BlackHole {
                return Ok(());
            }
            let Some(delay) = self.judge(mode, &buffer[..read])? else {
                lost_bytes = true;
                if read == 0 {
                    // The end vanishes like everything else; there is nothing more to read.
                    self.modes.changed().await.map_err(|_| broken())?;
                }
                continue;
            };
            let piece = (Instant::now() + delay, Bytes::copy_from_slice(&buffer[..read]));
            pieces.send(piece).await.map_err(|_| broken())?;
        }
    }

    /// How much later the piece arrives; `None` where it never does.
    fn judge(&self, mode: Mode, piece: &[u8]) -> io::Result<Option<Duration>> {
        match (mode, &self.kind) {
            (Mode::Pass | Mode::Stall, _) => Ok(Some(Duration::ZERO)),
            (Mode::Cut, _) => Err(broken()),
            (Mode::BlackHole, _) => Ok(None),
            (Mode::Delay { to_target, .. }, Kind::Requests(_)) => Ok(Some(to_target)),
            (Mode::Delay { to_client, .. }, Kind::Answers(_)) => Ok(Some(to_client)),
            (Mode::LoseAnswers { to }, Kind::Requests(armed)) => {
                if contains(piece, to.as_bytes()) {
                    armed.send_replace(true);
                }
                Ok(Some(Duration::ZERO))
            }
            (Mode::LoseAnswers { to }, Kind::Answers(armed)) => {
                let lost = to.is_empty() || *armed.borrow();
                if lost { Err(broken()) } else { Ok(Some(Duration::ZERO)) }
            }
        }
    }
}

/// Writes what has arrived, when it has.
async fn give(
    mut arriving: mpsc::Receiver<Piece>,
    mut to: WriteHalf<'_>,
    mut modes: watch::Receiver<Mode>,
) -> io::Result<()> {
    while let Some((at, piece)) = arriving.recv().await {
        tokio::time::sleep_until(at).await;
        let passable = modes.wait_for(|mode| *mode != Mode::Stall).await;
        passable.map_err(|_| broken())?;
        to.write_all(&piece).await?;
    }
    to.shutdown().await
}

fn contains(piece: &[u8], text: &[u8]) -> bool {
    text.is_empty() || piece.windows(text.len()).any(|window| window == text)
}

fn broken() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

#[cfg(test)]
mod tests;
