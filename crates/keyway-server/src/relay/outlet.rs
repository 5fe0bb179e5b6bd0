//! The queue between a pump and its client: bounded in events and in bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::http::memory::{Hold, Memory};

/// Events that may wait for the client to read them.
const EVENTS_MAX: usize = 32;
/// Bytes of them, apart from the last one.
const BYTES_MAX: usize = 256 * 1024;

/// An event, and what it holds of the memory for all streams.
type Item = (Bytes, Hold);

/// The pump's end.
#[derive(Clone, Debug)]
pub(super) struct Outlet {
    events: mpsc::Sender<Item>,
    queue: Arc<Queue>,
}

/// The client's end.
#[derive(Debug)]
pub(super) struct Inlet {
    events: mpsc::Receiver<Item>,
    queue: Arc<Queue>,
}

#[derive(Debug)]
struct Queue {
    memory: Arc<Memory>,
    bytes: AtomicUsize,
    /// Something was read.
    read: tokio::sync::Notify,
}

pub(super) fn outlet(memory: &Arc<Memory>) -> (Outlet, Inlet) {
    let (sender, receiver) = mpsc::channel(EVENTS_MAX);
    let queue = Arc::new(Queue {
        memory: Arc::clone(memory),
        bytes: AtomicUsize::new(0),
        read: tokio::sync::Notify::new(),
    });
    (Outlet { events: sender, queue: Arc::clone(&queue) }, Inlet { events: receiver, queue })
}

impl Outlet {
    /// Hands `event` over, and waits for room for at most `patience`. Answers whether the client has it,
    /// or will when it reads on.
    pub(super) async fn send(&self, event: Bytes, patience: Duration) -> bool {
        let handed_over = async {
            let permit = self.events.reserve().await.ok()?;
            self.room().await?;
            permit.send(self.queue.item(event));
            Some(())
        };
        matches!(tokio::time::timeout(patience, handed_over).await, Ok(Some(())))
    }

    /// Hands `event` over where there is room for it; else it is lost.
    pub(super) fn try_send(&self, event: Bytes) {
        if let (false, Ok(permit)) = (self.queue.is_full(), self.events.try_reserve()) {
            permit.send(self.queue.item(event));
        }
    }

    /// Waits until the client is gone.
    pub(super) async fn closed(&self) {
        self.events.closed().await;
    }

    /// Waits until fewer bytes wait to be read; `None` where nobody will read them.
    async fn room(&self) -> Option<()> {
        while self.queue.is_full() {
            let mut read = std::pin::pin!(self.queue.read.notified());
            read.as_mut().enable();
            if !self.queue.is_full() {
                break;
            }
            tokio::select! {
                () = read => {}
                () = self.events.closed() => return None,
            }
        }
        Some(())
    }
}

impl Queue {
    fn is_full(&self) -> bool {
        self.bytes.load(Ordering::Acquire) >= BYTES_MAX
    }

    fn item(&self, event: Bytes) -> Item {
        self.bytes.fetch_add(event.len(), Ordering::AcqRel);
        let hold = self.memory.count(event.len());
        (event, hold)
    }
}

impl Inlet {
    /// The next event; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        let (event, _) = self.events.recv().await?;
        self.queue.bytes.fetch_sub(event.len(), Ordering::AcqRel);
        self.queue.read.notify_waiters();
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ServerConfig;
    use crate::http::edge::Edge;

    const PATIENCE: Duration = Duration::from_mins(1);

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_is_given_no_more_than_fits() {
        let edge = Edge::new(&ServerConfig::default());
        let (outlet, mut inlet) = outlet(&edge.memory);
        let large = Bytes::from(vec![0; BYTES_MAX]);
        assert!(outlet.send(large.clone(), PATIENCE).await);
        assert!(!outlet.send(Bytes::from_static(b"x"), PATIENCE).await, "a minute is over");
        outlet.try_send(Bytes::from_static(b"lost"));
        let (sent, read) =
            tokio::join!(outlet.send(Bytes::from_static(b"y"), PATIENCE), inlet.next());
        assert!(sent, "it was read in time");
        assert_eq!(read, Some(large));
        assert_eq!(inlet.next().await, Some(Bytes::from_static(b"y")));

        for _ in 0..EVENTS_MAX {
            assert!(outlet.send(Bytes::from_static(b"z"), PATIENCE).await);
        }
        assert!(!outlet.send(Bytes::from_static(b"z"), PATIENCE).await, "so many wait already");
    }

    #[tokio::test]
    async fn a_client_that_left_is_not_waited_for() {
        let edge = Edge::new(&ServerConfig::default());
        let (outlet, inlet) = outlet(&edge.memory);
        assert!(outlet.send(Bytes::from(vec![0; BYTES_MAX]), PATIENCE).await);
        let (sent, ()) = tokio::join!(outlet.send(Bytes::from_static(b"x"), PATIENCE), async {
            drop(inlet);
        });
        assert!(!sent);
        outlet.closed().await;
    }
}
