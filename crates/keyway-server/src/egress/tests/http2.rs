//! HTTP/2 with a server over TLS that offers it, or does not.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use keyway_testkit::{AUTHORITY_FILE, Certificates};
use rustls::{ClientConfig, HandshakeKind, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

use super::{Egress, place};
use crate::egress::connector::{Connector, System};

/// What a server saw, and when it answers.
struct Seen {
    connections: AtomicUsize,
    /// Of these, resumed sessions.
    resumed: AtomicUsize,
    running: AtomicUsize,
    /// Requests that it may answer.
    answers: Semaphore,
}

struct Server {
    url: String,
    seen: Arc<Seen>,
    tls: ClientConfig,
    _serving: AbortOnDropHandle<()>,
}

impl Server {
    /// At `localhost`, whose certificate an authority of its own signed.
    async fn start(protocols: &[&[u8]]) -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let files = Certificates::make(folder.path(), "localhost");
        let certificate = CertificateDer::from_pem_file(&files.certificate).expect("one");
        let key = PrivateKeyDer::from_pem_file(&files.key).expect("a key");
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("they belong together");
        config.alpn_protocols = protocols.iter().map(|it| it.to_vec()).collect();
        let authority = CertificateDer::from_pem_file(folder.path().join(AUTHORITY_FILE));
        let mut roots = RootCertStore::empty();
        roots.add(authority.expect("one")).expect("an authority");
        let tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("https://localhost:{}/", listener.local_addr().expect("bound").port());
        let seen = Arc::new(Seen {
            connections: AtomicUsize::new(0),
            resumed: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
            answers: Semaphore::new(0),
        });
        let serving = serve(listener, TlsAcceptor::from(Arc::new(config)), Arc::clone(&seen));
        #[expect(clippy::disallowed_methods, reason = "aborted when the test drops it")]
        let serving = AbortOnDropHandle::new(tokio::spawn(serving));
        Self { url, seen, tls, _serving: serving }
    }

    fn egress(&self) -> Egress {
        let connector = Connector::new([place(&self.url, false)], Arc::new(System));
        Egress::with_tls(connector, self.tls.clone()).with_http2()
    }

    fn request(&self) -> Request<Full<Bytes>> {
        Request::post(&self.url).body(Full::new(Bytes::from("{}"))).expect("a request")
    }

    fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// Waits until so many requests are there.
    async fn is_asked(&self, count: usize) {
        keyway_testkit::eventually("they are there", async || {
            (self.seen.running.load(Ordering::SeqCst) >= count).then_some(())
        })
        .await;
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, seen: Arc<Seen>) {
    while let Ok((socket, _)) = listener.accept().await {
        let (acceptor, seen) = (acceptor.clone(), Arc::clone(&seen));
        #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
        tokio::spawn(connection(socket, acceptor, seen));
    }
}

async fn connection(socket: TcpStream, acceptor: TlsAcceptor, seen: Arc<Seen>) {
    let Ok(stream) = acceptor.accept(socket).await else { return };
    seen.connections.fetch_add(1, Ordering::SeqCst);
    if stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed) {
        seen.resumed.fetch_add(1, Ordering::SeqCst);
    }
    let service = service_fn(move |request: Request<Incoming>| {
        let seen = Arc::clone(&seen);
        async move {
            let body = request.into_body().collect().await.expect("a body").to_bytes();
            seen.running.fetch_add(1, Ordering::SeqCst);
            seen.answers.acquire().await.expect("open").forget();
            Ok::<_, Infallible>(Response::new(Full::new(body)))
        }
    });
    let server = auto::Builder::new(TokioExecutor::new());
    let _ = server.serve_connection(TokioIo::new(stream), service).await;
}

#[tokio::test]
async fn requests_share_a_connection_up_to_a_number() {
    let server = Server::start(&[b"h2", b"http/1.1"]).await;
    let egress = server.egress();
    server.seen.answers.add_permits(1);
    let first = egress.send(server.request()).await.expect("an answer");
    assert_eq!((first.version(), server.connections()), (Version::HTTP_2, 1));
    let body = first.into_body().collect().await.expect("a body").to_bytes();
    assert_eq!(body, "{}");
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (egress, request) = (egress.clone(), server.request());
        asking.spawn(async move { egress.send(request).await });
    }
    server.is_asked(101).await;
    assert_eq!(server.connections(), 1);
    // One more does not wait for any of them.
    let (another, request) = (egress.clone(), server.request());
    asking.spawn(async move { another.send(request).await });
    server.is_asked(102).await;
    assert_eq!(server.connections(), 2);
    server.seen.answers.add_permits(101);
    let answers = asking.join_all().await;
    assert!(answers.iter().all(|it| it.as_ref().is_ok_and(|it| it.status().is_success())));
    // Answers that nobody read yet keep their places; whoever drops them gives them back.
    drop(answers);
    server.seen.answers.add_permits(1);
    egress.send(server.request()).await.expect("an answer");
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn sessions_are_resumed_and_http1_is_spoken_where_nothing_else_is() {
    let server = Server::start(&[b"http/1.1"]).await;
    let egress = server.egress();
    server.seen.answers.add_permits(1);
    let first = egress.send(server.request()).await.expect("an answer");
    assert_eq!(first.version(), Version::HTTP_11);
    // Two at once, so that one of them needs a connection of its own.
    let two = async { tokio::join!(egress.send(server.request()), egress.send(server.request())) };
    let answered = async {
        server.is_asked(3).await;
        server.seen.answers.add_permits(2);
    };
    let ((one, other), ()) = tokio::join!(two, answered);
    assert!(one.is_ok() && other.is_ok());
    assert_eq!(server.connections(), 2);
    assert_eq!(server.seen.resumed.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_server_that_offers_it_is_spoken_http1_with_where_that_is_wanted() {
    let server = Server::start(&[b"h2", b"http/1.1"]).await;
    let connector = Connector::new([place(&server.url, false)], Arc::new(System));
    let egress = Egress::with_tls(connector, server.tls.clone());
    server.seen.answers.add_permits(1);
    let answer = egress.send(server.request()).await.expect("an answer");
    assert_eq!(answer.version(), Version::HTTP_11);
    let late = egress.send_within(server.request(), Some(Duration::from_secs(9)), None);
    server.seen.answers.add_permits(1);
    assert!(late.await.is_ok());
}

/// What is checked of addresses is checked whatever is spoken.
#[tokio::test]
async fn it_goes_where_the_configuration_says_and_nowhere_else() {
    let server = Server::start(&[b"h2"]).await;
    let elsewhere = place("https://provider.example/", false);
    let connector = Connector::new([elsewhere], Arc::new(System));
    let egress = Egress::with_tls(connector, server.tls.clone()).with_http2();
    assert!(egress.send(server.request()).await.is_err());
    assert_eq!(server.connections(), 0);
}
