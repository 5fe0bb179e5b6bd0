//! The span of one attempt: what was asked of a provider, and what came of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Uri;
use keyway_core::ledger::Ending;
use keyway_core::pricing::Usage;
use keyway_providers::dialect::Dialect;

use super::context::{SpanContext, new_span};
use super::span::{Parent, Preface, Span, SpanKind, Tracer};
use super::wire::Value;

const PROVIDER: &str = "gen_ai.provider.name";

/// Who is asked, as its spans name it.
#[derive(Clone, Debug)]
pub struct Callee(Preface);

/// What is known of an answer at its end.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    pub ending: Ending,
    pub usage: &'a Usage,
    /// What the provider calls the answer.
    pub id: Option<&'a str>,
    pub finish_reason: Option<&'a str>,
}

/// An attempt's span. None of what is said of one that is not traced, or has ended, does anything.
#[derive(Clone, Debug, Default)]
pub struct AttemptTrace(Option<Arc<Begun>>);

#[derive(Debug)]
struct Begun {
    context: SpanContext,
    /// Until it ended; none of a trace that is not told.
    span: Mutex<Option<Span>>,
}

impl Callee {
    /// The provider `slug` that speaks `dialect` at `base_url`.
    pub fn new(slug: &str, dialect: Dialect, base_url: &str) -> Self {
        let provider = dialect.otel_name().unwrap_or(slug);
        let Some((host, port)) = server(base_url) else { return Self::within(provider) };
        let mut preface = Preface::new(SpanKind::Client);
        preface.says(PROVIDER, Value::Text(provider));
        preface.says("server.address", Value::Text(&host));
        preface.says("server.port", Value::Count(u64::from(port)));
        Self(preface)
    }

    /// One that runs in this process.
    pub fn within(slug: &str) -> Self {
        let mut preface = Preface::new(SpanKind::Internal);
        preface.says(PROVIDER, Value::Text(slug));
        Self(preface)
    }
}

fn server(base_url: &str) -> Option<(String, u16)> {
    let uri: Uri = base_url.parse().ok()?;
    let is_secure = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
    Some((uri.host()?.to_owned(), port))
}

impl AttemptTrace {
    /// Of the request at `parent`, which asks `callee` for `operation`.
    pub(super) fn begin(
        tracer: &Arc<Tracer>,
        parent: SpanContext,
        operation: &'static str,
        (callee, model, streamed): (&Callee, &str, bool),
    ) -> Self {
        let context = SpanContext { span: new_span(), ..parent };
        let span = context.is_sampled.then(|| {
            let (parent, since) = (Parent::Local(parent.span), tracer.clock.now());
            let mut span = tracer.span(context, parent, since, &callee.0);
            span.title(operation, model);
            span.says_text("gen_ai.operation.name", operation);
            span.says_text("gen_ai.request.model", model);
            span.says("gen_ai.request.stream", Value::Flag(streamed));
            span
        });
        Self(Some(Arc::new(Begun { context, span: Mutex::new(span) })))
    }

    fn span(&self) -> Option<MutexGuard<'_, Option<Span>>> {
        self.0.as_ref().map(|begun| begun.span.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What tells the provider which trace its own spans belong to.
    pub(crate) fn traceparent(&self) -> Option<String> {
        self.0.as_ref().map(|begun| begun.context.traceparent())
    }

    /// A stream began `after` it was asked for.
    pub(crate) fn began(&self, after: Duration) {
        if let Some(span) = self.span().as_deref_mut().and_then(Option::as_mut) {
            let seconds = Value::Fraction(after.as_secs_f64());
            span.says("gen_ai.response.time_to_first_chunk", seconds);
        }
    }

    /// It failed in this way, in a word, or with this status.
    pub(crate) fn failed(&self, kind: &str) {
        if let Some(mut span) = self.span().and_then(|mut span| span.take()) {
            span.error(kind);
            span.fail();
        }
    }

    /// It answered, and its answer ended.
    pub(crate) fn ended(&self, said: &Said<'_>) {
        if let Some(mut span) = self.span().and_then(|mut span| span.take()) {
            end(&mut span, said);
        }
    }
}

fn end(span: &mut Span, said: &Said<'_>) {
    let usage = said.usage;
    span.says("gen_ai.usage.input_tokens", Value::Count(usage.prompt_tokens));
    span.says("gen_ai.usage.output_tokens", Value::Count(usage.completion_tokens));
    if usage.cached_tokens > 0 {
        span.says("gen_ai.usage.cache_read.input_tokens", Value::Count(usage.cached_tokens));
    }
    if let Some(id) = said.id {
        span.says_text("gen_ai.response.id", id);
    }
    if let Some(reason) = said.finish_reason {
        span.says("gen_ai.response.finish_reasons", Value::OneText(reason));
    }
    if said.ending != Ending::Completed {
        span.error(said.ending.as_str());
    }
    if said.ending == Ending::ProviderFailed {
        span.fail();
    }
}

#[cfg(test)]
mod tests {
    use keyway_providers::openai::Quirks;
    use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
    use opentelemetry_proto::tonic::trace::v1::Span as Told;
    use prost::Message as _;

    use super::*;

    #[test]
    fn providers_have_the_names_that_the_conventions_give_them() {
        let named = |name| Dialect::OpenAi(Quirks::named(name).expect("known"));
        for (dialect, url, name, server) in [
            (named("mistral"), "https://api.mistral.ai/v1", "mistral_ai", ("api.mistral.ai", 443)),
            (named("plain"), "http://127.0.0.1:11434/v1", "mine", ("127.0.0.1", 11434)),
            (Dialect::Bedrock, "http://b.example", "aws.bedrock", ("b.example", 80)),
        ] {
            let Callee(preface) = Callee::new("mine", dialect, url);
            let span = Told::decode(preface.as_slice()).expect("protobuf");
            let said = span.attributes.into_iter();
            let said: Vec<_> = said.map(|it| it.value.and_then(|any| any.value)).collect();
            let text = |text: &str| Some(Any::StringValue(text.to_owned()));
            let expected = [text(name), text(server.0), Some(Any::IntValue(server.1))];
            assert_eq!((span.kind, said.as_slice()), (SpanKind::Client as i32, &expected[..]));
        }
    }
}
