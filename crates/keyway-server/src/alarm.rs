//! A timer for what is put off all the time.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep, sleep_until};

/// A timer that is moved only when it goes off, not whenever its deadline does: each move is work for a
/// wheel that all tasks share.
#[derive(Debug, Default)]
pub(crate) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Ready from `deadline` on, whatever was said before.
    pub(crate) fn poll(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if deadline < sleep.deadline() {
            sleep.as_mut().reset(deadline);
        }
        while sleep.as_mut().poll(cx).is_ready() {
            if deadline <= Instant::now() {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
        Poll::Pending
    }

    /// When it goes off next, and may be moved.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.0.as_ref().map(|sleep| sleep.deadline())
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_goes_off_at_the_last_deadline_that_was_said() {
        let mut alarm = Alarm::default();
        let began = Instant::now();
        let second = Duration::from_secs(1);
        for deadline in [began + 2 * second, began + 9 * second, began + 4 * second] {
            let asked = poll_fn(|cx| Poll::Ready(alarm.poll(deadline, cx))).await;
            assert!(asked.is_pending());
        }
        poll_fn(|cx| alarm.poll(began + 4 * second, cx)).await;
        assert_eq!(began.elapsed(), 4 * second);
        let put_off =
            tokio::time::timeout(second, poll_fn(|cx| alarm.poll(began + 6 * second, cx)));
        assert!(put_off.await.is_err());
    }
}
