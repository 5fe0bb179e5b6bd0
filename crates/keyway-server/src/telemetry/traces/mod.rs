//! Spans of inference requests, told to a collector of OpenTelemetry where one is configured.
//!
//! They are named as OpenTelemetry's conventions for HTTP servers and for generative AI say. None has a key,
//! a credential or anything of what is said in it.
//!
//! A span is written as OTLP has it while it goes on, and lies in one queue with the others of its batch when
//! it ended: no tree of it is made, and who ends it wakes nobody.

mod attempt;
mod carrier;
mod context;
mod envelope;
mod export;
mod request;
mod sampling;
mod span;
mod wire;

use std::sync::Arc;

use http::{Method, Request, Uri};
use keyway_core::clock::Clock;
use thiserror::Error;

pub use self::attempt::{AttemptTrace, Callee, Said};
use self::carrier::Carrier;
use self::context::SpanContext;
use self::envelope::Envelope;
use self::export::Queue;
pub(crate) use self::export::{Export, SpanCounts};
pub use self::request::{Route, Trace};
use self::sampling::Sampling;
use self::span::Tracer;
use crate::config::TracesConfig;

/// Begins spans; switched off it does nothing.
#[derive(Debug, Default)]
pub struct Traces(Option<Arc<Tracer>>);

/// The collector's address is none.
#[derive(Debug, Error)]
#[error("the collector's address is no http:// or https:// URL")]
pub struct TracesError;

impl Traces {
    /// Spans of the node `name`, and what tells them; nothing of either without a collector.
    pub(crate) fn new(
        config: &TracesConfig,
        name: &str,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Option<Export>), TracesError> {
        let Some(endpoint) = &config.endpoint else { return Ok((Self::default(), None)) };
        let uri: Uri = endpoint.parse().map_err(|_| TracesError)?;
        let said = &config.environment;
        let envelope = Envelope::new(name, &said.attributes);
        let carrier = Carrier::new(uri, said.headers.clone(), said.timeout);
        let queue = Queue::new(envelope);
        let export = Export::new(queue.clone(), carrier);
        let tracer = Tracer { queue, sampling: sampling(config), clock };
        Ok((Self(Some(Arc::new(tracer))), Some(export)))
    }

    /// How many spans were told and how many were not.
    pub(crate) fn counts(&self) -> Arc<SpanCounts> {
        self.0.as_ref().map(|tracer| Arc::clone(tracer.queue.counts())).unwrap_or_default()
    }

    /// The span of an inference request, which begins when its key is accepted; of all else there is none.
    pub(crate) fn begin<B>(&self, request: &Request<B>) -> Trace {
        let Some(tracer) = &self.0 else { return Trace::default() };
        let route = Route::of(request.uri().path()).filter(|_| request.method() == Method::POST);
        let Some(route) = route else { return Trace::default() };
        Trace::new(tracer, route, SpanContext::of_client(request.headers()))
    }
}

/// The configuration goes before the environment.
fn sampling(config: &TracesConfig) -> Sampling {
    if let Some(percent) = config.sample_percent {
        return Sampling::of_percent(percent);
    }
    let Some((name, argument)) = &config.environment.sampler else { return Sampling::default() };
    Sampling::named(name, argument.as_deref()).unwrap_or_else(|| {
        tracing::warn!("OTEL_TRACES_SAMPLER names nothing that is known: all requests are traced");
        Sampling::default()
    })
}

#[cfg(test)]
mod tests {
    use keyway_core::clock::ManualClock;

    use super::*;

    #[test]
    fn switched_off_nothing_begins() {
        let clock = Arc::<ManualClock>::default();
        let (traces, export) = Traces::new(&TracesConfig::default(), "a", clock).expect("nothing");
        assert!(export.is_none());
        let request = Request::post("/api/v1/chat/completions").body(()).expect("a request");
        assert!(!traces.begin(&request).is_on());
    }
}
