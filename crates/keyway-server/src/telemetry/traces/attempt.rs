//! The span of one attempt: what was asked of a provider, and what came of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Uri;
use keyway_core::ledger::Ending;
use keyway_core::pricing::Usage;
use keyway_providers::dialect::Dialect;
use opentelemetry::trace::{Span, SpanBuilder, SpanKind, Status, Tracer};
use opentelemetry::{Array, Context, KeyValue, StringValue, Value};
use opentelemetry_sdk::trace::{SdkTracer, Span as SdkSpan};

/// Who is asked, as its spans name it.
#[derive(Clone, Debug, Default)]
pub struct Callee {
    provider: String,
    /// Host and port; `None` where nothing is connected to.
    server: Option<(String, i64)>,
}

/// What is known of an answer at its end.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    pub ending: Ending,
    pub usage: &'a Usage,
    /// What the provider calls the answer.
    pub id: Option<&'a str>,
    pub finish_reason: Option<&'a str>,
}

/// An attempt's span. None of what is said of one that is not traced does anything.
#[derive(Clone, Debug, Default)]
pub struct AttemptTrace(Option<Arc<Mutex<SdkSpan>>>);

impl Callee {
    /// The provider `slug` that speaks `dialect` at `base_url`.
    pub fn new(slug: &str, dialect: Dialect, base_url: &str) -> Self {
        let provider = dialect.otel_name().unwrap_or(slug).to_owned();
        let uri: Option<Uri> = base_url.parse().ok();
        let server = uri.and_then(|uri| {
            let is_secure = uri.scheme_str() == Some("https");
            let port = uri.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
            Some((uri.host()?.to_owned(), i64::from(port)))
        });
        Self { provider, server }
    }

    /// One that runs in this process.
    pub fn within(slug: &str) -> Self {
        Self { provider: slug.to_owned(), server: None }
    }
}

impl AttemptTrace {
    pub(super) fn begin(
        tracer: &SdkTracer,
        parent: &Context,
        operation: &'static str,
        (callee, model, streamed): (&Callee, &str, bool),
    ) -> Self {
        let mut attributes = vec![
            KeyValue::new("gen_ai.operation.name", operation),
            KeyValue::new("gen_ai.provider.name", callee.provider.clone()),
            KeyValue::new("gen_ai.request.model", model.to_owned()),
            KeyValue::new("gen_ai.request.stream", streamed),
        ];
        if let Some((host, port)) = &callee.server {
            attributes.push(KeyValue::new("server.address", host.clone()));
            attributes.push(KeyValue::new("server.port", *port));
        }
        let kind = if callee.server.is_some() { SpanKind::Client } else { SpanKind::Internal };
        let builder = SpanBuilder::from_name(format!("{operation} {model}"))
            .with_kind(kind)
            .with_attributes(attributes);
        Self(Some(Arc::new(Mutex::new(tracer.build_with_context(builder, parent)))))
    }

    fn span(&self) -> Option<MutexGuard<'_, SdkSpan>> {
        self.0.as_ref().map(|span| span.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What tells the provider which trace its own spans belong to.
    pub(crate) fn traceparent(&self) -> Option<String> {
        self.span().map(|span| {
            let context = span.span_context();
            let (trace, id) = (context.trace_id(), context.span_id());
            format!("00-{trace}-{id}-{:02x}", context.trace_flags())
        })
    }

    /// A stream began `after` it was asked for.
    pub(crate) fn began(&self, after: Duration) {
        if let Some(mut span) = self.span() {
            let name = "gen_ai.response.time_to_first_chunk";
            span.set_attribute(KeyValue::new(name, after.as_secs_f64()));
        }
    }

    /// It failed in this way, in a word, or with this status.
    pub(crate) fn failed(&self, kind: &str) {
        if let Some(mut span) = self.span() {
            span.set_attribute(KeyValue::new("error.type", kind.to_owned()));
            span.set_status(Status::error(""));
            span.end();
        }
    }

    /// It answered, and its answer ended.
    pub(crate) fn ended(&self, said: &Said<'_>) {
        let Some(mut span) = self.span() else { return };
        let count = |tokens: u64| i64::try_from(tokens).unwrap_or(i64::MAX);
        let usage = said.usage;
        span.set_attributes([
            KeyValue::new("gen_ai.usage.input_tokens", count(usage.prompt_tokens)),
            KeyValue::new("gen_ai.usage.output_tokens", count(usage.completion_tokens)),
        ]);
        if usage.cached_tokens > 0 {
            let cached = count(usage.cached_tokens);
            span.set_attribute(KeyValue::new("gen_ai.usage.cache_read.input_tokens", cached));
        }
        if let Some(id) = said.id {
            span.set_attribute(KeyValue::new("gen_ai.response.id", id.to_owned()));
        }
        if let Some(reason) = said.finish_reason {
            let reasons = Array::String(vec![StringValue::from(reason.to_owned())]);
            let reasons = Value::Array(reasons);
            span.set_attribute(KeyValue::new("gen_ai.response.finish_reasons", reasons));
        }
        if said.ending != Ending::Completed {
            span.set_attribute(KeyValue::new("error.type", said.ending.as_str()));
        }
        if said.ending == Ending::ProviderFailed {
            span.set_status(Status::error(""));
        }
        span.end();
    }
}

#[cfg(test)]
mod tests {
    use keyway_providers::openai::Quirks;

    use super::*;

    #[test]
    fn providers_have_the_names_that_the_conventions_give_them() {
        let named = |name| Dialect::OpenAi(Quirks::named(name).expect("known"));
        for (dialect, url, name, server) in [
            (named("mistral"), "https://api.mistral.ai/v1", "mistral_ai", ("api.mistral.ai", 443)),
            (named("plain"), "http://127.0.0.1:11434/v1", "mine", ("127.0.0.1", 11434)),
            (Dialect::Bedrock, "http://b.example", "aws.bedrock", ("b.example", 80)),
        ] {
            let callee = Callee::new("mine", dialect, url);
            let server = (server.0.to_owned(), server.1);
            assert_eq!((callee.provider.as_str(), callee.server), (name, Some(server)));
        }
    }
}
