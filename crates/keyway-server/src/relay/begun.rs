//! What is known of a request once an endpoint is to answer it.

use std::sync::Arc;

use keyway_core::clock::Timestamp;
use keyway_core::ledger::{Course, Metered};
use keyway_core::money::Nanos;
use keyway_core::routing::Attempt;
use keyway_providers::chat::Envelope;

use super::ask::Begun;
use super::dispatch::Dispatched;
use super::exchange::Exchange;
use super::job::Job;
use super::pass::Pass;
use super::recording::Recording;
use super::upstream::{Reply, Upstream};
use super::{course, told};

impl Job {
    /// An endpoint began to answer.
    pub(super) fn exchange_with(
        &self,
        metered: &Metered,
        pass: Arc<Pass>,
        dispatched: Dispatched<'_>,
        recording: Option<Recording>,
    ) -> (Box<Exchange>, Reply) {
        let Dispatched { begun, failed, hedged } = dispatched;
        let Begun { attempt, upstream, reply, watch } = begun;
        let reserved = hedged.as_ref().map_or(metered.reserved, |hedged| hedged.reserved);
        let now = self.app.clock.now();
        let exchange = self.exchange(metered, reserved, pass, attempt, Some(upstream), now);
        let mut exchange = Box::new(exchange);
        exchange.lost = hedged.and_then(|hedged| hedged.lost);
        if failed.is_empty() {
            self.app.metrics.admitted(self.arrived, watch.sent());
        }
        let (model, provider) = (&attempt.model().id, &attempt.endpoint().provider);
        self.app.metrics.began(model, provider, self.streamed, || watch.took());
        exchange.watch = Some(watch);
        exchange.recording = recording;
        exchange.course = course::begun(metered, Some(attempt), failed, now);
        if let Some(requested) = &self.told_routing {
            let told =
                told::routing(&self.app, requested, &self.plan, attempt, &exchange.course.tried);
            exchange.voice.tell_routing(told);
        }
        (exchange, reply)
    }

    /// What `attempt` at `upstream` is to answer, of a request that holds `reserved` by `now`.
    pub(super) fn exchange(
        &self,
        metered: &Metered,
        reserved: Nanos,
        pass: Arc<Pass>,
        attempt: &Attempt,
        upstream: Option<&Upstream>,
        now: Timestamp,
    ) -> Exchange {
        let (endpoint, model) = (attempt.endpoint(), &attempt.model().id);
        let fee = attempt.is_byok().then_some(self.app.byok_fee);
        let metered = Metered {
            model: model.clone(),
            provider: endpoint.provider.clone(),
            is_byok: attempt.is_byok(),
            reserved,
            accounts: metered.accounts.clone(),
            origin: Arc::clone(&metered.origin),
            ..*metered
        };
        Exchange {
            app: Arc::clone(&self.app),
            pass,
            envelope: Envelope {
                id: self.id.to_string(),
                model: model.clone(),
                provider: upstream.map(|it| it.name.clone()).unwrap_or_default(),
                created: now.as_seconds(),
            },
            voice: self.voice.clone(),
            bound: self.bound.of(fee, self.key.terms.include_byok_in_limit),
            fee,
            rolling: metered.reserved < self.bound.cost,
            metered: Arc::new(metered),
            attempt: attempt.clone(),
            trusts_cost: upstream.is_some_and(|it| it.trust_provider_cost),
            permit: Arc::clone(&self.permit),
            watch: None,
            conversation: self.conversation.clone(),
            course: Course::default(),
            lost: None,
            recording: None,
            trace: self.trace.clone(),
        }
    }
}
