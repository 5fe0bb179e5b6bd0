//! Requests in flight, by key: what runs on a key that is disabled or deleted can be told.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use keyway_core::id::KeyId;
use tokio_util::sync::CancellationToken;

/// Keys with requests in flight. It is as large as there are such keys.
#[derive(Debug, Default)]
pub struct Running {
    keys: Mutex<HashMap<KeyId, Requests>>,
}

#[derive(Debug, Default)]
struct Requests {
    closed: CancellationToken,
    count: u64,
}

/// A request's place among those in flight; it leaves when this is dropped.
#[derive(Debug)]
pub struct Place {
    running: Arc<Running>,
    key: KeyId,
    closed: CancellationToken,
}

impl Running {
    /// Takes a place on `key`. Whoever does looks at the key after it, not before: a change that came
    /// earlier is told to nobody who comes later.
    pub fn enter(self: &Arc<Self>, key: KeyId) -> Place {
        let mut keys = self.lock();
        let requests = keys.entry(key).or_default();
        requests.count += 1;
        Place { running: Arc::clone(self), key, closed: requests.closed.clone() }
    }

    /// `key` is not valid any more: all that runs on it is told.
    pub fn close(&self, key: KeyId) {
        let mut keys = self.lock();
        // Under the lock: who leaves must not take itself for one of those who come later.
        if let Some(requests) = keys.remove(&key) {
            requests.closed.cancel();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<KeyId, Requests>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Waits until the key is closed.
    pub async fn closed(&self) {
        self.closed.cancelled().await;
    }

    pub fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut keys = self.running.lock();
        let Entry::Occupied(mut requests) = keys.entry(self.key) else { return };
        // A key that was closed and is open again has other requests than this.
        if self.closed.is_cancelled() {
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
