//! Bytes of requests and of streams that are held at once, counted while they are.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use keyway_core::id::KeyId;

/// What a body may hold before it counts against its key's share: most are smaller.
const SMALL: usize = 128 * 1024;
/// The part of all that the larger bodies of one key may hold: a quarter.
const SHARES: usize = 4;

#[derive(Debug)]
pub(crate) struct Memory {
    held: AtomicUsize,
    most: usize,
    /// How often there was no room.
    refused: AtomicU64,
    /// What the larger bodies of each key hold.
    large: Mutex<HashMap<KeyId, usize>>,
}

/// Some of the bytes; free again when dropped.
#[derive(Debug)]
pub(crate) struct Hold {
    memory: Arc<Memory>,
    bytes: usize,
    /// Whose it is, and what of it is counted against the key's share.
    large: Option<(KeyId, usize)>,
}

impl Memory {
    pub(super) fn new(most: usize) -> Self {
        let refused = AtomicU64::new(0);
        Self { held: AtomicUsize::new(0), most, refused, large: Mutex::default() }
    }

    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    pub(crate) const fn refused(&self) -> &AtomicU64 {
        &self.refused
    }

    /// Holds nothing yet, for a request of `key` where it says whose it is.
    pub(crate) fn nothing(self: &Arc<Self>, key: Option<KeyId>) -> Hold {
        Hold { memory: Arc::clone(self), bytes: 0, large: key.map(|key| (key, 0)) }
    }

    /// Holds `bytes` that are here already, whether or not there is room for them: what asks for room
    /// next finds less.
    pub(crate) fn count(self: &Arc<Self>, bytes: usize) -> Hold {
        self.held.fetch_add(bytes, Ordering::Relaxed);
        Hold { memory: Arc::clone(self), bytes, large: None }
    }

    /// Counts `bytes` more against the share of `key`, and answers whether they are within it.
    fn grow_share(&self, key: KeyId, bytes: usize) -> bool {
        let mut large = self.large.lock().unwrap_or_else(PoisonError::into_inner);
        let held = large.entry(key).or_default();
        *held += bytes;
        *held <= self.most / SHARES
    }

    fn shrink_share(&self, key: KeyId, bytes: usize) {
        let mut large = self.large.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = large.get_mut(&key) {
            *held -= bytes;
            if *held == 0 {
                large.remove(&key);
            }
        }
    }
}

impl Hold {
    /// Holds as much once more, for a copy, where there is room for it.
    pub(crate) fn again(&self) -> Option<Self> {
        let mut copy = self.memory.nothing(self.large.map(|(key, _)| key));
        copy.grow(self.bytes).then_some(copy)
    }

    /// Holds `bytes` more, where there is room for them, and the key has not more than its share.
    #[must_use]
    pub(crate) fn grow(&mut self, bytes: usize) -> bool {
        let before = self.memory.held.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        let has_room = before.saturating_add(bytes) <= self.memory.most;
        let is_granted = has_room && self.is_within_share(bytes);
        if !is_granted {
            self.memory.refused.fetch_add(1, Ordering::Relaxed);
        }
        is_granted
    }

    fn is_within_share(&mut self, bytes: usize) -> bool {
        let Some((key, large)) = &mut self.large else { return true };
        if self.bytes <= SMALL {
            return true;
        }
        let more = if *large == 0 { self.bytes } else { bytes };
        *large += more;
        self.memory.grow_share(*key, more)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.memory.held.fetch_sub(self.bytes, Ordering::Relaxed);
        if let Some((key, large @ 1..)) = self.large {
            self.memory.shrink_share(key, large);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_leaves_less_room_until_it_is_dropped() {
        let memory = Arc::new(Memory::new(10));
        let mut body = memory.nothing(Some(KeyId(1)));
        assert!(body.grow(6));
        let events = memory.count(5);
        assert!(!memory.nothing(Some(KeyId(1))).grow(1), "eleven are held");
        drop(events);
        assert!(body.again().is_none(), "a copy of six, and ten is all");
        assert!(body.grow(4));
        assert!(!body.grow(1));
        drop(body);
        let mut small = memory.nothing(None);
        assert!(small.grow(5) && small.again().is_some());
        assert_eq!(memory.held.load(Ordering::Relaxed), 5, "the copy is gone");
        drop(small);
        assert_eq!(memory.held.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn large_bodies_of_one_key_leave_room_for_others() {
        let memory = Arc::new(Memory::new(SHARES * 3 * SMALL));
        let mut bodies: Vec<Hold> = (0..3).map(|_| memory.nothing(Some(KeyId(1)))).collect();
        assert!(bodies.iter_mut().all(|body| body.grow(SMALL)), "they are small");
        assert!(bodies[0].grow(SMALL));
        assert!(!bodies[1].grow(SMALL), "four, and three are the share");
        let mut other = memory.nothing(Some(KeyId(2)));
        assert!(other.grow(3 * SMALL));
        drop(bodies);
        drop(other);
        assert!(memory.large.lock().expect("unharmed").is_empty());
        assert!(memory.nothing(Some(KeyId(1))).grow(3 * SMALL));
    }
}
