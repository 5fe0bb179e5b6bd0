//! The queue between a pump and its client: bounded in events and in bytes.
//!
//! It is nothing but a lock around what waits: as long as a stream is silent it holds no memory, and what
//! came together is read together.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;

use crate::http::memory::{Hold, Memory};

/// Events that may wait for the client to read them: as many as one read of a fast provider brings.
const EVENTS_MAX: usize = 256;
/// Bytes of them, apart from the last one.
const BYTES_MAX: usize = 256 * 1024;

/// The pump's end. Only one task waits at it.
#[derive(Debug)]
pub(super) struct Outlet(Arc<Queue>);

/// The client's end.
#[derive(Debug)]
pub(super) struct Inlet(Arc<Queue>);

#[derive(Debug)]
struct Queue {
    memory: Arc<Memory>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Each with what it holds of the memory for all streams.
    events: VecDeque<(Bytes, Hold)>,
    bytes: usize,
    /// Nothing will be read any more.
    left: bool,
    /// Nothing will be said any more.
    over: bool,
    /// Who waits for an event, for room, and for the client to leave.
    for_event: Option<Waker>,
    for_room: Option<Waker>,
    for_leaving: Option<Waker>,
}

/// What became of an event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Offered {
    /// The client has it, or will when it reads on.
    Taken,
    /// There is no room for it yet.
    Full(Bytes),
    /// The client has left.
    Left,
}

pub(super) fn outlet(memory: &Arc<Memory>) -> (Outlet, Inlet) {
    let queue = Arc::new(Queue { memory: Arc::clone(memory), state: Mutex::default() });
    (Outlet(Arc::clone(&queue)), Inlet(queue))
}

impl Outlet {
    /// Hands `event` over where there is room for it.
    pub(super) fn offer(&self, event: Bytes) -> Offered {
        let mut state = self.0.lock();
        if state.left {
            return Offered::Left;
        }
        if state.is_full() {
            return Offered::Full(event);
        }
        let hold = self.0.memory.count(event.len());
        state.bytes += event.len();
        state.events.push_back((event, hold));
        let client = state.for_event.take();
        drop(state);
        wake([client]);
        Offered::Taken
    }

    /// Hands `event` over, and waits for room for at most `patience`. Answers whether the client has it,
    /// or will when it reads on.
    pub(super) async fn send(&self, event: Bytes, patience: Duration) -> bool {
        let event = match self.offer(event) {
            Offered::Full(event) => event,
            offered => return offered == Offered::Taken,
        };
        let room = poll_fn(|cx| self.poll_room(cx));
        let has_room = tokio::time::timeout(patience, room).await.is_ok();
        has_room && self.offer(event) == Offered::Taken
    }

    /// Waits until the client is gone.
    pub(super) async fn closed(&self) {
        poll_fn(|cx| self.poll_closed(cx)).await;
    }

    pub(super) fn poll_closed(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.0.lock();
        if state.left {
            return Poll::Ready(());
        }
        renew(&mut state.for_leaving, cx);
        Poll::Pending
    }

    /// Whether there is room, or nobody to need it.
    fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.0.lock();
        if state.left || !state.is_full() {
            return Poll::Ready(());
        }
        renew(&mut state.for_room, cx);
        Poll::Pending
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        let client = {
            let mut state = self.0.lock();
            state.over = true;
            state.for_event.take()
        };
        wake([client]);
    }
}

impl Stream for Inlet {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut state = self.0.lock();
        let Some((event, hold)) = state.events.pop_front() else {
            if state.over {
                return Poll::Ready(None);
            }
            renew(&mut state.for_event, cx);
            return Poll::Pending;
        };
        state.bytes -= event.len();
        let pump = if state.is_full() { None } else { state.for_room.take() };
        drop(state);
        drop(hold);
        wake([pump]);
        Poll::Ready(Some(Ok(event)))
    }
}

impl Drop for Inlet {
    fn drop(&mut self) {
        let (unread, pump) = {
            let mut state = self.0.lock();
            state.left = true;
            let pump = [state.for_room.take(), state.for_leaving.take()];
            (std::mem::take(&mut state.events), pump)
        };
        drop(unread);
        wake(pump);
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_full(&self) -> bool {
        self.bytes >= BYTES_MAX || self.events.len() >= EVENTS_MAX
    }
}

/// Most often it is the same task that waits again.
fn renew(waker: &mut Option<Waker>, cx: &Context<'_>) {
    if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
        *waker = Some(cx.waker().clone());
    }
}

