//! One request, in a task of its own: the client's disappearance cannot cancel its settlement.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use keyway_core::error::{Error, ErrorKind};
use keyway_core::id::GenerationId;
use keyway_core::key::KeyRecord;
use keyway_core::ledger::{Ending, Metered, Origin, Tried};
use keyway_core::pricing::Usage;
use keyway_core::routing::{Attempt, Plan};
use keyway_providers::chat::ChatRequest;
use keyway_providers::face::Voice;
use tokio::time::Instant;

use super::ahead::{Ahead, Marked};
use super::bound::Bound;
use super::byok::Brought;
use super::clamp::{self, Wish};
use super::client::{self, Client};
use super::course;
use super::deliver::{give_stream, give_whole, identified, stream_response, withhold};
use super::dispatch::{Dispatch, Dispatched, Reach};
use super::exchange::{Ended, Exchange};
use super::head::Head;
use super::hedge::Hedge;
use super::meter::{ReserveError, path};
use super::outlet::outlet;
use super::pass::Pass;
use super::pump::{self, Pump};
use super::rates::Permit;
use super::recording::{Failure, Recording};
use super::refusal::refusal;
use super::sticky::Conversation;
use super::unanswered::{Undone, end_unanswered};
use super::upstream::Reply;
use crate::app::App;
use crate::egress::Handed;
use crate::http::caller::refused_key;
use crate::http::error::ApiError;
use crate::http::memory::Hold;
use crate::http::turns::Turn;
use crate::telemetry::metrics::Gate;
use crate::telemetry::traces::Trace;

pub(super) struct Job {
    pub(super) app: Arc<App>,
    pub(super) key: Arc<KeyRecord>,
    pub(super) plan: Plan,
    pub(super) conversation: Conversation,
    pub(super) origin: Arc<Origin>,
    pub(super) brought: Brought,
    /// The model as the client named it, where it wants to be told how its request was routed.
    pub(super) told_routing: Option<String>,
    pub(super) bound: Bound,
    pub(super) id: GenerationId,
    /// Where it is of use to know.
    pub(super) arrived: Option<Instant>,
    pub(super) wish: Wish,
    /// Whether the client itself said how long an answer may be.
    pub(super) says_length: bool,
    /// How the client is told.
    pub(super) voice: Voice,
    pub(super) streamed: bool,
    /// Whether it may be admitted without its whole bound.
    pub(super) may_roll: bool,
    /// Ended once the request is, before the client can know that it is.
    pub(super) permit: Arc<Permit>,
    /// What the request holds of the memory for bodies, until it is dispatched.
    pub(super) hold: Option<Hold>,
    /// What is said, where the key keeps it.
    pub(super) recording: Option<Recording>,
    pub(super) trace: Trace,
}

impl Job {
    /// `turn` is over when all of it is.
    pub(super) async fn run(self: Box<Self>, request: Box<ChatRequest>, client: Head, turn: Turn) {
        let (app, id, permit) = (Arc::clone(&self.app), self.id, Arc::clone(&self.permit));
        let admitted = OnceLock::new();
        let relayed = AssertUnwindSafe(self.relay(request, client, &admitted)).catch_unwind();
        if relayed.await.is_err() {
            tracing::error!(%id, "a relay task panicked");
            if let Some(metered) = admitted.get() {
                Box::pin(end_unanswered(&app, metered, Ending::Stopped)).await;
            }
        }
        app.rates.end(&permit, 0);
        drop(turn);
    }

    async fn relay(
        self: Box<Self>,
        request: Box<ChatRequest>,
        head: Head,
        admitted: &OnceLock<Arc<Metered>>,
    ) {
        // What it takes to get there is large, and an answer may be long.
        let answer = Box::pin(self.begin(request, head, admitted)).await;
        if let Some(answer) = answer {
            answer.await;
        }
    }

