//! Spans of inference requests, told to a collector of OpenTelemetry where one is configured.
//!
//! They are named as OpenTelemetry's conventions for HTTP servers and for generative AI say. None has a key,
//! a credential or anything of what is said in it.

mod attempt;
mod carrier;
mod export;
mod request;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method, Request, Uri};
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TracerProvider;
use opentelemetry::{Context, InstrumentationScope, Key, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider, SpanExporter as _};
use thiserror::Error;

pub use self::attempt::{AttemptTrace, Callee, Said};
pub use self::export::Export;
pub(crate) use self::export::SpanCounts;
pub use self::request::{Route, Trace};
use crate::config::TracesConfig;
use crate::egress::{Egress, Place};

const SERVICE: &str = "keyway";
/// What OpenTelemetry calls a service that nobody named.
const UNNAMED: &str = "unknown_service";
const TRACEPARENT: &str = "traceparent";
const PERCENT: f64 = 100.0;
/// To find the collector and connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Begins spans; switched off it does nothing.
#[derive(Debug, Default)]
pub struct Traces(Option<On>);

#[derive(Debug)]
struct On {
    tracer: SdkTracer,
    counts: Arc<SpanCounts>,
}

/// Why there is no way to the collector.
#[derive(Debug, Error)]
pub enum TracesError {
    #[error("the collector's address is no http:// or https:// URL")]
    Address,
    #[error("spans cannot be told: {0}")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
}

impl Traces {
    /// Spans of the node `name`, and what tells them; nothing of either without a collector.
    pub fn new(config: &TracesConfig, name: &str) -> Result<(Self, Option<Export>), TracesError> {
        let Some(endpoint) = &config.endpoint else { return Ok((Self::default(), None)) };
        let uri: Uri = endpoint.parse().map_err(|_| TracesError::Address)?;
        // The operator named it, and mostly it is next door.
        let place = Place { uri, allow_private: true, connect_timeout: CONNECT_TIMEOUT };
        let client = carrier::Carrier::new(Egress::new([place]));
        let mut exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(endpoint)
            .build()?;
        let resource = resource(name);
        exporter.set_resource(&resource);
        let (queue, export) = export::queue(exporter);
        let counts = Arc::clone(queue.counts());
        let mut provider =
            SdkTracerProvider::builder().with_span_processor(queue).with_resource(resource);
        if let Some(percent) = config.sample_percent {
            let share = Sampler::TraceIdRatioBased(f64::from(percent) / PERCENT);
            provider = provider.with_sampler(Sampler::ParentBased(Box::new(share)));
        }
        let scope = InstrumentationScope::builder(SERVICE).with_version(env!("CARGO_PKG_VERSION"));
        let tracer = provider.build().tracer_with_scope(scope.build());
        Ok((Self(Some(On { tracer, counts })), Some(export)))
    }

    /// How many spans were told and how many were not.
    pub(crate) fn counts(&self) -> Arc<SpanCounts> {
        self.0.as_ref().map(|on| Arc::clone(&on.counts)).unwrap_or_default()
    }

    /// The span of an inference request, which begins when its key is accepted; of all else there is none.
    pub(crate) fn begin<B>(&self, request: &Request<B>) -> Trace {
        let Some(on) = &self.0 else { return Trace::default() };
        let route = Route::of(request.uri().path()).filter(|_| request.method() == Method::POST);
        let Some(route) = route else { return Trace::default() };
        Trace::new(&on.tracer, route, parent(request.headers()))
    }
}

/// What the client's trace is. Its `tracestate` is not gone on with: it is any text, and long.
fn parent(headers: &HeaderMap) -> Context {
    let said = headers.get(TRACEPARENT).and_then(|value| value.to_str().ok());
    let said: HashMap<_, _> =
        said.map(|said| (TRACEPARENT.to_owned(), said.to_owned())).into_iter().collect();
    TraceContextPropagator::new().extract_with_context(&Context::new(), &said)
}

/// Who tells the spans. What `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` say goes before.
fn resource(name: &str) -> Resource {
    let said = Resource::builder().build();
    let service = said.get(&Key::from_static_str("service.name"));
    let is_named = service.is_some_and(|it| !it.as_str().starts_with(UNNAMED));
    let mut builder = Resource::builder().with_attributes([
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("service.instance.id", name.to_owned()),
    ]);
    if !is_named {
        builder = builder.with_service_name(SERVICE);
    }
    builder.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switched_off_nothing_begins() {
        let (traces, export) = Traces::new(&TracesConfig::default(), "a").expect("nothing");
        assert!(export.is_none());
        let request = Request::post("/api/v1/chat/completions").body(()).expect("a request");
        assert!(!traces.begin(&request).is_on());
    }

    #[test]
    fn a_service_that_nobody_named_has_our_name() {
        let service = resource("a").get(&Key::from_static_str("service.name"));
        assert_eq!(service.map(|it| it.to_string()).as_deref(), Some(SERVICE));
    }
}
