//! The span of one inference request, from its head to its settlement.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::SystemTime;

use http::{Extensions, Request, StatusCode};
use keyway_core::id::GenerationId;
use keyway_core::ledger::Ending;
use opentelemetry::trace::{
    Span, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt, Tracer,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SdkTracer, Span as SdkSpan};

use super::attempt::{AttemptTrace, Callee};

/// What the error of a request is called whose client did not wait for the answer.
const CLIENT_LEFT: &str = "client_left";

/// A route for inference, and what is asked for there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    pub path: &'static str,
    pub operation: &'static str,
}

const fn route(path: &'static str, operation: &'static str) -> Route {
    Route { path, operation }
}

const ROUTES: [Route; 6] = [
    route("/api/v1/chat/completions", "chat"),
    route("/api/v1/completions", "text_completion"),
    route("/api/v1/messages", "chat"),
    route("/api/v1/responses", "chat"),
    route("/api/v1/embeddings", "embeddings"),
    route("/api/v1/rerank", "rerank"),
];

impl Route {
    pub(super) fn of(path: &str) -> Option<Self> {
        let path = path.strip_suffix('/').unwrap_or(path);
        ROUTES.into_iter().find(|route| route.path == path)
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
    tracer: SdkTracer,
    route: Route,
    /// What the client says that it belongs to, and when it came.
    parent: Context,
    since: SystemTime,
    begun: OnceLock<Begun>,
}

#[derive(Debug)]
struct Begun {
    context: SpanContext,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    span: SdkSpan,
    is_answered: bool,
}

impl Trace {
    pub(super) fn new(tracer: &SdkTracer, route: Route, parent: Context) -> Self {
        let (since, begun) = (opentelemetry::time::now(), OnceLock::new());
        Self(Some(Arc::new(Open { tracer: tracer.clone(), route, parent, since, begun })))
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
        let Some((_, begun)) = self.begun() else { return };
        begun.state().span.set_attributes([
            KeyValue::new("gen_ai.response.id", id.to_string()),
            KeyValue::new("gen_ai.request.model", model.to_owned()),
            KeyValue::new("gen_ai.request.stream", streamed),
        ]);
    }

    /// Its answer has this status; `refused` says in a word why it was refused, where it was.
    pub(crate) fn answered(&self, status: StatusCode, refused: Option<&str>) {
        let Some((_, begun)) = self.begun() else { return };
        let mut state = begun.state();
        state.is_answered = true;
        let code = KeyValue::new("http.response.status_code", i64::from(status.as_u16()));
        state.span.set_attribute(code);
        if let Some(reason) = refused {
            state.span.set_attribute(KeyValue::new("error.type", reason.to_owned()));
        }
        // What a client did wrong is no failure of the server.
        if status.is_server_error() {
            state.span.set_status(Status::error(""));
        }
    }

    /// It ended thus, maybe long after its answer had begun.
    pub(crate) fn ended(&self, ending: Ending, model: &str) {
        let Some((_, begun)) = self.begun() else { return };
        let mut state = begun.state();
        state.span.set_attribute(KeyValue::new("gen_ai.response.model", model.to_owned()));
        if ending != Ending::Completed {
            state.span.set_attribute(KeyValue::new("error.type", ending.as_str()));
        }
        if matches!(ending, Ending::ProviderFailed | Ending::Stopped | Ending::Crashed) {
            state.span.set_status(Status::error(""));
        }
    }

    /// Begins the span of an attempt to have it answered.
    pub(crate) fn attempt(&self, callee: &Callee, model: &str, streamed: bool) -> AttemptTrace {
        let Some((open, begun)) = self.begun() else { return AttemptTrace::default() };
        let parent = Context::new().with_remote_span_context(begun.context.clone());
        AttemptTrace::begin(&open.tracer, &parent, open.route.operation, (callee, model, streamed))
    }
}

impl Open {
    fn begin(&self) -> Begun {
        let Route { path, operation } = self.route;
        let attributes = vec![
            KeyValue::new("http.request.method", "POST"),
            KeyValue::new("http.route", path),
            KeyValue::new("url.path", path),
            KeyValue::new("gen_ai.operation.name", operation),
        ];
        let builder = SpanBuilder::from_name(format!("POST {path}"))
            .with_kind(SpanKind::Server)
            .with_start_time(self.since)
            .with_attributes(attributes);
        let span = self.tracer.build_with_context(builder, &self.parent);
        let context = span.span_context().clone();
        Begun { context, state: Mutex::new(State { span, is_answered: false }) }
    }
}

impl Begun {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if !state.is_answered {
            state.span.set_attribute(KeyValue::new("error.type", CLIENT_LEFT));
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
            assert_eq!(Route::of(path), None, "{path}");
        }
    }
}
