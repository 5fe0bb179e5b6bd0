//! What was turned away because there was no room for it.

use std::sync::atomic::{AtomicU64, Ordering};

/// What there was no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shed {
    Connection,
    /// A request, in the turns of this node,
    Request,
    /// or in those of a provider.
    Provider,
}

/// How often, since the start.
#[derive(Debug, Default)]
pub(crate) struct ShedCounts([AtomicU64; Shed::ALL.len()]);

impl Shed {
    pub(crate) const ALL: [Self; 3] = [Self::Connection, Self::Request, Self::Provider];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "connections",
            Self::Request => "requests",
            Self::Provider => "provider",
        }
    }
}

impl ShedCounts {
    pub(crate) fn add(&self, what: Shed) {
        self.of(what).fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) const fn of(&self, what: Shed) -> &AtomicU64 {
        &self.0[what as usize]
    }
}
