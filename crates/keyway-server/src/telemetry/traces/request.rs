//! The span of one inference request, from its head to its settlement.

use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};

use http::{Extensions, Request, StatusCode};
use keyway_core::clock::Timestamp;
use keyway_core::id::GenerationId;
use keyway_core::ledger::Ending;

use super::attempt::{AttemptTrace, Callee};
use super::context::{SpanContext, new_span, new_trace};
use super::span::{Parent, Preface, Span, SpanKind, Tracer};
use super::wire::Value;

/// What the error of a request is called whose client did not wait for the answer.
const CLIENT_LEFT: &str = "client_left";

/// A route for inference, and what is asked for there.
#[derive(Debug)]
pub struct Route {
    path: &'static str,
    operation: &'static str,
    preface: Preface,
}

static ROUTES: LazyLock<[Route; 6]> = LazyLock::new(|| {
    [
        Route::new("/api/v1/chat/completions", "chat"),
        Route::new("/api/v1/completions", "text_completion"),
        Route::new("/api/v1/messages", "chat"),
        Route::new("/api/v1/responses", "chat"),
        Route::new("/api/v1/embeddings", "embeddings"),
        Route::new("/api/v1/rerank", "rerank"),
    ]
});

impl Route {
    fn new(path: &'static str, operation: &'static str) -> Self {
        let mut preface = Preface::new(SpanKind::Server);
        preface.title("POST", path);
        preface.says("http.request.method", Value::Text("POST"));
        preface.says("http.route", Value::Text(path));
        preface.says("url.path", Value::Text(path));
        preface.says("gen_ai.operation.name", Value::Text(operation));
        Self { path, operation, preface }
    }

    pub(super) fn of(path: &str) -> Option<&'static Self> {
        let path = path.strip_suffix('/').unwrap_or(path);
        ROUTES.iter().find(|route| route.path == path)
    }
}

/// A request's span; begins when its key is accepted, and ends when the last of its copies is dropped. None
/// of what is said of a request that is not traced does anything.
///
/// Before, it is a stranger's: who has no key says neither that there is a span, nor which trace it is of.
#[derive(Clone, Debug, Default)]
pub struct Trace(Option<Arc<Open>>);

#[derive(Debug)]
struct Open {
    tracer: Arc<Tracer>,
    route: &'static Route,
    /// What the client says that it belongs to, and when it came.
    parent: Option<SpanContext>,
    since: Timestamp,
    begun: OnceLock<Begun>,
}

#[derive(Debug)]
struct Begun {
    context: SpanContext,
    /// None of a trace that is not told.
    state: Option<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    span: Span,
    is_answered: bool,
}

impl Trace {
    pub(super) fn new(
        tracer: &Arc<Tracer>,
        route: &'static Route,
        parent: Option<SpanContext>,
    ) -> Self {
        let (tracer, since) = (Arc::clone(tracer), tracer.clock.now());
        Self(Some(Arc::new(Open { tracer, route, parent, since, begun: OnceLock::new() })))
    }

    /// The key of its request was accepted.
    pub(crate) fn accepted(&self) {
        if let Some(open) = &self.0 {
            open.begun.get_or_init(|| open.begin());
        }
    }

    fn begun(&self) -> Option<(&Open, &Begun)> {
        let open = self.0.as_deref()?;
        Some((open, open.begun.get()?))
    }

    fn state(&self) -> Option<MutexGuard<'_, State>> {
        let state = self.begun()?.1.state.as_ref()?;
        Some(state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Of a request that it came along with.
    pub(crate) fn of(extensions: &Extensions) -> Self {
        extensions.get().cloned().unwrap_or_default()
    }

    /// Comes along with `request`.
    pub(crate) fn join<B>(&self, request: &mut Request<B>) {
        if self.0.is_some() {
            request.extensions_mut().insert(self.clone());
        }
    }

    #[cfg(test)]
    pub(super) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// It was admitted as `id`, and asks for `model`.
    pub(crate) fn admitted(&self, id: &GenerationId, model: &str, streamed: bool) {
        let Some(mut state) = self.state() else { return };
        state.span.says_text("gen_ai.response.id", &id.to_string());
        state.span.says_text("gen_ai.request.model", model);
        state.span.says("gen_ai.request.stream", Value::Flag(streamed));
    }

    /// Its answer has this status; `refused` says in a word why it was refused, where it was.
    pub(crate) fn answered(&self, status: StatusCode, refused: Option<&str>) {
        let Some(mut state) = self.state() else { return };
        state.is_answered = true;
        let code = Value::Count(u64::from(status.as_u16()));
        state.span.says("http.response.status_code", code);
        if let Some(reason) = refused {
            state.span.error(reason);
        }
        // What a client did wrong is no failure of the server.
        if status.is_server_error() {
            state.span.fail();
        }
    }

    /// It ended thus, maybe long after its answer had begun.
    pub(crate) fn ended(&self, ending: Ending, model: &str) {
        let Some(mut state) = self.state() else { return };
        state.span.says_text("gen_ai.response.model", model);
        if ending != Ending::Completed {
            state.span.error(ending.as_str());
        }
        if matches!(ending, Ending::ProviderFailed | Ending::Stopped | Ending::Crashed) {
            state.span.fail();
        }
    }

    /// Begins the span of an attempt to have it answered.
    pub(crate) fn attempt(&self, callee: &Callee, model: &str, streamed: bool) -> AttemptTrace {
        let Some((open, begun)) = self.begun() else { return AttemptTrace::default() };
        let asked = (callee, model, streamed);
        AttemptTrace::begin(&open.tracer, begun.context, open.route.operation, asked)
    }
}

impl Open {
    fn begin(&self) -> Begun {
        let Self { tracer, parent, .. } = self;
        let trace = parent.map_or_else(new_trace, |parent| parent.trace);
        let is_sampled = tracer.sampling.takes(trace, parent.as_ref());
        let context = SpanContext { trace, span: new_span(), is_sampled };
        let state = is_sampled.then(|| {
            let parent = parent.map_or(Parent::Nothing, |parent| Parent::Remote(parent.span));
            let span = tracer.span(context, parent, self.since, &self.route.preface);
            Mutex::new(State { span, is_answered: false })
        });
        Begun { context, state }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        if !self.is_answered {
            self.span.error(CLIENT_LEFT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_known_with_a_slash_and_without() {
        for path in ["/api/v1/messages", "/api/v1/messages/"] {
            assert_eq!(Route::of(path).map(|route| route.operation), Some("chat"), "{path}");
        }
        for path in ["/api/v1/messages/count_tokens", "/api/v1/keys", "/", ""] {
            assert!(Route::of(path).is_none(), "{path}");
        }
    }
}