/// Not under the lock: who is woken takes it first of all.
fn wake<const N: usize>(waiting: [Option<Waker>; N]) {
    waiting.into_iter().flatten().for_each(Waker::wake);
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use futures_util::StreamExt;

    use super::*;
    use crate::config::ServerConfig;
    use crate::http::edge::Edge;

    const PATIENCE: Duration = Duration::from_mins(1);

    async fn next(inlet: &mut Inlet) -> Option<Bytes> {
        inlet.next().await.map(|Ok(event)| event)
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_is_given_no_more_than_fits() {
        let edge = Edge::new(&ServerConfig::default());
        let (outlet, mut inlet) = outlet(&edge.memory);
        let large = Bytes::from(vec![0; BYTES_MAX]);
        assert!(outlet.send(large.clone(), PATIENCE).await);
        assert!(!outlet.send(Bytes::from_static(b"x"), PATIENCE).await, "a minute is over");
        let lost = Bytes::from_static(b"lost");
        assert_eq!(outlet.offer(lost.clone()), Offered::Full(lost));
        let (sent, read) =
            tokio::join!(outlet.send(Bytes::from_static(b"y"), PATIENCE), next(&mut inlet));
        assert!(sent, "it was read in time");
        assert_eq!(read, Some(large));
        assert_eq!(next(&mut inlet).await, Some(Bytes::from_static(b"y")));

        for _ in 0..EVENTS_MAX {
            assert!(outlet.send(Bytes::from_static(b"z"), PATIENCE).await);
        }
        assert!(!outlet.send(Bytes::from_static(b"z"), PATIENCE).await, "so many wait already");
        drop(outlet);
        assert_eq!(inlet.count().await, EVENTS_MAX, "what was said is heard to its end");
    }

    #[tokio::test]
    async fn a_client_that_left_is_not_waited_for() {
        let edge = Edge::new(&ServerConfig::default());
        let (outlet, inlet) = outlet(&edge.memory);
        assert!(outlet.send(Bytes::from(vec![0; BYTES_MAX]), PATIENCE).await);
        let (sent, (), ()) =
            tokio::join!(outlet.send(Bytes::from_static(b"x"), PATIENCE), outlet.closed(), async {
                drop(inlet);
            });
        assert!(!sent);
        assert_eq!(outlet.offer(Bytes::from_static(b"x")), Offered::Left);
        assert_eq!(edge.memory.held(), 0, "nobody holds what nobody will read");
    }

    /// Counts how often its task is woken.
    #[derive(Default)]
    struct Bell(AtomicUsize);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn each_end_is_woken_for_what_it_waits_for_and_for_nothing_else() {
        let edge = Edge::new(&ServerConfig::default());
        let (outlet, mut inlet) = outlet(&edge.memory);
        let (pump, client) = (Arc::<Bell>::default(), Arc::<Bell>::default());
        let rung = || (pump.0.load(Ordering::Relaxed), client.0.load(Ordering::Relaxed));
        let (for_pump, for_client) =
            (Waker::from(Arc::clone(&pump)), Waker::from(Arc::clone(&client)));
        let for_pump = Context::from_waker(&for_pump);
        let mut for_client = Context::from_waker(&for_client);
        assert!(inlet.poll_next_unpin(&mut for_client).is_pending());
        assert!(outlet.poll_closed(&for_pump).is_pending());

        let large = Bytes::from(vec![0; BYTES_MAX / 2]);
        for _ in 0..2 {
            assert_eq!(outlet.offer(large.clone()), Offered::Taken);
        }
        assert_eq!(rung(), (0, 1), "once, for both");
        assert!(next(&mut inlet).await.is_some());
        assert_eq!(rung(), (0, 1), "there was room");
        assert_eq!(outlet.offer(large), Offered::Taken);
        assert!(outlet.poll_room(&for_pump).is_pending());
        assert!(next(&mut inlet).await.is_some());
        assert_eq!(rung(), (1, 1));
        assert!(next(&mut inlet).await.is_some());
        assert!(inlet.poll_next_unpin(&mut for_client).is_pending());
        drop(outlet);
        assert_eq!(rung(), (1, 2), "there is no more");
        assert_eq!(next(&mut inlet).await, None);
    }
}
