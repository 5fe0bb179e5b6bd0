//! Connections of HTTP/1.1: which are used again, which are not, and how long they stay.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use keyway_testkit::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{pause, sleep};
use tokio_util::task::AbortOnDropHandle;

use super::{Egress, EgressError, place};
use crate::egress::pool::{SWEEP_INTERVAL, SWEEPS_MAX, WAITING_MAX};
use crate::egress::{Handed, Received};
use crate::lanes;

/// From one sweep to the next, as timers count: in whole milliseconds.
const SWEEP: Duration = SWEEP_INTERVAL.saturating_add(Duration::from_millis(1));

/// What a server saw.
#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    open: AtomicUsize,
    requests: AtomicUsize,
}

struct Server {
    url: String,
    seen: Arc<Seen>,
    /// Requests of `/later` that it may answer, and connections that it may close.
    later: Arc<Semaphore>,
    serving: AbortOnDropHandle<()>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let (seen, later) = (Arc::<Seen>::default(), Arc::new(Semaphore::new(0)));
        let serving = serve(listener, Arc::clone(&seen), Arc::clone(&later));
        #[expect(clippy::disallowed_methods, reason = "aborted when the test drops it")]
        let serving = AbortOnDropHandle::new(tokio::spawn(serving));
        Self { url, seen, later, serving }
    }

    fn egress(&self) -> Egress {
        Egress::new([place(&self.url, false)])
    }

    fn request(&self, path: &str) -> Request<Full<Bytes>> {
        Request::get(format!("{}{path}", self.url)).body(Full::default()).expect("a request")
    }

    fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    async fn has(&self, open: usize, requests: usize) {
        eventually("as many are open, and asked", async || {
            let seen = (&self.seen.open, &self.seen.requests);
            let seen = (seen.0.load(Ordering::SeqCst), seen.1.load(Ordering::SeqCst));
            (seen == (open, requests)).then_some(())
        })
        .await;
    }
}

