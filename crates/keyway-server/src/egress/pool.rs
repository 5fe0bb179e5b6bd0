//! Connections of HTTP/1.1 that wait for their next request, at one place that requests come from.

use std::mem::replace;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, Uri};
use http_body_util::Full;
use tower::Service;

use super::line::{Line, Unanswered};
use super::received::Received;
use super::{EgressError, Handed, Https};

/// Connections that wait, for each host.
pub(super) const WAITING_MAX: usize = 256;
/// How often those are closed that the other end has closed, or that wait for too long.
pub(super) const SWEEP_INTERVAL: Duration = Duration::from_secs(5);
/// Sweeps that one may wait for: a minute.
pub(super) const SWEEPS_MAX: usize = 12;

#[derive(Debug)]
pub(super) struct Pool {
    connector: Https,
    /// Those that were asked for something: the configuration names them all.
    hosts: Mutex<Vec<Arc<Host>>>,
    is_swept: AtomicBool,
}

#[derive(Debug)]
struct Host {
    scheme: Scheme,
    authority: Authority,
    /// What is said of it in a request.
    name: HeaderValue,
    /// The last was used last, and is used next.
    waiting: Mutex<Vec<Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    line: Line,
    sweeps: usize,
}

/// A connection while it is used. When dropped it waits for its next request, or is closed where it cannot.
#[derive(Debug)]
pub(super) struct Lent {
    host: Arc<Host>,
    /// `None` only while it is dropped.
    line: Option<Line>,
}

impl Pool {
    pub(super) fn new(connector: Https) -> Self {
        Self { connector, hosts: Mutex::default(), is_swept: AtomicBool::new(false) }
    }

    /// Sends a request over a connection that waits, or else over a new one, for which `connect` is the
    /// time. It is sent again where a connection that had waited is found closed and did not take it.
    pub(super) async fn send(
        self: &Arc<Self>,
        mut request: Request<Full<Bytes>>,
        connect: Option<Duration>,
        handed: Option<&Handed>,
    ) -> Result<Response<Received>, EgressError> {
        let uri = origin_form(request.uri_mut());
        let host = self.host(&uri)?;
        request.headers_mut().entry(HOST).or_insert_with(|| host.name.clone());
        loop {
            let waited = host.take();
            let is_new = waited.is_none();
            let line = match waited {
                Some(line) => line,
                // Most often one waits, and to open another takes more than all else here.
                None => Box::pin(self.open_within(&uri, connect)).await?,
            };
            let mut lent = Lent { host: Arc::clone(&host), line: Some(line) };
            match lent.line().ask(request, handed).await {
                Ok(answer) => return Ok(answer.map(|body| Received::over(body, lent))),
                Err(Unanswered::Untaken(untaken, _)) if !is_new => request = *untaken,
                Err(Unanswered::Untaken(_, error) | Unanswered::Broken(error)) => {
                    return Err(EgressError::Broken(error.into()));
                }
            }
        }
    }

    async fn open_within(
        self: &Arc<Self>,
        uri: &Uri,
        connect: Option<Duration>,
    ) -> Result<Line, EgressError> {
        let Some(connect) = connect else { return self.open(uri).await };
        let opened = tokio::time::timeout(connect, self.open(uri)).await;
        opened.unwrap_or(Err(EgressError::Late))
    }

    async fn open(self: &Arc<Self>, uri: &Uri) -> Result<Line, EgressError> {
        let stream =
            self.connector.clone().call(uri.clone()).await.map_err(EgressError::Connect)?;
        let line = Line::over(stream).await.map_err(|error| EgressError::Connect(error.into()))?;
        if !self.is_swept.swap(true, Ordering::Relaxed) {
            #[expect(
                clippy::disallowed_methods,
                reason = "it ends with the pool, or with its lane"
            )]
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
        Ok(line)
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        lock(&self.hosts).iter().map(|host| lock(&host.waiting).len()).sum()
    }

    fn host(&self, uri: &Uri) -> Result<Arc<Host>, EgressError> {
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err(EgressError::Connect("there is no host in the address".into()));
        };
        let mut hosts = lock(&self.hosts);
        let known = hosts.iter().find(|it| it.authority == *authority && it.scheme == *scheme);
        if let Some(host) = known {
            return Ok(Arc::clone(host));
        }
        let host = Arc::new(Host {
            scheme: scheme.clone(),
            authority: authority.clone(),
            name: name(uri).map_err(|error| EgressError::Connect(error.into()))?,
            waiting: Mutex::default(),
        });
        hosts.push(Arc::clone(&host));
        Ok(host)
    }
}

impl Host {
    fn take(&self) -> Option<Line> {
        lock(&self.waiting).pop().map(|waiting| waiting.line)
    }

    fn put(&self, line: Line) {
        let mut waiting = lock(&self.waiting);
        if waiting.len() < WAITING_MAX {
            waiting.push(Waiting { line, sweeps: 0 });
        }
    }

    fn sweep(&self) {
        lock(&self.waiting).retain_mut(|waiting| {
            waiting.sweeps += 1;
            waiting.sweeps < SWEEPS_MAX && waiting.line.is_open()
        });
    }
}

impl Lent {
    pub(super) fn line(&mut self) -> &mut Line {
        self.line.as_mut().expect("it is not dropped")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(line) = self.line.take_if(Line::is_free) {
            self.host.put(line);
        }
    }
}

/// One for all that wait: none has a timer of its own.
async fn sweep(pool: Weak<Pool>) {
    loop {
        tokio::time::sleep(SWEEP_INTERVAL).await;
        let Some(pool) = pool.upgrade() else { return };
        let hosts = lock(&pool.hosts).clone();
        for host in hosts {
            host.sweep();
        }
    }
}

/// Leaves of `uri` what is said to the host itself, and answers the whole.
fn origin_form(uri: &mut Uri) -> Uri {
    let asked = uri.path_and_query().cloned();
    let origin = Uri::from(asked.unwrap_or_else(|| PathAndQuery::from_static("/")));
    replace(uri, origin)
}

/// The host as it is named to itself: with the port, where that is not what its scheme says anyway.
fn name(uri: &Uri) -> Result<HeaderValue, http::header::InvalidHeaderValue> {
    let host = uri.host().unwrap_or_default();
    match (uri.port_u16(), uri.scheme_str()) {
        (None, _) | (Some(443), Some("https")) | (Some(80), Some("http")) => {
            HeaderValue::from_str(host)
        }
        (Some(port), _) => HeaderValue::from_str(&format!("{host}:{port}")),
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
