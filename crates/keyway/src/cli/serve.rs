//! `keyway serve`: from an empty directory to a running gateway.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::sync::Arc;

use keyway_core::clock::Clock;
use keyway_core::id::KeyHash;
use keyway_core::secret::KeySecret;
use keyway_core::store::Store;
use keyway_server::app::{App, Secrets};
use keyway_server::clock::SystemClock;
use keyway_server::config::Config;
use keyway_server::entropy::random;
use keyway_server::http::serve::serve;
use keyway_server::telemetry;
use keyway_store_sqlite::Holder;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use super::bootstrap::{self, FirstKey};
use super::changes::Changes;
use super::installation::{self, Installation};
use super::{CliError, ServeArgs, output};

/// What the log shows: a level, or levels by module as `tracing` writes them.
const LOG_VARIABLE: &str = "KEYWAY_LOG";
/// How it shows it: `text` for people, `json` for programs.
const LOG_FORMAT_VARIABLE: &str = "KEYWAY_LOG_FORMAT";

/// The one node of a store that only one process may open.
const NODE_NAME: &str = "local";

/// Runs the gateway until it is told to stop.
pub(crate) async fn run(args: ServeArgs) -> Result<(), CliError> {
    start_log();
    forbid_core_dumps();
    allow_many_connections();
    let (mut config, changes) = Changes::begin(&args)?;
    config.traces =
        config.traces.or_environment(&|name| std::env::var(name).ok()).map_err(|name| {
            CliError::failed(format!("{name} is no http:// or https:// URL without credentials"))
        })?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let setup = (&config, changes);
    let configured = config.store.url.as_ref().map(KeySecret::expose);
    if let Some(url) = args.store_url.as_deref().or(configured) {
        let (secrets, store) = installation::open_shared(url, clock.now()).await?;
        let store = Arc::new(store);
        let shared = Arc::clone(&store) as Arc<dyn Store>;
        let name = args.node_name.clone().unwrap_or_else(random_name);
        let served = serve_on(args.listen, setup, shared, secrets, clock, name).await;
        store.close();
        return served;
    }
    let Installation { secrets, store } =
        installation::open(&args.data_dir, Holder::Gateway, config.store.durability, clock.now())?;
    let store = Arc::new(store);
    let shared = Arc::clone(&store) as Arc<dyn Store>;
    let name = NODE_NAME.to_owned();
    let served = serve_on(args.listen, setup, shared, secrets, clock, name).await;
    store.close().await;
    served
}

/// Of a node that nobody named: an earlier run of it is ended when it was silent for long enough.
fn random_name() -> String {
    KeyHash::from_bytes(random()).to_string()[..16].to_owned()
}

async fn serve_on(
    listen: SocketAddr,
    (config, changes): (&Config, Changes),
    store: Arc<dyn Store>,
    secrets: Secrets,
    clock: Arc<dyn Clock>,
    name: String,
) -> Result<(), CliError> {
    let cannot_listen = |error| CliError::failed(format!("cannot listen on {listen}: {error}"));
    let listener = TcpListener::bind(listen).await.map_err(cannot_listen)?;
    let metrics = match config.metrics.listen {
        Some(listen) => Some(metrics_listener(listen).await?),
        None => None,
    };
    let url = format!("http://{}", listener.local_addr().map_err(cannot_listen)?);
    let stop = stop_on_signals()?;
    let prefix = &config.keys.prefix;
    let first =
        bootstrap::first_key(store.as_ref(), prefix, &secrets.installation, clock.now()).await?;
    // At once: from now on nobody could make it out again.
    if let FirstKey::Made(key) = first {
        output::block(&bootstrap::welcome(&key, &url)).map_err(|error| not_shown(&error))?;
    }
    let app = App::start(config, store, secrets, clock, url.clone(), name);
    let app = app.await.map_err(|error| CliError::failed(error.to_string()))?;
    app.companions.spawn(changes.follow(Arc::clone(&app)));
    if let Some(listener) = metrics {
        let stop = app.leave.clone();
        app.companions.spawn(telemetry::listener::serve(Arc::clone(&app), listener, stop));
    }
    output::line(&format!("listening on {url}"));
    let served = serve(app, listener, stop, config.server.shutdown_grace).await;
    served.map_err(|error| CliError::failed(format!("cannot start threads to serve with: {error}")))
}

async fn metrics_listener(listen: SocketAddr) -> Result<TcpListener, CliError> {
    let failed =
        |error| CliError::failed(format!("cannot listen on {listen} for metrics: {error}"));
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    output::line(&format!("metrics on http://{address}/metrics"));
    Ok(listener)
}

fn not_shown(error: &std::io::Error) -> CliError {
    CliError::failed(format!(
        "the first management key was made, but could not be shown: {error}. Make another with \
         `keyway management-keys create --name NAME --offline`"
    ))
}

/// One token for SIGTERM and SIGINT: both ask for an orderly end.
fn stop_on_signals() -> Result<CancellationToken, CliError> {
    let failed = |error| CliError::failed(format!("cannot wait for signals: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    #[expect(clippy::disallowed_methods, reason = "it lives as long as the process does")]
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stopping.cancel();
    });
    Ok(stop)
}

fn start_log() {
    let filter = EnvFilter::try_from_env(LOG_VARIABLE).unwrap_or_else(|_| EnvFilter::new("info"));
    let is_terminal = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let is_text = match std::env::var(LOG_FORMAT_VARIABLE).as_deref() {
        Ok("text") => true,
        Ok("json") => false,
        // Who collects what nobody looks at reads it by programs.
        _ => is_terminal,
    };
    if is_text {
        log.with_ansi(is_terminal && std::env::var_os("NO_COLOR").is_none()).init();
    } else {
        log.json().flatten_event(true).init();
    }
}

/// Many systems allow few open files unless asked, and a connection is one.
fn allow_many_connections() {
    let allowed = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: allowed.maximum, ..allowed };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the number of open files cannot be raised");
    }
}

/// A core dump would hold every key in memory.
fn forbid_core_dumps() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        tracing::warn!(%error, "core dumps cannot be switched off");
    }
}
