//! The meter's extensions: a reservation that grows while its answer is delivered.

use std::sync::Arc;

use keyway_core::ledger::{Admission, Metered};
use keyway_core::money::Nanos;
use keyway_core::store::StoreError;
use tokio::sync::oneshot;

use super::{Meter, ReserveError, TRIES_MAX};

impl Meter {
    /// Raises what `request` holds to `bound`; waits, bounded, where only others' reservations stand
    /// in the way. What it holds already it keeps in any case.
    pub async fn extend(
        self: &Arc<Self>,
        request: &Metered,
        bound: Nanos,
    ) -> Result<(), ReserveError> {
        for _ in 0..TRIES_MAX {
            let (admission, decided) = self.ask_for_more(request, bound)?;
            let admission = match admission {
                Admission::Waiting => self.wait(request.id, decided).await?,
                admission => Some(admission),
            };
            match admission {
                Some(Admission::Admitted(_)) => return Ok(()),
                Some(Admission::Refused(refusal)) => return Err(ReserveError::Refused(refusal)),
                Some(Admission::Waiting | Admission::Unopened(_)) | None => {}
            }
        }
        let detail = "accounts changed faster than more could be reserved on one";
        Err(ReserveError::Store(StoreError::Unavailable(detail.to_owned())))
    }

    /// The same where it can be had at once; else the request keeps what it holds.
    #[must_use]
    pub fn extend_at_once(self: &Arc<Self>, request: &Metered, bound: Nanos) -> bool {
        let Ok((admission, mut decided)) = self.ask_for_more(request, bound) else { return false };
        if admission != Admission::Waiting {
            return matches!(admission, Admission::Admitted(_));
        }
        let gave_up = {
            let mut state = self.lock();
            state.waiting.remove(&request.id);
            state.ledger.give_up(request.id, self.clock.now())
        };
        // Where it was decided in this very moment, the decision is in the channel.
        gave_up.is_none() && matches!(decided.try_recv(), Ok(Admission::Admitted(_)))
    }

    fn ask_for_more(
        self: &Arc<Self>,
        request: &Metered,
        bound: Nanos,
    ) -> Result<(Admission, oneshot::Receiver<Admission>), ReserveError> {
        let (decide, decided) = oneshot::channel();
        let admission = {
            let mut state = self.lock();
            if state.ledger.epoch() != request.epoch {
                return Err(ReserveError::Store(StoreError::Fenced));
            }
            let admission = state.ledger.extend(request.id, bound, self.clock.now());
            if admission == Some(Admission::Waiting) {
                state.waiting.insert(request.id, decide);
            }
            admission
        };
        let Some(admission) = admission else {
            let detail = format!("{} is not open to hold more", request.id);
            return Err(ReserveError::Store(StoreError::Broken(detail)));
        };
        self.drive();
        Ok((admission, decided))
    }
}