    /// Admits and sends the request. Answers how its answer is given, or what else comes of it.
    async fn begin(
        mut self: Box<Self>,
        mut request: Box<ChatRequest>,
        head: Head,
        admitted: &OnceLock<Arc<Metered>>,
    ) -> Option<BoxFuture<'static, ()>> {
        let pass = Arc::new(Pass::take(&self.app, &self.key));
        let (metered, head) = self.enter(&mut request, head, &pass, admitted).await?;
        let (recording, hold) = (self.recording.take(), self.hold.take());
        let (client, left) = (Client::Waiting(head), AtomicBool::new(false));
        let memory = hold.as_ref();
        let (dispatched, client) =
            self.dispatch(&mut request, memory, client, metered, &pass, &left).await;
        drop(hold);
        let undone = match dispatched {
            Ok((dispatched, marked)) => {
                let (exchange, reply) = self.exchange_with(metered, pass, dispatched, recording);
                return Some(give(exchange, reply, client, marked));
            }
            Err(undone) => undone,
        };
        let metered = Arc::clone(metered);
        Some(Box::pin(self.fail(metered, pass, undone, client, recording)))
    }

    /// Admits the request; `None` where it ends here.
    async fn enter<'a>(
        &mut self,
        request: &mut ChatRequest,
        mut head: Head,
        pass: &Pass,
        admitted: &'a OnceLock<Arc<Metered>>,
    ) -> Option<(&'a Arc<Metered>, Head)> {
        let metered = match self.admit(request).await {
            Ok(metered) => Arc::new(metered),
            Err(error) => {
                self.app.rates.end(&self.permit, 0);
                head.answer(Err(error));
                return None;
            }
        };
        let metered = admitted.get_or_init(|| metered);
        // It may have waited for its turn, and nothing was sent: nothing is owed.
        if let Err(halt) = pass.check().await {
            end_unanswered(&self.app, metered, halt.ending()).await;
            self.app.rates.end(&self.permit, 0);
            head.answer(Err(halt.into()));
            return None;
        }
        if head.is_closed() {
            end_unanswered(&self.app, metered, Ending::ClientLeft).await;
            return None;
        }
        if self.wish.clamps {
            head.say(clamp::MAX_TOKENS, clamp::max_tokens(request, &self.plan));
        }
        Some((metered, head))
    }

    /// Sends the request until an endpoint begins to answer. Answers, too, what came of its mark.
    async fn dispatch<'a>(
        &'a self,
        request: &'a mut ChatRequest,
        hold: Option<&Hold>,
        mut client: Client,
        metered: &'a Arc<Metered>,
        pass: &Pass,
        left: &'a AtomicBool,
    ) -> (Result<(Dispatched<'a>, Marked), Undone>, Client) {
        let handed = Handed::default();
        let amount = self.bound.cost_up_to(pump::AUTHORISE_TOKENS);
        let mut ahead = Ahead::new(&self.app.meter, metered, amount, &handed);
        let reach = Reach { prompt: self.bound.prompt(), said: self.says_length };
        let dispatch = Dispatch {
            app: &self.app,
            plan: &self.plan,
            brought: &self.brought,
            reach,
            hedge: Hedge::of(&self.app, metered, &self.bound, hold),
            client_left: left,
            trace: &self.trace,
        };
        let mut dispatch = pin!(dispatch.run(request, &handed));
        let dispatched = loop {
            tokio::select! {
                biased;
                // What was sent may be billed, so it goes on; nothing else is sent.
                () = client.closed(), if !left.load(Ordering::Relaxed) => {
                    left.store(true, Ordering::Relaxed);
                }
                halt = pass.revoked() => break Err(Undone::by(halt.ending(), halt)),
                dispatched = &mut dispatch => {
                    break dispatched.map_err(|it| Undone {
                        tried: it.failed,
                        ..Undone::by(Ending::ProviderFailed, it.error)
                    });
                }
                () = ahead.tried(), if ahead.is_awaited() => {}
                () = self.app.cut.cancelled() => break Err(Undone::by(Ending::Stopped, stopping())),
                () = client::silence(), if self.streamed => {
                    client = self.keep_alive(client, &mut ahead, pass).await;
                }
            }
        };
        let began = self.app.metrics.start();
        let marked = if dispatched.is_ok() { ahead.end().await } else { None };
        if marked.is_some() {
            self.app.metrics.waited(Gate::First, began);
        }
        (dispatched.map(|dispatched| (dispatched, marked)), client)
    }

    /// Reserves the bound on the key's account.
    async fn admit(&mut self, request: &mut ChatRequest) -> Result<Metered, ApiError> {
        let admitted_at = self.app.clock.now();
        let reserved = self.reserve_or_roll(request).await;
        let (app, key) = (&self.app, &self.key);
        let (windows, reserved) = reserved.map_err(|error| match error {
            ReserveError::Refused(it) => refusal(&it, &self.bound, key, app),
            ReserveError::Key(error) => refused_key(error),
            ReserveError::Store(error) => error.into(),
        })?;
        Ok(Metered {
            id: self.id,
            epoch: app.meter.epoch(),
            key: key.id,
            accounts: path(key).to_vec(),
            windows,
            reserved,
            model: self.plan.first().model().id.clone(),
            provider: String::new(),
            is_byok: false,
            streamed: self.streamed,
            admitted_at,
            origin: Arc::clone(&self.origin),
        })
    }

    /// Tells a client that waits for the first event that there will be one. Its head is a first byte
    /// like any other: it waits for the mark.
    async fn keep_alive(&self, client: Client, ahead: &mut Ahead<'_>, pass: &Pass) -> Client {
        let events = match client {
            Client::Streaming(events) => events,
            Client::Waiting(head) => {
                if !ahead.make().await || pass.check().await.is_err() {
                    // Whoever opens the stream for its first event learns it too.
                    return Client::Waiting(head);
                }
                let (events, body) = outlet(&self.app.edge.memory);
                head.answer(Ok(stream_response(&self.id.to_string(), body)));
                events
            }
        };
        // A client that does not read needs no comment, and one that left is noticed later.
        let _ = events.offer(self.voice.keep_alive());
        Client::Streaming(events)
    }

    /// No endpoint answered, or not in time. What that cost is not the key's.
    async fn fail(
        self: Box<Self>,
        metered: Arc<Metered>,
        pass: Arc<Pass>,
        Undone { ending, error, tried }: Undone,
        client: Client,
        recording: Option<Recording>,
    ) {
        let client = match client {
            // Nothing was asked of a provider, or its answer is not waited for.
            Client::Waiting(head) if ending != Ending::ProviderFailed || tried.is_empty() => {
                end_unanswered(&self.app, &metered, ending).await;
                self.app.rates.end(&self.permit, 0);
                return head.answer(Err(error));
            }
            client => client,
        };
        let attempt = self.last_tried(&tried);
        let upstream = self.app.upstreams.get(&attempt.endpoint().provider);
        let now = self.app.clock.now();
        let reserved = metered.reserved;
        let mut exchange = self.exchange(&metered, reserved, pass, attempt, upstream, now);
        exchange.course = course::begun(&metered, None, tried, now);
        exchange.recording = recording;
        if ending == Ending::ProviderFailed {
            exchange.record_failure(Failure::of(&error));
        }
        // It costs nobody anything, and is kept: its row names each endpoint and what became of it.
        let ended = Ended::withheld(ending, Some(Usage::default()), 0);
        withhold(&mut exchange, ended).await;
        match client {
            Client::Waiting(head) => head.answer(Err(identified(error, &self.id))),
            Client::Streaming(events) => {
                let (status, kind) = (error.status(), error.error_type());
                let event = exchange.error_event(status, error.message(), kind);
                let _ = events.offer(event);
            }
        }
    }

    /// The attempt that failed last.
    fn last_tried(&self, tried: &[Tried]) -> &Attempt {
        let is_it = |it: &&Attempt| {
            let (endpoint, model) = (it.endpoint().tag(), &it.model().id);
            tried.last().is_some_and(|last| last.endpoint == endpoint && last.model == *model)
        };
        self.plan.attempts().iter().find(is_it).unwrap_or(self.plan.first())
    }
}

