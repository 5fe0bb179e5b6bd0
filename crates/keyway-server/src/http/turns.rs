//! How many inference requests run at once, and how many wait for one of them to end.

use std::sync::Arc;
use std::time::Duration;

use keyway_core::error::{Error, ErrorKind};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::ApiError;

/// How long a request waits for its turn. Whoever waited longer would have been served sooner by
/// another node.
const WAIT_MAX: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Turns {
    running: Arc<Semaphore>,
    waiting: Semaphore,
    running_max: usize,
}

/// One request's turn; over when dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    #[expect(dead_code, reason = "held for its destructor")]
    permit: OwnedSemaphorePermit,
}

impl Turns {
    pub(super) fn new(running_max: usize, waiting_max: usize) -> Self {
        Self {
            running: Arc::new(Semaphore::new(running_max)),
            waiting: Semaphore::new(waiting_max),
            running_max,
        }
    }

    pub(super) fn running(&self) -> usize {
        self.running_max - self.running.available_permits()
    }

    /// Takes a turn, and waits for it where few others wait.
    ///
    /// # Errors
    /// 503 with `Retry-After`: at once where too many wait, else after a second.
    pub(crate) async fn take(&self) -> Result<Turn, ApiError> {
        let running = Arc::clone(&self.running);
        if let Ok(permit) = Arc::clone(&running).try_acquire_owned() {
            return Ok(Turn { permit });
        }
        let Ok(_place) = self.waiting.try_acquire() else { return Err(overloaded()) };
        match tokio::time::timeout(WAIT_MAX, running.acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Turn { permit }),
            Ok(Err(_)) | Err(_) => Err(overloaded()),
        }
    }
}

/// Of a node that has all the work that it takes.
pub(super) fn overloaded() -> ApiError {
    let message = "This gateway has as much to do as it can; try again";
    Error::new(ErrorKind::Unavailable, message).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn few_wait_for_their_turn_and_others_are_refused_at_once() {
        let turns = Turns::new(1, 1);
        let first = turns.take().await.expect("the first runs");
        let began = tokio::time::Instant::now();
        let (second, third) = tokio::join!(turns.take(), async {
            let third = turns.take().await;
            let at_once = began.elapsed().is_zero();
            (third, at_once)
        });
        assert!(second.is_err(), "nobody ended");
        assert!(matches!(third, (Err(_), true)), "{third:?}");

        let (second, ()) = tokio::join!(turns.take(), async { drop(first) });
        assert!(second.is_ok(), "it waited until the first ended");
    }
}
