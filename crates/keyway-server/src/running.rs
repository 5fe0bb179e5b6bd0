//! Requests in flight, by key: what runs on a key that is disabled or deleted can be told.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use keyway_core::id::KeyId;
use tokio::sync::Notify;

/// Keys with requests in flight. It is as large as there are such keys.
#[derive(Debug, Default)]
pub struct Running {
    keys: Mutex<HashMap<KeyId, Requests>>,
}

#[derive(Debug, Default)]
struct Requests {
    closing: Arc<Closing>,
    count: u64,
}

/// Whether a key was closed. Every request asks several times, and takes no lock for it.
#[derive(Debug, Default)]
struct Closing {
    is_done: AtomicBool,
    done: Notify,
}

/// A request's place among those in flight; it leaves when this is dropped.
#[derive(Debug)]
pub struct Place {
    running: Arc<Running>,
    key: KeyId,
    closing: Arc<Closing>,
}

impl Running {
    /// Takes a place on `key`. Whoever does looks at the key after it, not before: a change that came
    /// earlier is told to nobody who comes later.
    pub fn enter(self: &Arc<Self>, key: KeyId) -> Place {
        let mut keys = self.lock();
        let requests = keys.entry(key).or_default();
        requests.count += 1;
        Place { running: Arc::clone(self), key, closing: Arc::clone(&requests.closing) }
    }

    /// `key` is not valid any more: all that runs on it is told.
    pub fn close(&self, key: KeyId) {
        let mut keys = self.lock();
        // Under the lock: who leaves must not take itself for one of those who come later.
        if let Some(requests) = keys.remove(&key) {
            requests.closing.close();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<KeyId, Requests>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Closing {
    fn close(&self) {
        self.is_done.store(true, Ordering::Release);
        self.done.notify_waiters();
    }

    fn is_done(&self) -> bool {
        self.is_done.load(Ordering::Acquire)
    }
}

impl Place {
    /// Waits until the key is closed.
    pub async fn closed(&self) {
        // It hears of what is done from here on, so that nothing is missed between the look and the wait.
        let done = self.closing.done.notified();
        if !self.is_closed() {
            done.await;
        }
    }

    pub fn is_closed(&self) -> bool {
        self.closing.is_done()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut keys = self.running.lock();
        let Entry::Occupied(mut requests) = keys.entry(self.key) else { return };
        // A key that was closed and is open again has other requests than this.
        if self.is_closed() {
            return;
        }
        requests.get_mut().count -= 1;
        if requests.get().count == 0 {
            requests.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn all_that_runs_on_a_key_is_told_and_nothing_else() {
        let running = Arc::new(Running::default());
        let (one, two) = (running.enter(KeyId(1)), running.enter(KeyId(1)));
        let other = running.enter(KeyId(2));
        running.close(KeyId(1));
        assert!(one.is_closed() && two.is_closed() && !other.is_closed());
        let later = running.enter(KeyId(1));
        drop((one, two));
        assert!(!later.is_closed(), "the key is open again");
        running.close(KeyId(1));
        assert!(later.is_closed(), "those who left took no other's place");
    }

    #[test]
    fn who_waits_is_told_and_so_is_who_comes_too_late() {
        let running = Arc::new(Running::default());
        let place = running.enter(KeyId(1));
        let mut waits = pin!(place.closed());
        assert!(waits.as_mut().now_or_never().is_none());
        running.close(KeyId(1));
        assert!(waits.now_or_never().is_some());
        assert!(place.closed().now_or_never().is_some());
    }

    #[test]
    fn nothing_is_kept_of_what_ended() {
        let running = Arc::new(Running::default());
        for close in [false, true] {
            let places: Vec<_> = (0..100).map(|key| running.enter(KeyId(key % 7))).collect();
            assert_eq!(running.lock().len(), 7);
            if close {
                running.close(KeyId(3));
            }
            drop(places);
            assert!(running.lock().is_empty());
        }
    }
}
