//! The meter's leases: asked for, given back, and lost with the run of the node that had them.

use std::sync::{Arc, MutexGuard};

use keyway_core::ledger::{LeaseCall, Leased, Ledger};
use keyway_core::store::{Joined, Poll, StoreError, Testimony};

use super::{Meter, RETRY_MAX, RETRY_MIN, State, installation, settings};

impl Meter {
    /// The run is over, though the store may not know it yet: nothing of it is written, and no answer
    /// goes on that was waiting for the store. Answers what a store that failed over may have lost.
    pub fn end_run(&self) -> Testimony {
        let mut state = self.lock();
        state.ledger.end_run();
        state.waiting.clear();
        let now = self.clock.now();
        let Some(journal) = &mut state.journal else { return Testimony::default() };
        journal.end_run(now);
        journal.testimony()
    }

    /// Goes on in a new run of the node. The store has settled what the old one left.
    pub fn rejoin(&self, joined: Joined) {
        let mut state = self.lock();
        state.installation = installation(&joined);
        state.ledger = Ledger::new(settings(self.store.as_ref(), joined));
        let now = self.clock.now();
        state.journal.iter_mut().for_each(|journal| journal.begin_run(now));
        // Who waits asks anew.
        state.waiting.clear();
    }

    /// Waits until the store says that the run of this node was ended.
    pub async fn fenced(&self) {
        self.fenced.notified().await;
    }

    /// Learns what the node learnt of the others.
    pub fn learn(self: &Arc<Self>, poll: &Poll) {
        self.counts.recalled(poll.recalled.len());
        {
            let mut state = self.lock();
            state.ledger.set_nodes(poll.nodes);
            if let Some(journal) = &mut state.journal {
                journal.polled(poll.now);
                poll.changes.iter().for_each(|change| journal.changed(*change, poll.now));
            }
            for slice in &poll.recalled {
                state.ledger.recall(slice.account);
            }
        }
        self.drive();
    }

    /// Looks after leases that nobody uses, and calls that are due.
    pub fn tidy(self: &Arc<Self>) {
        self.lock().ledger.tidy();
        self.drive();
    }

    /// Makes the calls that are due now.
    pub fn drive(self: &Arc<Self>) {
        self.go_on(self.lock());
    }

    /// Makes the calls that are due after what was decided on `state`.
    pub(super) fn go_on(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        if state.ledger.is_at_rest() {
            return;
        }
        let calls = state.ledger.calls(self.clock.now());
        drop(state);
        for call in calls {
            self.tasks.spawn(Arc::clone(self).lease(call));
        }
    }

    async fn lease(self: Arc<Self>, call: LeaseCall) {
        let mut pause = RETRY_MIN;
        loop {
            let answer = self.store.lease(call, self.clock.now()).await;
            self.note(&answer);
            match answer {
                Ok(leased) => {
                    self.counts.leased(&call, &leased);
                    break self.leased(&call, &leased);
                }
                Err(StoreError::Fenced) => break self.fenced.notify_one(),
                Err(error) => {
                    tracing::debug!(%error, "a lease could not be asked for; it will be again");
                    let mut state = self.lock();
                    if state.ledger.epoch() != call.epoch {
                        break;
                    }
                    state.ledger.call_failed(call.slice.account);
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RETRY_MAX);
        }
    }

    fn leased(self: &Arc<Self>, call: &LeaseCall, leased: &Leased) {
        let mut state = self.lock();
        if state.ledger.epoch() != call.epoch {
            return;
        }
        let decisions = state.ledger.leased(call, leased, self.clock.now());
        state.tell(decisions);
        self.go_on(state);
    }
}
