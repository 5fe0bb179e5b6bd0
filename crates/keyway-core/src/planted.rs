//! Bugs that the simulation plants, one at a time, to see that it catches them.

/// What is done wrong while it is planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// A reservation takes nothing out of its lease.
    HoldsNothing,
    /// A charge stays in the lease that it was made from.
    DrawsNothing,
    /// A charge is not bounded by its reservation.
    ChargesAboveTheBound,
    /// A window never ends.
    WindowsStand,
    /// What was granted is forgotten.
    ForgetsGrants,
    /// What was given back is kept too.
    KeepsWhatItGaveBack,
    /// Budget that is only held counts as spent.
    RefusesForHolds,
    /// A closed account stays open.
    IgnoresAmendments,
    /// What was leased under a higher limit is spent under the lower one.
    SpendsWhatOldTermsGranted,
    /// The first account's hold stays when the second refuses.
    LeaksPartialHolds,
    /// An extension holds nothing.
    ExtendsWithoutHolding,
    /// An extension holds on the first account only.
    ExtendsOneAccount,
    /// A request is settled as often as somebody says so.
    SettlesTwice,
    /// The hold is gone before the charge is durable.
    ReleasesEarly,
    /// A charge that was given up counts as waived though the store had it.
    WaivesWhatIsCharged,
    /// A node puts nothing back that a fail-over lost.
    TestifiesNothing,
    /// Of that, it puts back charges only.
    ForgetsMarks,
    /// The store lets ended runs write.
    #[cfg(any(test, feature = "testing"))]
    NoFence,
    /// The store grants what others have.
    #[cfg(any(test, feature = "testing"))]
    GrantsWhatIsLeased,
    /// The store does a repeated call again.
    #[cfg(any(test, feature = "testing"))]
    GrantsAgain,
    /// The store charges nothing for answers that a crash cut.
    #[cfg(any(test, feature = "testing"))]
    VoidsOnCrash,
    /// The store leaves an ended run its leases.
    #[cfg(any(test, feature = "testing"))]
    KeepsDeadLeases,
    /// The store takes no charge out of its lease.
    #[cfg(any(test, feature = "testing"))]
    SettlesBesideTheLease,
    /// The store forgets charges of answers when a run ends.
    #[cfg(any(test, feature = "testing"))]
    ForgetsConsumed,
    /// The store keeps no trace of the leases that it takes away.
    #[cfg(any(test, feature = "testing"))]
    PrunesWithoutTrace,
    /// The store charges again what is testified and there.
    #[cfg(any(test, feature = "testing"))]
    TestifiesTwice,
    /// The store waits for nobody to put back what was lost.
    #[cfg(any(test, feature = "testing"))]
    WaitsForNobody,
    /// The store lets runs go on that joined before it failed over.
    #[cfg(any(test, feature = "testing"))]
    KeepsOldRuns,
    /// The store gives numbers out again that a fail-over lost.
    #[cfg(any(test, feature = "testing"))]
    NumbersAgain,
    /// The store leaves keys valid whose revocation was lost.
    #[cfg(any(test, feature = "testing"))]
    RevivesKeys,
}

/// Whether `bug` is planted: never, outside of the simulation.
#[cfg(not(test))]
pub(crate) const fn planted(_bug: Bug) -> bool {
    false
}

#[cfg(test)]
pub(crate) use for_tests::{plant, planted};

#[cfg(test)]
mod for_tests {
    use std::cell::Cell;

    use super::Bug;

    thread_local! {
        static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    pub(crate) fn planted(bug: Bug) -> bool {
        PLANTED.get() == Some(bug)
    }

    pub(crate) fn plant(bug: Option<Bug>) {
        PLANTED.set(bug);
    }
}
