//! How many requests run at once, and how many wait for one of them to end.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keyway_core::error::{Error, ErrorKind};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::error::ApiError;

/// How long a request waits for its turn. Whoever waited longer would have been served sooner by
/// another node.
const WAIT_MAX: Duration = Duration::from_secs(1);
/// A queue that was never empty for so long does not absorb a burst any more: it only makes everybody late.
const STANDING_AFTER: Duration = Duration::from_millis(500);
/// How long a request waits then: enough that a turn that ends finds somebody.
const WAIT_BRIEF: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(crate) struct Turns {
    running: Arc<Semaphore>,
    running_max: usize,
    waiting_max: usize,
    queue: Mutex<Queue>,
}

/// One request's turn; over when dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    #[expect(dead_code, reason = "held for its destructor")]
    permit: OwnedSemaphorePermit,
}

/// Whoever waits now, and since when there was always somebody.
#[derive(Debug, Default)]
struct Queue {
    waiting: usize,
    since: Option<Instant>,
}

/// A place in the queue; left when dropped.
struct Place<'a>(&'a Mutex<Queue>);

/// There is no turn, and no use in waiting for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoTurn;

impl Queue {
    /// One more waits from `now` on. Answers how long at most.
    fn join(&mut self, now: Instant) -> Duration {
        self.waiting += 1;
        let since = *self.since.get_or_insert(now);
        if now.saturating_duration_since(since) < STANDING_AFTER { WAIT_MAX } else { WAIT_BRIEF }
    }

    fn leave(&mut self) {
        self.waiting -= 1;
        if self.waiting == 0 {
            self.since = None;
        }
    }
}

impl Turns {
    pub(crate) fn new(running_max: usize, waiting_max: usize) -> Self {
        let running = Arc::new(Semaphore::new(running_max));
        Self { running, running_max, waiting_max, queue: Mutex::default() }
    }

    pub(super) fn running(&self) -> usize {
        self.running_max - self.running.available_permits()
    }

    /// Takes a turn, and waits for it where few others wait: a second, but only a moment where somebody
    /// has been waiting all the time.
    pub(crate) async fn take(&self) -> Result<Turn, NoTurn> {
        let running = Arc::clone(&self.running);
        if let Ok(permit) = Arc::clone(&running).try_acquire_owned() {
            return Ok(Turn { permit });
        }
        let (_place, wait) = self.join(Instant::now()).ok_or(NoTurn)?;
        match timeout(wait, running.acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Turn { permit }),
            Ok(Err(_)) | Err(_) => Err(NoTurn),
        }
    }

    fn join(&self, now: Instant) -> Option<(Place<'_>, Duration)> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = queue.waiting < self.waiting_max;
        has_room.then(|| (Place(&self.queue), queue.join(now)))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).leave();
    }
}

/// Of a node that has all the work that it takes.
pub(crate) fn overloaded() -> ApiError {
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
        let began = Instant::now();
        let (second, third) = tokio::join!(turns.take(), async {
            let third = turns.take().await;
            let at_once = began.elapsed().is_zero();
            (third, at_once)
        });
        assert!(second.is_err(), "nobody ended");
        assert!(matches!(third, (Err(NoTurn), true)), "{third:?}");

        let (second, ()) = tokio::join!(turns.take(), async { drop(first) });
        assert!(second.is_ok(), "it waited until the first ended");
    }

    #[test]
    fn a_queue_that_stands_is_not_worth_a_wait() {
        let began = Instant::now();
        let at = |ms| began + Duration::from_millis(ms);
        let mut queue = Queue::default();
        // A burst may wait.
        assert_eq!(queue.join(at(0)), WAIT_MAX);
        assert_eq!(queue.join(at(499)), WAIT_MAX);
        queue.leave();
        // Somebody always waited, though not the same one.
        assert_eq!(queue.join(at(500)), WAIT_BRIEF);
        queue.leave();
        assert_eq!(queue.join(at(10_000)), WAIT_BRIEF);
        queue.leave();
        queue.leave();
        // For a moment nobody did.
        assert_eq!(queue.join(at(10_001)), WAIT_MAX);
    }

    /// Ten times as many requests as can be served: turns are never idle, and refusals come at once.
    #[tokio::test(start_paused = true)]
    async fn under_overload_all_turns_are_taken_and_nobody_waits_long() {
        let (turns, work) = (Arc::new(Turns::new(16, 256)), Duration::from_millis(100));
        let mut asking = tokio::task::JoinSet::new();
        let mut ticks = tokio::time::interval(work / 160);
        for _ in 0..16_000 {
            ticks.tick().await;
            let turns = Arc::clone(&turns);
            asking.spawn(async move {
                let began = Instant::now();
                let taken = turns.take().await;
                let waited = began.elapsed();
                if taken.is_ok() {
                    tokio::time::sleep(work).await;
                }
                (taken.is_ok(), waited)
            });
        }
        let told = asking.join_all().await;
        let answered = told.iter().filter(|(answered, _)| *answered).count();
        assert!(answered >= 1_550, "of 1,600 that could be: {answered}");
        // Those of the burst at the beginning may have waited in vain.
        let late = told.iter().filter(|(answered, waited)| !answered && *waited > WAIT_BRIEF);
        let late = late.count();
        assert!(late <= 256, "{late}");
    }
}
