//! From a listener to the last settled request.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::accept::Doorman;
use super::router;
use crate::app::App;
use crate::lanes::Lanes;

/// What is left to streams that were cut, to say so and be settled.
const CUT_GRACE: Duration = Duration::from_secs(5);

/// Serves until `stop` is cancelled; then takes no new work, lets what runs finish within `grace`,
/// and cuts what is left. Returns when every charge is settled, or left to the next start.
///
/// # Errors
/// Where the system has no threads to serve with.
pub async fn serve(
    app: Arc<App>,
    listener: TcpListener,
    stop: CancellationToken,
    grace: Duration,
) -> io::Result<()> {
    let lanes = Lanes::start()?;
    let routes = router::router(Arc::clone(&app));
    let seen = (Arc::clone(&app.metrics), Arc::clone(&app.traces));
    let doorman = Doorman::new(Arc::clone(&app.edge), routes, app.tasks.clone(), seen).await;
    let connections = GracefulShutdown::new();
    doorman.run(listener, &lanes, &connections, &stop).await;
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
    lanes.end().await;
    Ok(())
}
