//! How long a stream of HTTP/2 may be left unread.
//!
//! Over HTTP/1.1 a client that does not read stops the socket, which has a time limit for that. Over HTTP/2
//! it stops one stream by giving it no window, and the socket goes on: nothing is written, and nothing asked
//! for the rest of the body. So each stream minds itself: since when its body waits to be asked for more.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

use crate::alarm::Alarm;

tokio::task_local! {
    static UNREAD: Arc<Unread>;
}

/// Since when what a stream has is not asked for; `None` while nothing is there, or all is gone.
#[derive(Debug, Default)]
pub(super) struct Unread(Mutex<Option<Instant>>);

impl Unread {
    /// Of the stream whose task asks; `None` over HTTP/1.1.
    pub(super) fn of_this_stream() -> Option<Arc<Self>> {
        UNREAD.try_with(Arc::clone).ok()
    }

    /// Something is there for the client.
    pub(super) fn offer(&self) {
        self.set(Some(Instant::now()));
    }

    /// What was there is taken, and there is nothing else yet.
    pub(super) fn taken(&self) {
        self.set(None);
    }

    fn set(&self, since: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    fn since(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs `stream`, unless its client leaves unread for `patience` what is there; then it is dropped, which
/// resets it, and the others of its connection go on.
pub(super) async fn bounded(stream: impl Future, patience: Duration) {
    let unread = Arc::<Unread>::default();
    let mut stream = pin!(UNREAD.scope(Arc::clone(&unread), stream));
    let mut alarm = Alarm::default();
    std::future::poll_fn(|cx| {
        if stream.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        match unread.since() {
            Some(since) => alarm.poll(since + patience, cx),
            None => Poll::Pending,
        }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    const PATIENCE: Duration = Duration::from_mins(1);
    const LESS: Duration = Duration::from_secs(59);

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_where_what_it_has_is_not_taken() {
        let began = Instant::now();
        let stream = async {
            let unread = Unread::of_this_stream().expect("a stream");
            // However long nothing is there, and as long as it is taken in time.
            sleep(PATIENCE * 3).await;
            for _ in 0..3 {
                unread.offer();
                sleep(LESS).await;
            }
            unread.taken();
            sleep(PATIENCE * 3).await;
            unread.offer();
            std::future::pending::<()>().await;
        };
        bounded(stream, PATIENCE).await;
        let lasted = PATIENCE * 3 + LESS * 3 + PATIENCE * 3;
        assert_eq!(began.elapsed(), lasted + PATIENCE);
        assert!(Unread::of_this_stream().is_none());
    }
}
