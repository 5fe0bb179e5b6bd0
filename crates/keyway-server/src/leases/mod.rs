//! This node among the others: heard of by them, told of their changes, and ended by nobody unnoticed.
//!
//! Changes to keys are put in force here and nowhere else, in the order in which the store has them.
//! A call that made a change waits until this node and all others have it in force, or cannot serve
//! without it any more.

mod awake;
pub mod clock;
mod prune;
mod runs;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use keyway_core::clock::Timestamp;
use keyway_core::id::{AccountId, Epoch, Timeline};
use keyway_core::store::{Joined, NodeEnd, Poll, SILENCE_SECONDS, Store, StoreError};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::awake::Moment;
use self::clock::StoreClock;
use crate::keyring::Keyring;
use crate::relay::meter::Meter;
use crate::relay::rates::Rates;
use crate::vault::Vault;

/// How often a node asks what others changed.
const POLL_EVERY: Duration = Duration::from_millis(200);
/// How often a node that has the store for itself looks after its leases.
const TIDY_EVERY: Duration = Duration::from_secs(1);
/// What a poll may take before it counts as failed.
const POLL_PATIENCE: Duration = Duration::from_millis(500);
/// How often others have to hear of a node.
const BEAT_EVERY: Duration = Duration::from_secs(1);
/// How long a node serves from memory without having asked what changed.
const CACHE_LEASE: Duration = Duration::from_millis(900);
/// A node that could not ask for so long does not know who was silent, and who had no store to speak to.
const GAP: Duration = Duration::from_secs(2);
/// How long it listens before it ends those that are silent.
const SILENCE: Duration = Duration::from_secs(SILENCE_SECONDS.unsigned_abs());
/// How long an answer under way waits for a node that is not sure of what it knows.
const CONFIRM_PATIENCE: Duration = Duration::from_secs(1);
/// After this no node serves without the change: its cache's lease and a round trip.
const BARRIER: Duration = Duration::from_secs(1);
/// How often a change that is waited for is looked after.
const BARRIER_LOOK: Duration = Duration::from_millis(40);
/// How long the one node of a store waits for itself.
const OWN_PATIENCE: Duration = Duration::from_secs(5);
/// Accounts that are asked for in one call.
const ACCOUNTS_AT_ONCE: usize = 1_000;

/// What this node knows, by its last poll.
#[derive(Clone, Copy, Debug)]
struct Known {
    /// When the poll began: what was committed before is in it.
    began: Instant,
    /// The same moment, by a clock that goes on while the machine sleeps.
    asked: Moment,
    /// Since when no poll was missed for longer than [`GAP`].
    listening: Instant,
    /// Up to here changes are in force on this node,
    applied: i64,
    /// and on all others.
    acknowledged: i64,
    /// The run that polled joined in this history of the store,
    timeline: Timeline,
    /// and others have not put back yet what it lost.
    returning: bool,
}

impl Known {
    fn is_fresh(&self) -> bool {
        self.asked.elapsed() < CACHE_LEASE
    }
}

/// What this node serves from, and what changes are put in force in.
#[derive(Debug)]
pub struct Memory {
    pub meter: Arc<Meter>,
    pub rates: Arc<Rates>,
    pub keyring: Arc<Keyring>,
    pub vault: Arc<Vault>,
}

/// This process as one of the nodes of an installation.
pub struct Node {
    name: String,
    store: Arc<dyn Store>,
    clock: Arc<StoreClock>,
    memory: Memory,
    known: watch::Sender<Known>,
    kick: Notify,
    companions: TaskTracker,
    /// One at a time ends those that fell silent.
    ending: Arc<Semaphore>,
}

impl Node {
    /// `joined` is the run that the node begins with.
    pub fn new(
        name: String,
        store: Arc<dyn Store>,
        clock: Arc<StoreClock>,
        memory: Memory,
        companions: TaskTracker,
        joined: Joined,
    ) -> Self {
        let known = Known {
            began: Instant::now(),
            asked: Moment::now(),
            listening: Instant::now(),
            applied: joined.head,
            acknowledged: joined.head,
            timeline: joined.timeline,
            returning: joined.returning,
        };
        let known = watch::Sender::new(known);
        let (kick, ending) = (Notify::new(), Arc::new(Semaphore::new(1)));
        Self { name, store, clock, memory, known, kick, companions, ending }
    }

    /// Fails where this node cannot be sure any more that what it knows of keys is still so.
    pub fn check_confirmed(&self) -> Result<(), StoreError> {
        let known = *self.known.borrow();
        if known.returning {
            let detail = "the store failed over, and other nodes have yet to put back what it lost";
            return Err(StoreError::Unavailable(detail.to_owned()));
        }
        if !self.store.is_shared() || known.is_fresh() {
            return Ok(());
        }
        let detail = "what changed could not be asked for within the cache's lease";
        Err(StoreError::Unavailable(detail.to_owned()))
    }

    /// Waits, a second at most, until this node is sure of what it knows of keys: for an answer under
    /// way on a node that was paused and wakes up.
    pub async fn confirm(&self) -> Result<(), StoreError> {
        if self.check_confirmed().is_ok() {
            return Ok(());
        }
        let mut known = self.known.subscribe();
        let until = Instant::now() + CONFIRM_PATIENCE;
        self.wait(&mut known, until, |known| known.is_fresh() && !known.returning).await;
        self.check_confirmed()
    }

