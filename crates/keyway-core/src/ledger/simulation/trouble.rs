//! Which faults a seed's world has. A fault that never rests hides what others would show, so most
//! worlds have some of them, and one in eight has all.

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A process ends, with all that it had in memory.
    Crash,
    /// A node stands still for a while; what it was about to send goes out late.
    Sleep,
    /// A node is taken for dead that is not.
    WrongEnd,
    /// A node is cut off from the store.
    Partition,
    /// An answer of the store is lost, and the call made again.
    LostAnswer,
    /// A call arrives twice.
    Repeat,
    /// An answer of the store comes late, after others that were asked for later.
    SlowStore,
    /// A node's clock is off.
    Clock,
    /// The store goes on from what it was up to half a second ago.
    FailOver,
    /// Operators change limits, and disable keys. Where nobody does, every limit is the same from
    /// beginning to end, and no charge may ever pass it.
    Changes,
}

const FAULTS: [Fault; 10] = [
    Fault::Crash,
    Fault::Sleep,
    Fault::WrongEnd,
    Fault::Partition,
    Fault::LostAnswer,
    Fault::Repeat,
    Fault::SlowStore,
    Fault::Clock,
    Fault::FailOver,
    Fault::Changes,
];

#[derive(Clone, Debug)]
pub(super) struct Trouble {
    faults: Vec<Fault>,
}

impl Trouble {
    /// `draw` says whether the next fault is among them.
    pub(super) fn drawn(everything: bool, mut draw: impl FnMut() -> bool) -> Self {
        Self { faults: FAULTS.into_iter().filter(|_| draw() || everything).collect() }
    }

    pub(super) fn none() -> Self {
        Self { faults: Vec::new() }
    }

    pub(super) fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }
}