async fn serve(listener: TcpListener, seen: Arc<Seen>, later: Arc<Semaphore>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let (seen, later) = (Arc::clone(&seen), Arc::clone(&later));
        seen.connections.fetch_add(1, Ordering::SeqCst);
        seen.open.fetch_add(1, Ordering::SeqCst);
        connections.spawn(async move {
            answer(socket, &seen, &later).await;
            seen.open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

/// Answers as the path says, until the other end closes.
async fn answer(mut socket: TcpStream, seen: &Seen, later: &Semaphore) {
    let mut said = Vec::new();
    while socket.read_buf(&mut said).await.is_ok_and(|count| count > 0) {
        if !said.ends_with(b"\r\n\r\n") {
            continue;
        }
        let asked = String::from_utf8(std::mem::take(&mut said)).expect("text");
        seen.requests.fetch_add(1, Ordering::SeqCst);
        let path = asked.split(' ').nth(1).expect("a path");
        if path == "/later" {
            later.acquire().await.expect("open").forget();
        }
        let answer = match path {
            "/half" => "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{}",
            "/chunks" => {
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
            }
            "/empty" => "HTTP/1.1 204 No Content\r\n\r\n",
            "/last" => "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}",
            "/too-much" => "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}HTTP/1.1 403 No\r\n\r\n",
            "/never" => "",
            _ => "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
        };
        if socket.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
        if path == "/then-closes" {
            later.acquire().await.expect("open").forget();
            return;
        }
    }
}

async fn read(answer: Response<Received>) -> Bytes {
    answer.into_body().collect().await.expect("a body").to_bytes()
}

fn waiting(egress: &Egress) -> usize {
    egress.pools[lanes::here()].waiting()
}

#[tokio::test]
async fn a_connection_is_used_again_once_its_answer_was_read() {
    let server = Server::start().await;
    let egress = server.egress();
    for path in ["/", "/chunks", "/empty", "/"] {
        let answer = egress.send(server.request(path)).await.expect("an answer");
        assert_eq!(waiting(&egress), usize::from(path == "/empty"));
        let body = read(answer).await;
        assert_eq!(body, if path == "/empty" { "" } else { "{}" });
        assert_eq!((server.connections(), waiting(&egress)), (1, 1), "{path}");
    }
}

#[tokio::test]
async fn it_is_told_the_host_and_the_path() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let egress = Egress::new([place(&format!("http://{address}"), false)]);
    for (path, said) in [("/a/b?c=d", "/a/b?c=d"), ("", "/")] {
        let request = Request::get(format!("http://{address}{path}")).body(Full::default());
        let asked = egress.send(request.expect("a request"));
        let heard = async {
            let (mut socket, _) = listener.accept().await.expect("a connection");
            let mut heard = Vec::new();
            while !heard.ends_with(b"\r\n\r\n") {
                socket.read_buf(&mut heard).await.expect("a request");
            }
            String::from_utf8(heard).expect("text")
        };
        let (broken, heard) = tokio::join!(asked, heard);
        assert!(matches!(broken, Err(EgressError::Broken(_))), "{broken:?}");
        assert_eq!(heard, format!("GET {said} HTTP/1.1\r\nhost: {address}\r\n\r\n"));
    }
}

#[tokio::test]
async fn what_is_not_at_its_end_is_not_used_again() {
    let server = Server::start().await;
    let egress = server.egress();
    drop(egress.send(server.request("/half")).await.expect("an answer"));
    assert_eq!(waiting(&egress), 0);
    server.has(0, 1).await;
    for count in 2..5 {
        let answer = egress.send(server.request("/last")).await.expect("an answer");
        assert_eq!(read(answer).await, "{}");
        assert_eq!((server.connections(), waiting(&egress)), (count, 0));
        server.has(0, count).await;
    }
}

#[tokio::test]
async fn what_was_said_unasked_answers_nothing() {
    let server = Server::start().await;
    let egress = server.egress();
    for count in 1..4 {
        let answer = egress.send(server.request("/too-much")).await.expect("an answer");
        assert_eq!(read(answer).await, "{}");
        assert_eq!(server.connections(), count);
    }
}

/// What is here of an answer that nobody reads is no reason to close.
#[tokio::test]
async fn an_answer_that_is_here_may_be_dropped() {
    let server = Server::start().await;
    let egress = server.egress();
    for path in ["/", "/chunks"] {
        drop(egress.send(server.request(path)).await.expect("an answer"));
        assert_eq!((server.connections(), waiting(&egress)), (1, 1), "{path}");
    }
}

/// One waits, and the other end closes it.
async fn one_that_closes(server: &Server, egress: &Egress) {
    read(egress.send(server.request("/then-closes")).await.expect("an answer")).await;
    server.later.add_permits(1);
    server.has(0, 1).await;
    assert_eq!(waiting(egress), 1, "nobody looked yet");
}

#[tokio::test]
async fn what_the_other_end_closed_is_not_asked() {
    let server = Server::start().await;
    let egress = server.egress();
    one_that_closes(&server, &egress).await;
    let handed = Handed::default();
    let answer = egress.send_within(server.request("/"), None, Some(&handed)).await;
    assert_eq!(read(answer.expect("over another connection")).await, "{}");
    assert!(handed.is_done());
    assert_eq!((server.connections(), waiting(&egress)), (2, 1));
}

#[tokio::test]
async fn a_request_that_no_connection_took_was_not_handed_over() {
    let mut server = Server::start().await;
    let egress = server.egress();
    one_that_closes(&server, &egress).await;
    server.serving.abort();
    assert!((&mut server.serving).await.is_err(), "it is gone");
    let handed = Handed::default();
    let refused = egress.send_within(server.request("/"), None, Some(&handed)).await;
    assert!(matches!(refused, Err(EgressError::Connect(_))), "{refused:?}");
    assert!(!handed.is_done());
}

#[tokio::test]
async fn requests_at_once_have_connections_of_their_own_and_not_all_stay() {
    let server = Server::start().await;
    let egress = server.egress();
    let count = WAITING_MAX + 1;
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..count {
        let (egress, request) = (egress.clone(), server.request("/later"));
        asking.spawn(async move { read(egress.send(request).await.expect("an answer")).await });
    }
    server.has(count, count).await;
    server.later.add_permits(count);
    asking.join_all().await;
    assert_eq!((server.connections(), waiting(&egress)), (count, WAITING_MAX));
    server.has(WAITING_MAX, count).await;
}

#[tokio::test]
async fn who_gives_up_closes_the_connection() {
    let server = Server::start().await;
    let egress = server.egress();
    let handed = Handed::default();
    tokio::select! {
        answered = egress.send_within(server.request("/never"), None, Some(&handed)) => {
            panic!("{answered:?}");
        }
        () = server.has(1, 1) => {}
    }
    assert!(handed.is_done());
    server.has(0, 1).await;
    assert_eq!(waiting(&egress), 0);
}

#[tokio::test]
async fn those_that_wait_are_closed_after_a_minute() {
    let server = Server::start().await;
    let egress = server.egress();
    read(egress.send(server.request("/")).await.expect("an answer")).await;
    pause();
    for _ in 1..SWEEPS_MAX {
        sleep(SWEEP).await;
        assert_eq!(waiting(&egress), 1);
    }
    // Used again it waits anew.
    read(egress.send(server.request("/")).await.expect("an answer")).await;
    for _ in 1..SWEEPS_MAX {
        sleep(SWEEP).await;
        assert_eq!(waiting(&egress), 1);
    }
    sleep(SWEEP).await;
    assert_eq!((server.connections(), waiting(&egress)), (1, 0));
    assert_eq!(SWEEP_INTERVAL * u32::try_from(SWEEPS_MAX).expect("few"), Duration::from_mins(1));
}

#[tokio::test]
async fn those_that_the_other_end_closed_are_closed_soon() {
    let server = Server::start().await;
    let egress = server.egress();
    one_that_closes(&server, &egress).await;
    pause();
    sleep(SWEEP).await;
    assert_eq!(waiting(&egress), 0);
}
