//! Bytes of requests and of streams that are held at once, counted while they are.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Debug)]
pub(crate) struct Memory {
    held: AtomicUsize,
    most: usize,
}

/// Some of the bytes; free again when dropped.
#[derive(Debug)]
pub(crate) struct Hold {
    memory: Arc<Memory>,
    bytes: usize,
}

impl Memory {
    pub(super) const fn new(most: usize) -> Self {
        Self { held: AtomicUsize::new(0), most }
    }

    /// Holds nothing yet.
    pub(crate) fn nothing(self: &Arc<Self>) -> Hold {
        Hold { memory: Arc::clone(self), bytes: 0 }
    }

    /// Holds `bytes` that are here already, whether or not there is room for them: what asks for room
    /// next finds less.
    pub(crate) fn count(self: &Arc<Self>, bytes: usize) -> Hold {
        self.held.fetch_add(bytes, Ordering::Relaxed);
        Hold { memory: Arc::clone(self), bytes }
    }
}

impl Hold {
    /// Holds `bytes` more, where there is room for them.
    #[must_use]
    pub(crate) fn grow(&mut self, bytes: usize) -> bool {
        let before = self.memory.held.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        before.saturating_add(bytes) <= self.memory.most
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.memory.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_leaves_less_room_until_it_is_dropped() {
        let memory = Arc::new(Memory::new(10));
        let mut body = memory.nothing();
        assert!(body.grow(6));
        let events = memory.count(5);
        assert!(!memory.nothing().grow(1), "eleven are held");
        drop(events);
        assert!(body.grow(4));
        assert!(!body.grow(1));
        drop(body);
        assert_eq!(memory.held.load(Ordering::Relaxed), 0);
    }
}
