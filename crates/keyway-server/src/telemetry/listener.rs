//! `GET /metrics`, on a listener of its own: whoever reaches it may read it.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::Layer;
use tower_http::normalize_path::NormalizePathLayer;

use super::metrics::Metrics;
use super::traces::Traces;
use crate::app::App;
use crate::config::{ServerConfig, ServerLimits};
use crate::http::accept::Doorman;
use crate::http::edge::Edge;
use crate::lanes::Lanes;

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Whoever scrapes needs few connections.
const CONNECTIONS_MAX: usize = 64;

/// Tells the figures of `app` to who connects to `listener`, until `stop` is cancelled.
pub async fn serve(app: Arc<App>, listener: TcpListener, stop: CancellationToken) {
    let limits = ServerLimits {
        connections_max: CONNECTIONS_MAX,
        connections_per_address_max: CONNECTIONS_MAX,
        ..app.edge.limits
    };
    let edge = Edge::new(&ServerConfig { limits, ..ServerConfig::default() });
    let routes = Router::new().route("/metrics", get(metrics)).with_state(Arc::clone(&app));
    let routes = NormalizePathLayer::trim_trailing_slash().layer(routes);
    let unseen = (Arc::new(Metrics::default()), Arc::new(Traces::default()));
    let doorman = Doorman::new(Arc::new(edge), routes, app.tasks.clone(), unseen).await;
    let connections = GracefulShutdown::new();
    doorman.run(listener, &Lanes::none(), &connections, &stop).await;
    connections.shutdown().await;
}

async fn metrics(State(app): State<Arc<App>>) -> Response {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], app.metrics.text()).into_response()
}
