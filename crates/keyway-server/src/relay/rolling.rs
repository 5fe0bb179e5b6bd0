//! Rolling reservations: a stream whose whole bound does not fit is admitted with its prompt and a first
//! slice, holds more ahead of what it delivers, and ends where its budget does.
//!
//! Only where breaking off stops the provider's billing: then what was delivered is all that is owed.

use std::sync::Arc;

use keyway_core::budget::Windows;
use keyway_core::ledger::{Metered, Refusal, RefusalReason};
use keyway_core::money::Nanos;
use keyway_core::routing::{Attempt, Plan};
use keyway_providers::chat::ChatRequest;

use super::bound::Bound;
use super::clamp::Wish;
use super::exchange::Exchange;
use super::job::Job;
use super::meter::ReserveError;
use super::pass::Halt;
use super::pump::AUTHORISE_TOKENS;
use crate::app::App;

/// Why a stream cannot go on.
#[derive(Debug)]
pub(super) enum NoMore {
    Halt(Halt),
    /// No budget affords more.
    Refused(Refusal),
}

/// Whether `request` may be admitted without its whole bound. One that says how long its answer may be,
/// or that it would rather be made shorter, is taken at its word.
pub(super) fn may_roll(app: &App, request: &ChatRequest, plan: &Plan, wish: &Wish) -> bool {
    let stops = |provider: &String| {
        app.upstreams.get(provider).is_some_and(|upstream| upstream.abort_stops_billing)
    };
    let says_nothing = request.max_tokens.is_none() && !wish.clamps && !wish.is_explicit;
    request.stream
        && request.choices == 1
        && says_nothing
        && is_seen(request, plan)
        && plan.attempts().iter().all(|it| stops(&it.endpoint().provider) && !it.is_byok())
}

/// Whether the length of an answer can be told from what is delivered of it: sounds are long for their
/// bytes, and what a model thinks may be billed and not shown.
fn is_seen(request: &ChatRequest, plan: &Plan) -> bool {
    let thinks = |attempt: &Attempt| {
        let supported = attempt.endpoint().traits.supported_parameters.as_ref();
        supported.is_some_and(|all| all.iter().any(|it| it == "reasoning"))
    };
    !request.speaks() && (request.thinks_nothing() || !plan.attempts().iter().any(thinks))
}

/// What is held at first where the whole bound was refused; `None` where nothing else would be.
pub(super) fn first_slice(bound: &Bound, refusal: &Refusal) -> Option<Nanos> {
    let slice = bound.cost_up_to(AUTHORISE_TOKENS);
    let lacks = matches!(refusal.reason, RefusalReason::TooLittle | RefusalReason::Held);
    (lacks && slice < bound.cost).then_some(slice)
}

impl Job {
    /// Reserves the whole bound, or a first slice of it. Answers what is held.
    pub(super) async fn reserve_or_roll(
        &mut self,
        request: &mut ChatRequest,
    ) -> Result<(Windows, Nanos), ReserveError> {
        let refused = match self.reserve(request).await {
            Ok(windows) => return Ok((windows, self.bound.cost)),
            Err(refused) => refused,
        };
        let slice = match &refused {
            ReserveError::Refused(refusal) if self.may_roll => first_slice(&self.bound, refusal),
            _ => None,
        };
        let Some(slice) = slice else { return Err(refused) };
        let app = &self.app;
        let windows = app.meter.reserve(self.id, &app.keyring, &self.key, slice).await?;
        Ok((windows, slice))
    }
}

impl Exchange {
    /// Completion tokens that `bytes` of output in `chunks` may be. A token is at least a byte, but a
    /// reservation of a token a byte would end a stream at a fraction of its budget: a rolling one
    /// counts as an estimate does, and a token a chunk at least. What a provider counts beyond is
    /// held at the end where it can be, and is the operator's where it cannot.
    pub(super) fn tokens(&self, bytes: u64, chunks: u64) -> u64 {
        if self.rolling { bytes.div_ceil(self.bound.bytes_per_token).max(chunks) } else { bytes }
    }

    /// Holds enough for `next` completion tokens, and for as many as are authorised ahead where they
    /// can be had. Answers how many may be authorised.
    pub(super) async fn hold_ahead(&mut self, next: u64) -> Result<u64, NoMore> {
        let ahead = next.saturating_add(AUTHORISE_TOKENS);
        if !self.rolling {
            return Ok(ahead);
        }
        let refusal = match self.hold(ahead).await {
            Ok(()) => return Ok(ahead),
            Err(NoMore::Refused(refusal)) => refusal,
            Err(halt) => return Err(halt),
        };
        let left = self.metered.reserved.saturating_add(refusal.available());
        let affordable = self.bound.affordable_tokens(left);
        if affordable < next {
            return Err(NoMore::Refused(refusal));
        }
        self.hold(affordable).await.map(|()| affordable)
    }

    /// Holds enough for `completion_tokens`.
    pub(super) async fn hold(&mut self, completion_tokens: u64) -> Result<(), NoMore> {
        let reserved = self.bound.cost_up_to(completion_tokens);
        if reserved <= self.metered.reserved {
            return Ok(());
        }
        let extended = tokio::select! {
            biased;
            halt = self.pass.revoked() => return Err(NoMore::Halt(halt)),
            extended = self.app.meter.extend(&self.metered, reserved) => extended,
        };
        match extended {
            Ok(()) => {}
            Err(ReserveError::Refused(refusal)) if refusal.reason == RefusalReason::Closed => {
                return Err(NoMore::Halt(Halt::closed()));
            }
            Err(ReserveError::Refused(refusal)) => return Err(NoMore::Refused(refusal)),
            Err(ReserveError::Key(error)) => return Err(NoMore::Halt(Halt::Revoked(error))),
            Err(ReserveError::Store(error)) => return Err(NoMore::Halt(Halt::Store(error))),
        }
        self.metered = Arc::new(Metered { reserved, ..Metered::clone(&self.metered) });
        Ok(())
    }
}
