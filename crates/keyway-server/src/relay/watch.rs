//! One answer of an endpoint, watched for what it says of the endpoint's health.

use std::time::Duration;

use keyway_core::clock::Timestamp;
use keyway_core::ledger::Ending;
use keyway_core::routing::{Attempt, Outcome};
use tokio::time::Instant;

use super::upstream::Failure;
use crate::app::App;
use crate::telemetry::traces::AttemptTrace;

/// Thousandths of a token per second, of tokens per millisecond.
const THOUSANDTHS: u64 = 1_000_000;
/// What spans call an attempt that got no answer, or one that the gateway cannot pass on,
const UNANSWERED: &str = "no_answer";
/// and one that was waited for no longer.
const OUTRUN: &str = "outrun";

#[derive(Clone, Debug)]
pub(super) struct Watch {
    attempt: Attempt,
    sent: Instant,
    /// When the first chunk of a stream came.
    first: Option<Instant>,
    trace: AttemptTrace,
}

impl Watch {
    pub(super) const fn attempt(&self) -> &Attempt {
        &self.attempt
    }

    /// The request is about to be sent.
    pub(super) fn start(attempt: &Attempt, trace: AttemptTrace) -> Self {
        Self { attempt: attempt.clone(), sent: Instant::now(), first: None, trace }
    }

    pub(super) const fn trace(&self) -> &AttemptTrace {
        &self.trace
    }

    /// How long it has been going on.
    pub(super) fn so_far_ms(&self) -> u64 {
        millis(self.sent, Instant::now())
    }

    /// It is being answered; `streamed` by its first chunk.
    pub(super) fn began(mut self, streamed: bool) -> Self {
        self.first = streamed.then(Instant::now);
        if let Some(first) = self.first {
            self.trace.began(first.saturating_duration_since(self.sent));
        }
        self
    }

    /// When the request was sent.
    pub(super) const fn sent(&self) -> Instant {
        self.sent
    }

    /// How long its answer took to begin, of one that does not stream to be there.
    pub(super) fn took(&self) -> Duration {
        self.first.unwrap_or_else(Instant::now).saturating_duration_since(self.sent)
    }

    /// It is not. What the request itself is to blame for, or a credential that is not the
    /// gateway's, says nothing of the endpoint.
    pub(super) fn failed(&self, app: &App, failure: &Failure) {
        match failure.status {
            Some(status) => self.trace.failed(status.as_str()),
            None => self.trace.failed(UNANSWERED),
        }
        let brought =
            self.attempt.is_byok() && failure.status.is_some_and(|it| it.is_client_error());
        if failure.is_requests() || failure.crowded || brought {
            return;
        }
        let retry_after_seconds = failure.retry_after_seconds;
        self.record(app, Outcome::Failed { retry_after_seconds });
    }

    /// Another began before it, and it was waited for no longer. Where it was not `sent` anything yet that
    /// says nothing of the endpoint.
    pub(super) fn outrun(&self, app: &App, sent: bool) {
        self.trace.failed(OUTRUN);
        if sent {
            self.record(app, Outcome::Outrun { least_ms: self.so_far_ms() });
        }
    }

    /// Its answer ended `now`, after `tokens`.
    pub(super) fn ended(&self, app: &App, ending: Ending, tokens: u64, now: Timestamp) {
        let outcome = match ending {
            Ending::ProviderFailed => Outcome::Failed { retry_after_seconds: None },
            Ending::Completed => {
                let since = self.first.unwrap_or(self.sent);
                let took = millis(since, Instant::now()).max(1);
                let throughput = tokens.saturating_mul(THOUSANDTHS) / took;
                Outcome::Answered { first_ms: self.first_ms(), throughput: Some(throughput) }
            }
            // Somebody else ended it.
            _ => Outcome::Answered { first_ms: self.first_ms(), throughput: None },
        };
        app.health.record(&self.attempt, outcome, now);
    }

    fn first_ms(&self) -> Option<u64> {
        self.first.map(|first| millis(self.sent, first))
    }

    fn record(&self, app: &App, outcome: Outcome) {
        app.health.record(&self.attempt, outcome, app.clock.now());
    }
}

fn millis(from: Instant, to: Instant) -> u64 {
    u64::try_from(to.saturating_duration_since(from).as_millis()).unwrap_or(u64::MAX)
}
