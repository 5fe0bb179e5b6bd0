//! Asking endpoints: one alone, or a second where the first is slow to begin.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};

use keyway_core::routing::Attempt;
use keyway_core::secret::KeySecret;
use keyway_providers::chat::ChatRequest;
use keyway_providers::dialect::Target;

use super::dispatch::Failed;
use super::hedge::{Hedge, Hedged, Lost};
use super::room::Length;
use super::upstream::{Failure, Reply, Upstream};
use super::watch::Watch;
use crate::app::App;
use crate::egress::Handed;
use crate::http::shed::Shed;
use crate::telemetry::traces::Trace;

/// An endpoint that is to be asked.
pub(super) struct Ask<'a> {
    pub(super) attempt: &'a Attempt,
    pub(super) upstream: &'a Upstream,
    pub(super) credential: Option<KeySecret>,
    pub(super) length: Length,
    pub(super) trace: &'a Trace,
}

/// An endpoint that began to answer, and what it said.
#[derive(Debug)]
pub(super) struct Begun<'a> {
    pub(super) attempt: &'a Attempt,
    pub(super) upstream: &'a Upstream,
    pub(super) reply: Reply,
    pub(super) watch: Watch,
}

/// What came of asking one, or two.
pub(super) struct Asked<'a> {
    pub(super) begun: Option<Begun<'a>>,
    pub(super) failed: Vec<Failed<'a>>,
    /// `None` where only the first was asked.
    pub(super) hedged: Option<Hedged>,
}

impl<'a> Asked<'a> {
    fn one(sent: Result<Begun<'a>, Failed<'a>>) -> Self {
        match sent {
            Ok(begun) => Self { begun: Some(begun), failed: Vec::new(), hedged: None },
            Err(failed) => Self { begun: None, failed: vec![failed], hedged: None },
        }
    }
}

impl<'a> Ask<'a> {
    /// Asks it, and nobody else, and waits until it begins to answer or fails.
    pub(super) async fn alone(
        &self,
        app: &App,
        request: &mut ChatRequest,
        handed: &Handed,
    ) -> Asked<'a> {
        let watch = self.watch(request);
        Asked::one(self.send(app, request, &watch, handed).await)
    }

    fn watch(&self, request: &mut ChatRequest) -> Watch {
        let model = &self.attempt.endpoint().upstream_model;
        let trace = self.trace.attempt(&self.upstream.callee, model, request.stream);
        request.traceparent = self.upstream.pass_traceparent.then(|| trace.traceparent()).flatten();
        Watch::start(self.attempt, trace)
    }

    async fn send(
        &self,
        app: &App,
        request: &mut ChatRequest,
        watch: &Watch,
        handed: &Handed,
    ) -> Result<Begun<'a>, Failed<'a>> {
        match self.call(request, handed).await {
            Ok(reply) => {
                let watch = watch.clone().began(matches!(reply, Reply::Stream(..)));
                Ok(Begun { attempt: self.attempt, upstream: self.upstream, reply, watch })
            }
            Err(failure) => {
                if failure.crowded {
                    app.edge.shed.add(Shed::Provider);
                }
                watch.failed(app, &failure);
                let failed = self.failed(failure, watch);
                failed.log();
                Err(failed)
            }
        }
    }

    /// Once more for a shorter answer where it was refused for what the gateway itself had asked for.
    async fn call(&self, request: &mut ChatRequest, handed: &Handed) -> Result<Reply, Failure> {
        let endpoint = self.attempt.endpoint();
        request.serve_in(endpoint.traits.service_tier.as_deref());
        // Where a limit has to hold the provider is told what was reserved for, whoever said it.
        let tells = request.max_tokens.is_some() || request.is_held_to_bound();
        let mut tokens = self.length.first;
        let mut again = self.length.again.filter(|_| tells || self.upstream.always_bounds());
        loop {
            request.max_tokens = tells.then_some(tokens);
            let target = Target { model: &endpoint.upstream_model, completion_tokens_max: tokens };
            let (key, patience) = (self.credential.as_ref(), endpoint.patience);
            let sent = self.upstream.send(request, &target, key, patience, Some(handed)).await;
            match (sent, again.take()) {
                (Err(failure), Some(fewer))
                    if failure.is_requests() && failure.untold.is_none() =>
                {
                    tokens = fewer;
                }
                (sent, _) => return sent,
            }
        }
    }

    fn failed(&self, failure: Failure, watch: &Watch) -> Failed<'a> {
        let (provider, ms) = (self.upstream.name.as_str(), watch.so_far_ms());
        Failed { attempt: self.attempt, provider, failure, ms }
    }
}

/// Asks `first`, and `second` too where that does not begin in time.
pub(super) async fn race<'a>(
    app: &App,
    hedge: &Hedge<'_>,
    (first, second): (&Ask<'a>, &Ask<'a>),
    request: &mut ChatRequest,
    client_left: &AtomicBool,
) -> Asked<'a> {
    // Each is asked in its own words.
    let mut copy = request.clone();
    let first_watch = first.watch(request);
    let (first_handed, second_handed) = (Handed::default(), Handed::default());
    let mut one = pin!(first.send(app, request, &first_watch, &first_handed));
    tokio::select! {
        biased;
        sent = &mut one => return Asked::one(sent),
        () = tokio::time::sleep(hedge.after) => {}
    }
    let held = if client_left.load(Ordering::Relaxed) { None } else { hedge.hold() };
    let Some(reserved) = held else { return Asked::one(one.await) };
    let second_watch = second.watch(&mut copy);
    let mut other = pin!(second.send(app, &mut copy, &second_watch, &second_handed));
    let (sent, first_began) = tokio::select! {
        biased;
        sent = &mut one => (sent, true),
        sent = &mut other => (sent, false),
    };
    let failed = match sent {
        Ok(begun) => {
            let (outrun, watch, handed) = if first_began {
                (second, &second_watch, &second_handed)
            } else {
                (first, &first_watch, &first_handed)
            };
            let sent = handed.is_done();
            watch.outrun(app, sent);
            // It may still have waited for its turn, for a token or for a connection.
            let lost = sent.then(|| Box::new(Lost::new(outrun.attempt, outrun.upstream)));
            let failed = lost.iter().map(|_| outrun.failed(Failure::outrun(), watch)).collect();
            return Asked { begun: Some(begun), failed, hedged: Some(Hedged { reserved, lost }) };
        }
        Err(failed) => failed,
    };
    let mut asked = Asked::one(if first_began { other.await } else { one.await });
    asked.failed.insert(0, failed);
    asked.hedged = Some(Hedged { reserved, lost: None });
    asked
}
