//! One admitted request on its way to an answer, and what every way there needs.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use keyway_core::credential::Fee;
use keyway_core::ledger::{Course, Ending, Metered, Outcome, Refusal, Settlement};
use keyway_core::money::Nanos;
use keyway_core::pricing::{Cost, Pricing, Usage};
use keyway_core::routing::Attempt;
use keyway_core::store::StoreError;
use keyway_providers::chat::{About, Envelope, Receipt};
use keyway_providers::face::{StreamError, Voice};

use super::bound::Bound;
use super::byok::split;
use super::course;
use super::hedge::Lost;
use super::meter::Late;
use super::pass::Pass;
use super::rates::Permit;
use super::recording::{Failure, Recording};
use super::refusal;
use super::sticky::Conversation;
use super::tally::SoFar;
use super::watch::Watch;
use crate::app::App;
use crate::telemetry::metrics::Gate;
use crate::telemetry::traces::{Said, Trace};

#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) app: Arc<App>,
    pub(super) pass: Arc<Pass>,
    pub(super) metered: Arc<Metered>,
    pub(super) envelope: Envelope,
    pub(super) voice: Voice,
    pub(super) bound: Bound,
    /// It was admitted without its whole bound, and holds more ahead of what it delivers.
    pub(super) rolling: bool,
    /// Of the endpoint that answers, or was the last that did not.
    pub(super) attempt: Attempt,
    /// Where another credential than the gateway's own pays the provider: what is charged for that.
    pub(super) fee: Option<Fee>,
    /// Whether what the provider says that it charges is what it charges.
    pub(super) trusts_cost: bool,
    pub(super) permit: Arc<Permit>,
    /// `None` where no endpoint answers.
    pub(super) watch: Option<Watch>,
    pub(super) conversation: Conversation,
    /// How it came to be answered.
    pub(super) course: Course,
    /// Who was asked too, and broken off when this endpoint began.
    pub(super) lost: Option<Box<Lost>>,
    /// What is said, where the key keeps it.
    pub(super) recording: Option<Recording>,
    pub(super) trace: Trace,
}

/// How an answer ended and what it used.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub(super) ending: Ending,
    /// As the provider counted the whole of it; `None` where it did not.
    pub(super) usage: Option<Usage>,
    /// What it counted before the answer ended, for an estimate.
    pub(super) so_far: Option<SoFar>,
    /// What the provider says that it charges.
    pub(super) provider_cost: Option<Nanos>,
    /// UTF-8 bytes of output, for an estimate.
    pub(super) output_bytes: u64,
    /// The provider itself ended it, or answered nothing: the key is not charged (contract, C.5).
    pub(super) free: bool,
    /// What the provider said about its answer.
    pub(super) about: About,
}

impl Ended {
    /// Nothing of an answer of `output_bytes` reached the client, by nobody's failure but ours or the
    /// key's own: nobody is charged for it.
    pub(super) fn withheld(ending: Ending, usage: Option<Usage>, output_bytes: u64) -> Self {
        let about = About::default();
        Self { ending, usage, so_far: None, provider_cost: None, output_bytes, free: true, about }
    }
}

impl Exchange {
    /// Charges what an answer used; durable when it returns.
    pub(super) async fn settle(&mut self, ended: Ended, late: Late) -> Result<Receipt, StoreError> {
        let usage = self.used(&ended);
        let mut cost = self.cost(Usage { images: self.bound.usage.images, ..usage });
        if let (true, Some(total)) = (self.trusts_cost, ended.provider_cost) {
            cost.total = total;
        }
        let lost = self.lost.as_ref().map(|lost| lost.cost(usage, self.metered.admitted_at));
        cost.total = cost.total.saturating_add(lost.unwrap_or(Nanos::ZERO));
        let (free, now) = (ended.free, self.app.clock.now());
        let known = course::ended(&self.course, &self.metered, &ended.about, now);
        let cache_discount = course::cache_discount(&usage, &cost).filter(|_| !free);
        let course = Arc::new(Course { cache_discount, ..known });
        let (charge, byok) = split(self.fee, cost.total);
        let outcome = Outcome {
            usage,
            cost: charge,
            byok: byok.unwrap_or(Nanos::ZERO),
            free,
            ending: ended.ending,
            estimated: ended.usage.is_none() || lost.is_some(),
            course,
        };
        if let Some(watch) = &self.watch {
            watch.ended(&self.app, ended.ending, usage.completion_tokens, now);
            watch.trace().ended(&said(&outcome));
            if ended.ending == Ending::Completed {
                self.conversation.was_at(&self.app, watch.attempt(), usage.cached_tokens, now);
            }
        }
        self.trace.ended(ended.ending, &self.metered.model);
        let metered = self.hold_what_is_asked(&outcome).await;
        let began = self.app.metrics.start();
        let settlement = self.app.meter.settle(&metered, &outcome, late).await;
        self.app.metrics.waited(Gate::Last, began);
        // What is left to do is to hand over the last bytes: a client that has them may ask again.
        self.app.rates.end(&self.permit, usage.total());
        let settlement = settlement?;
        if let Some(recording) = self.recording.take() {
            self.app.contents.offer(recording.said(&self.metered));
        }
        log(&settlement);
        self.app.metrics.settled(&settlement);
        let cost = if free { Cost::default() } else { cost };
        let byok = byok.map(|byok| if free { Nanos::ZERO } else { byok });
        Ok(Receipt { usage, cost, charge: settlement.charge, byok })
    }