/// Gives the answer that an endpoint began with, to its end.
fn give(
    mut exchange: Box<Exchange>,
    reply: Reply,
    client: Client,
    marked: Marked,
) -> BoxFuture<'static, ()> {
    match (reply, client) {
        (Reply::Whole(whole), Client::Waiting(head)) => Box::pin(async move {
            head.answer(give_whole(&mut exchange, *whole).await);
        }),
        (Reply::Stream(stream), Client::Waiting(head)) => {
            Box::pin(give_stream(exchange, stream, head, marked))
        }
        (Reply::Stream(stream), Client::Streaming(events)) => {
            Box::pin(async move { Pump::new(&mut exchange, events).run(stream).await })
        }
        (Reply::Whole(_), Client::Streaming(_)) => {
            unreachable!("only a request that streams is kept alive")
        }
    }
}

fn stopping() -> ApiError {
    let message = "The gateway is shutting down; try again";
    ApiError::from(Error::new(ErrorKind::Unavailable, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn future_bytes<A, B, C, D, F>(_: impl FnOnce(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn an_open_stream_holds_little() {
        let task = future_bytes(Job::run);
        let stream = future_bytes(give_stream);
        let all = task + stream + size_of::<Exchange>();
        assert!(all <= 2_688, "{task} of the task, {stream} of its stream: {all}");
        // All of its memory is touched: no buffer of 8 KB shall come to lie there, of which little is used.
        assert!(future_bytes(Job::begin) <= 7_168);
    }
}
