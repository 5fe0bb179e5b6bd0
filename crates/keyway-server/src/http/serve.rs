//! The accept loop: connections, bounded in number and in time, until it is told to stop.

use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::router::{self, Service};
use crate::app::App;

/// Connections at once; further ones wait to be accepted.
const CONNECTIONS_MAX: usize = 16_384;
/// How long a request's head may take to arrive, and a connection may stay idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);
/// Pause after an accept that failed, as when descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// What is left to streams that were cut, to say so and be settled.
const CUT_GRACE: Duration = Duration::from_secs(5);

/// Serves until `stop` is cancelled; then takes no new work, lets what runs finish within `grace`,
/// and cuts what is left. Returns when every charge is settled, or left to the next start.
pub async fn serve(app: Arc<App>, listener: TcpListener, stop: CancellationToken, grace: Duration) {
    let service = router::router(Arc::clone(&app));
    let connections = GracefulShutdown::new();
    accept(listener, service, &connections, &stop).await;
    tracing::info!(grace_s = grace.as_secs(), "stopping: no new work, streams may finish");
    app.tasks.close();
    let finished = async {
        connections.shutdown().await;
        app.tasks.wait().await;
    };
    let mut finished = std::pin::pin!(finished);
    if tokio::time::timeout(grace, &mut finished).await.is_err() {
        tracing::warn!("the grace is over: streams that still run are cut and settled");
        app.cut.cancel();
        if tokio::time::timeout(CUT_GRACE, finished).await.is_err() {
            tracing::error!("requests are left unsettled; they are charged what was authorised");
        }
    }
    if tokio::time::timeout(CUT_GRACE, app.leave()).await.is_err() {
        tracing::error!("the store does not answer; the next start settles what is left");
    }
}

async fn accept(
    listener: TcpListener,
    service: Service,
    connections: &GracefulShutdown,
    stop: &CancellationToken,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = async {
            let permit = Arc::clone(&room).acquire_owned().await.expect("it is never closed");
            (listener.accept().await, permit)
        };
        let (accepted, permit) = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let connection = connections.watch(connection(stream, service.clone()));
                #[expect(clippy::disallowed_methods, reason = "`connections` tracks it")]
                tokio::spawn(async move {
                    // What goes wrong between two ends of a socket is nobody's fault here.
                    let _ = connection.await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

type Connection = http1::Connection<TokioIo<TcpStream>, TowerToHyperService<Service>>;

fn connection(stream: TcpStream, service: Service) -> Connection {
    // Small events must not wait for more to come.
    let _ = stream.set_nodelay(true);
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
}
