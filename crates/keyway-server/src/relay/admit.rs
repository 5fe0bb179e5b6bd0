//! The way in, whatever the client speaks: from a request's body to the task that answers it.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use http::HeaderMap;
use http::request::Parts;
use keyway_core::error::Error;
use keyway_core::id::GenerationId;
use keyway_core::key::KeyRecord;
use keyway_providers::chat::{ChatRequest, RequestError};
use keyway_providers::face::Face;
use tokio::time::Instant;

use super::byok::Brought;
use super::clamp::Wish;
use super::dry_run;
use super::head::Head;
use super::job::Job;
use super::rate_refusal::rate_refusal;
use super::recording::Recording;
use super::rolling;
use super::route::{Asker, route};
use super::sticky::Conversation;
use super::told;
use super::{betas, bound, origin};
use crate::app::App;
use crate::entropy::random_ahead;
use crate::http::body::{self, Held};
use crate::http::caller::refused_key;
use crate::http::error::ApiError;
use crate::http::query::Query;
use crate::http::turns::Turn;
use crate::telemetry::traces::Trace;

/// Bytes of a body from which on understanding it is left to the runtime of the process: on a lane,
/// everybody else there would wait for it.
const LARGE_BYTES: usize = 256 * 1024;

/// A request of which all is here, and nothing understood.
struct Arrival {
    app: Arc<App>,
    key: Arc<KeyRecord>,
    face: Face,
    headers: HeaderMap,
    dry_run: bool,
    wish: Wish,
    brought: Brought,
    body: Held,
    turn: Turn,
    arrived: Option<Instant>,
    trace: Trace,
}

/// What becomes of it.
enum Admission {
    Begins(Box<Job>, Box<ChatRequest>, Turn),
    Told(Response),
}

/// Answers a request of `face` with `key`, or tells what would become of it.
pub(super) async fn admit(
    app: Arc<App>,
    key: Arc<KeyRecord>,
    query: &Query,
    request: Request,
    face: Face,
) -> Result<Response, ApiError> {
    let dry_run = dry_run::is_asked(query)?;
    let arrived = app.metrics.start();
    let trace = Trace::of(request.extensions());
    let (Parts { headers, .. }, body) = request.into_parts();
    let wish = Wish::of(&headers, key.on_limit)?;
    let brought = Brought::of(&headers)?;
    let bytes_max = app.edge.limits.body_bytes_max;
    let body = body::read(&headers, body, bytes_max, Some(key.id), &app.edge).await?;
    // Not before the body is here: who sends it slowly keeps nobody from a turn.
    let turn = app.edge.turn().await?;
    let (head, answered) = Head::new();
    let is_large = body.bytes.len() > LARGE_BYTES;
    let (tasks, beside) = (app.tasks.clone(), app.beside.clone());
    let arrival =
        Arrival { app, key, face, headers, dry_run, wish, brought, body, turn, arrived, trace };
    if is_large {
        tasks.spawn_on(arrival.begin(head), &beside);
    } else {
        // The largest part of it: in this future it would be moved with every layer around the handler.
        Box::pin(arrival.begin(head)).await;
    }
    let broken = || Error::internal("a relay task ended without an answer").into();
    answered.await.unwrap_or_else(|_| Err(broken()))
}

impl Arrival {
    /// Begins the task that answers, where it runs itself.
    async fn begin(self, head: Head) {
        let tasks = self.app.tasks.clone();
        match self.understand().await {
            // A task is moved as it begins and as it ends, and this one is large.
            Ok(Admission::Begins(job, request, turn)) => {
                tasks.spawn(Box::pin(job.run(request, head, turn)));
            }
            Ok(Admission::Told(response)) => head.answer(Ok(response)),
            Err(error) => head.answer(Err(error)),
        }
    }

    async fn understand(self) -> Result<Admission, ApiError> {
        let Self { app, key, face, headers, dry_run, wish, brought, body, turn, arrived, trace } =
            self;
        let (text, hold) = body.scan()?;
        let (mut request, voice) = face.hear(text).map_err(invalid)?;
        request.betas = betas::of(&headers);
        // What changed since it was authenticated is in force; from here to the job nothing waits.
        let key = app.keyring.renew(&key, || app.clock.now()).await.map_err(refused_key)?;
        let now = app.clock.now();
        let is_limited = app.is_budgeted() || key.terms.limit.is_some() || wish.ceiling.is_some();
        if is_limited {
            request.hold_to_bound().map_err(invalid)?;
        }
        let says_length = request.max_tokens.is_some();
        let conversation = Conversation::of(&headers, &request, key.id)?;
        let catalogue = app.catalogue();
        let asker = Asker {
            key: &key,
            catalogue: &catalogue,
            brought: &brought,
            conversation: &conversation,
            now,
        };
        let origin = Arc::new(origin::of(face, &headers, &request, &asker));
        let plan = route(&app, &mut request, &asker, is_limited)?;
        // What is reserved is what the provider is allowed to say.
        request.max_tokens = request.max_tokens.map(|most| most.min(plan.max_completion_tokens()));
        let bound = bound::bound(&request, &plan).map_err(invalid)?;
        let bound = bound.paid_by(&plan, app.byok_fee, key.terms.include_byok_in_limit);
        if dry_run {
            let told = dry_run::answer(&app, &key, &plan, request, bound, &wish);
            return Box::pin(told).await.map(Admission::Told);
        }
        let bound = wish.fit(&mut request, &plan, bound)?;
        let id = GenerationId::new(now, random_ahead());
        let streamed = request.stream;
        let permit = app.rates.admit(&key, bound.tokens());
        let permit =
            permit.map_err(|error| rate_refusal(error, bound.tokens(), now)).map(Arc::new)?;
        let may_roll = rolling::may_roll(&app, &request, &plan, &wish);
        trace.admitted(&id, &plan.first().model().id, streamed);
        let recording = Recording::begin(&app, &key, face, &request);
        let job = Job {
            app: Arc::clone(&app),
            key,
            plan,
            conversation,
            origin,
            brought,
            told_routing: told::asked(&headers, &request.model),
            bound,
            id,
            arrived,
            wish,
            says_length,
            voice,
            streamed,
            may_roll,
            permit,
            hold: Some(hold),
            recording,
            trace,
        };
        tracing::debug!(%id, streamed, "a request was accepted");
        Ok(Admission::Begins(Box::new(job), Box::new(request), turn))
    }
}

pub(super) fn invalid(error: RequestError) -> ApiError {
    Error::invalid(&error.field, error.message).into()
}