    /// Without a price nothing was held. No budget limits such a request, so that what its provider asks
    /// for can be held in the moment in which it is known.
    async fn hold_what_is_asked(&self, outcome: &Outcome) -> Arc<Metered> {
        let metered = Arc::clone(&self.metered);
        let asked = outcome.cost.saturating_add(outcome.byok);
        if self.pricing().is_some() || outcome.free || asked <= metered.reserved {
            return metered;
        }
        match self.app.meter.extend(&metered, asked).await {
            Ok(()) => Arc::new(Metered { reserved: asked, ..Metered::clone(&metered) }),
            Err(_) => metered,
        }
    }

    /// What an answer used, as far as anybody knows.
    pub(super) fn used(&self, ended: &Ended) -> Usage {
        let estimate = || self.bound.estimate(ended.so_far, ended.output_bytes);
        let used = ended.usage.unwrap_or_else(estimate).clamped();
        // Some count the tokens of a ranking, or nothing of it, and bill its units.
        let units = self.bound.prompt_estimate.search_units;
        let search_units = if used.search_units == 0 { units } else { used.search_units };
        Usage { search_units, ..used }
    }

    /// What an unknown price comes to is unknown: it is charged to nobody, and no key with a limit gets
    /// here.
    fn cost(&self, usage: Usage) -> Cost {
        let cost = |pricing: &Pricing| pricing.cost(usage, self.metered.admitted_at);
        self.pricing().map(cost).unwrap_or_default()
    }

    /// `None` where nobody knows the price.
    fn pricing(&self) -> Option<&Pricing> {
        self.attempt.endpoint().pricing.as_ref()
    }

    /// Its provider failed, in these words.
    pub(super) fn record_failure(&mut self, failure: Failure) {
        if let Some(recording) = &mut self.recording {
            recording.fail(failure, &self.envelope.provider);
        }
    }

    /// What was used and charged, and the end of a stream.
    pub(super) fn closing_events(&mut self, receipt: &Receipt) -> Bytes {
        self.voice.closing(&self.envelope, receipt)
    }

    /// What ends the answer of a stream because no budget affords more.
    pub(super) fn limit_event(&mut self, refusal: &Refusal) -> Bytes {
        self.voice.cut_short(&self.envelope, refusal::explanation(refusal))
    }

    /// The end of a stream that fails after its first byte.
    pub(super) fn error_event(
        &mut self,
        status: StatusCode,
        message: &str,
        error_type: &str,
    ) -> Bytes {
        let error = StreamError { code: status.as_u16(), message, error_type };
        self.voice.failure(&self.envelope, &error)
    }
}

/// What the span of an attempt tells of its answer.
fn said(outcome: &Outcome) -> Said<'_> {
    let course = &outcome.course;
    Said {
        ending: outcome.ending,
        usage: &outcome.usage,
        id: course.upstream_id.as_deref(),
        finish_reason: course.finish_reason.as_deref(),
    }
}

fn log(settlement: &Settlement) {
    let request = &settlement.request;
    tracing::info!(
        id = %request.id,
        model = request.model,
        provider = request.provider,
        ending = settlement.ending.as_str(),
        prompt_tokens = settlement.usage.prompt_tokens,
        completion_tokens = settlement.usage.completion_tokens,
        charge = %settlement.charge,
        estimated = settlement.estimated,
        "a request was settled"
    );
}