    /// Waits until what the store has of changes is in force: here, and on every other node, or until
    /// no node can serve without it.
    pub async fn in_force(&self) -> Result<(), StoreError> {
        let called = Instant::now();
        let mut known = self.known.subscribe();
        let shared = self.store.is_shared();
        let until = called + if shared { BARRIER } else { OWN_PATIENCE };
        let here = self.wait(&mut known, until, |known| known.began > called).await;
        let Some(here) = here else {
            // Others cannot serve by now, and neither can this node.
            let detail = "a change could not be read back in time".to_owned();
            return if shared { Ok(()) } else { Err(StoreError::Unavailable(detail)) };
        };
        self.wait(&mut known, until, |known| known.acknowledged >= here.applied).await;
        Ok(())
    }

    async fn wait(
        &self,
        known: &mut watch::Receiver<Known>,
        until: Instant,
        met: impl Fn(&Known) -> bool,
    ) -> Option<Known> {
        while Instant::now() < until {
            self.kick.notify_one();
            let look = until.min(Instant::now() + BARRIER_LOOK);
            if let Ok(Ok(known)) = timeout_at(look, known.wait_for(&met)).await {
                return Some(*known);
            }
        }
        None
    }

    /// Keeps this node up to date until `stop` is cancelled; then gives back what it has.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let every = if self.store.is_shared() { POLL_EVERY } else { TIDY_EVERY };
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut tidied = Instant::now();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                // The poll finds out whether it is so.
                () = self.memory.meter.fenced() => {}
                () = self.kick.notified() => {}
                _ = ticks.tick() => {}
            }
            match self.poll().await {
                Ok(()) => {}
                Err(StoreError::Fenced) => self.rejoin(&stop).await,
                Err(error) => tracing::debug!(%error, "what others changed could not be asked for"),
            }
            if tidied.elapsed() >= TIDY_EVERY {
                tidied = Instant::now();
                self.memory.meter.tidy();
                self.memory.rates.tidy();
            } else {
                self.memory.meter.drive();
            }
        }
        self.leave().await;
    }

    /// Lets the others hear of this node until `stop` is cancelled, and tells them at once which changes
    /// are in force on it. Apart from the polls: neither waits for the other where the store is slow.
    pub async fn beat(self: Arc<Self>, stop: CancellationToken) {
        let mut known = self.known.subscribe();
        let mut told = known.borrow().applied;
        loop {
            let due = timeout(BEAT_EVERY, known.wait_for(|known| known.applied != told));
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _ = due => {}
            }
            // What could not be told is told with the next.
            told = self.known.borrow().applied;
            let beat = self.store.node_beat(self.memory.meter.epoch(), told, self.clock.own());
            if let Err(error) = beat.await {
                tracing::debug!(%error, "the others could not be told that this node lives");
            }
        }
    }

    /// Asks what changed and puts it in force.
    async fn poll(self: &Arc<Self>) -> Result<(), StoreError> {
        let epoch = self.memory.meter.epoch();
        let since = self.known.borrow().applied;
        let (began, asked, before) = (Instant::now(), Moment::now(), self.clock.own());
        let polling = self.store.node_poll(epoch, since, before);
        let late = |_| StoreError::Unavailable("a poll took too long".to_owned());
        let poll = timeout(POLL_PATIENCE, polling).await.map_err(late)??;
        if self.store.is_shared() {
            self.clock.correct(before, poll.now, self.clock.own());
        }
        if poll.forgotten {
            self.look_anew().await?;
        }
        if poll.changes.iter().any(|change| change.account == AccountId::WORKSPACE) {
            self.memory.vault.reload().await?;
        }
        for change in &poll.changes {
            if let Some(key) = change.key {
                if change.state.open {
                    self.memory.keyring.forget(key);
                } else {
                    self.memory.keyring.revoke(key);
                }
            }
            self.memory.meter.amend(change.account, change.state);
        }
        self.memory.meter.learn(&poll);
        self.memory.rates.learn(&poll);
        self.known.send_modify(|known| {
            if began - known.began > GAP {
                known.listening = began;
            }
            known.began = began;
            known.asked = asked;
            known.applied = poll.head;
            known.acknowledged = poll.acknowledged;
            known.returning = poll.returning;
        });
        if self.known.borrow().listening.elapsed() >= SILENCE {
            self.end_silent(epoch, &poll);
        }
        Ok(())
    }

    /// Changes were missed that the store does not know any more: everything that is known of keys
    /// and accounts is read again.
    async fn look_anew(&self) -> Result<(), StoreError> {
        tracing::warn!("changes were missed; all keys are looked at anew");
        self.memory.keyring.forget_all();
        self.memory.vault.reload().await?;
        for accounts in self.memory.meter.accounts().chunks(ACCOUNTS_AT_ONCE) {
            for (account, state) in self.store.account_states(accounts).await? {
                self.memory.meter.amend(account, state);
            }
        }
        Ok(())
    }

    /// Others that are not heard of any more have their leases taken and their answers settled. That
    /// takes as long as there is to settle, and may wait for what they locked: no poll waits for it.
    fn end_silent(self: &Arc<Self>, own: Epoch, poll: &Poll) {
        let (silent, now) = (poll.silent.clone(), poll.now);
        let Ok(turn) = Arc::clone(&self.ending).try_acquire_owned() else { return };
        if silent.iter().all(|silent| *silent == own) {
            return;
        }
        let store = Arc::clone(&self.store);
        self.companions.spawn(async move {
            for silent in silent.into_iter().filter(|silent| *silent != own) {
                end(store.as_ref(), silent, now).await;
            }
            drop(turn);
        });
    }
}

async fn end(store: &dyn Store, silent: Epoch, now: Timestamp) {
    match store.node_end(silent, NodeEnd::Silent, now).await {
        Ok(Some(recovered)) => {
            tracing::warn!(epoch = silent.0, recovered, "a node fell silent and was ended");
        }
        Ok(None) => {}
        Err(error) => tracing::debug!(%error, "a silent node could not be ended"),
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("name", &self.name).finish_non_exhaustive()
    }
}
