//! The meter's writes: marks, charges, and reservations that nothing came of.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use keyway_core::id::GenerationId;
use keyway_core::ledger::{AnswerMark, Metered, Outcome, Settlement, Void};
use keyway_core::money::Nanos;
use keyway_core::store::{Settled, StoreError};
use tokio::time::Instant;

use super::{Meter, RETRY_MAX, RETRY_MIN};

/// How long an answer waits for its charge to become durable before the client is told.
const SETTLE_PATIENCE: Duration = Duration::from_secs(5);

/// Between tries to write what the store refuses by its own rules: only a repair of it can help.
const BROKEN_RETRY: Duration = Duration::from_mins(1);

/// What becomes of a charge that could not be made durable while its client waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Late {
    /// The client saw the answer: it is charged as soon as the store takes it.
    Charge,
    /// The client saw nothing of the answer: it is not charged, unless the store had written the charge
    /// and went away before it said so.
    Waive,
}

impl Meter {
    /// Authorises delivery up to a cost of `amount`; durable when it returns.
    pub async fn authorise(&self, request: &Arc<Metered>, amount: Nanos) -> Result<(), StoreError> {
        let authorised = {
            let mut state = self.lock();
            if state.ledger.epoch() != request.epoch {
                return Err(StoreError::Fenced);
            }
            state.ledger.authorise(request.id, amount)
        };
        let Some(authorised) = authorised else {
            return Err(StoreError::Broken(format!("{} is not open to be answered", request.id)));
        };
        let mark = AnswerMark { request: Arc::clone(request), authorised };
        let written = self.store.mark(mark.clone()).await;
        self.note(&written);
        written?;
        let mut state = self.lock();
        if state.ledger.epoch() != request.epoch {
            // What the run wrote may have been testified without this.
            return Err(StoreError::Fenced);
        }
        state.journal.iter_mut().for_each(|journal| journal.marked(&mark));
        Ok(())
    }

    /// Gives a reservation back that nothing was marked of. Answers `false` where something may have
    /// been: such a one has to be settled.
    #[must_use]
    pub fn void(self: &Arc<Self>, id: GenerationId) -> bool {
        let released = self.give_back(id);
        self.drive();
        released
    }

    fn give_back(&self, id: GenerationId) -> bool {
        let mut state = self.lock();
        match state.ledger.void(id, self.clock.now()) {
            Void::Released(decisions) => {
                state.tell(decisions);
                true
            }
            Void::Marked => false,
        }
    }

    /// Charges a request, once; durable when it returns.
    ///
    /// Where the store cannot take it in time the caller gets the error, and the settlement goes on
    /// in the background: as it is, or as one that charges nothing.
    pub async fn settle(
        self: &Arc<Self>,
        request: &Arc<Metered>,
        outcome: &Outcome,
        late: Late,
    ) -> Result<Settlement, StoreError> {
        let settlement = {
            let mut state = self.lock();
            if state.ledger.epoch() != request.epoch {
                return Err(StoreError::Fenced);
            }
            // One that is broken off while it waits to hold more waits no longer.
            state.waiting.remove(&request.id);
            let settlement = state.ledger.settle(request, outcome, self.clock.now());
            if let (Some(journal), Some(settlement)) = (&mut state.journal, &settlement) {
                journal.settling(settlement);
            }
            settlement
        };
        let Some(settlement) = settlement else {
            return Err(StoreError::Broken(format!("{} was resolved before", request.id)));
        };
        let patience = Instant::now() + SETTLE_PATIENCE;
        match self.write(&settlement, Some(patience)).await {
            Ok((row, _)) => self.settled(&row).map(|()| settlement),
            // The store has settled it, or never will.
            Err(StoreError::Fenced) => Err(StoreError::Fenced),
            Err(error) => {
                self.settle_later(settlement, late);
                Err(error)
            }
        }
    }

    fn settle_later(self: &Arc<Self>, charge: Settlement, late: Late) {
        let row = match late {
            Late::Charge => charge.clone(),
            Late::Waive => charge.waived(),
        };
        self.lock().journal.iter_mut().for_each(|journal| journal.settling(&row));
        let meter = Arc::clone(self);
        self.tasks.spawn(async move {
            let settled = match meter.write(&row, None).await {
                Ok((row, written)) => meter.settled(charge.standing(&row, written)),
                Err(error) => Err(error),
            };
            if let Err(error) = settled {
                let id = charge.request.id;
                tracing::error!(%id, %error, "a settlement is left to the next start");
            }
        });
    }

    /// Writes until it is written, `until` has passed, or there is no store any more. Answers the row as it
    /// was tried last.
    ///
    /// Nothing but its texts is anybody else's, so one that the store refuses goes on without them. Where it is
    /// refused even so, the hold stays, because a mark of it may be charged later, and it is tried on.
    async fn write<'s>(
        &self,
        settlement: &'s Settlement,
        until: Option<Instant>,
    ) -> Result<(Cow<'s, Settlement>, Settled), StoreError> {
        let mut pause = RETRY_MIN;
        let mut row = Cow::Borrowed(settlement);
        loop {
            let settled = self.store.settle(Settlement::clone(&row)).await;
            self.note(&settled);
            match settled {
                Ok(written) => {
                    if written == Settled::Differs {
                        let id = settlement.request.id;
                        tracing::error!(%id, "it was settled with another charge, which stands");
                    }
                    return Ok((row, written));
                }
                Err(error @ StoreError::Broken(_)) => {
                    let id = settlement.request.id;
                    if let Cow::Borrowed(whole) = row {
                        tracing::error!(%id, %error, "a settlement is refused, and goes on without its texts");
                        row = Cow::Owned(whole.without_texts());
                        continue;
                    }
                    if until.is_some() {
                        return Err(error);
                    }
                    tracing::error!(%id, %error, "a settlement is refused, and what it holds stays held");
                    tokio::time::sleep(BROKEN_RETRY).await;
                }
                Err(StoreError::Fenced) => {
                    self.fenced.notify_one();
                    return Err(StoreError::Fenced);
                }
                Err(error) if until.is_some_and(|until| Instant::now() + pause > until) => {
                    return Err(error);
                }
                Err(_) => tokio::time::sleep(pause).await,
            }
            pause = (pause * 2).min(RETRY_MAX);
        }
    }

    fn settled(self: &Arc<Self>, settlement: &Settlement) -> Result<(), StoreError> {
        let mut state = self.lock();
        if state.ledger.epoch() != settlement.request.epoch {
            // What the run wrote may have been testified without this.
            return Err(StoreError::Fenced);
        }
        let now = self.clock.now();
        state.journal.iter_mut().for_each(|journal| journal.settled(settlement, now));
        let decisions = state.ledger.settled(settlement, now);
        state.tell(decisions);
        self.go_on(state);
        Ok(())
    }
}
