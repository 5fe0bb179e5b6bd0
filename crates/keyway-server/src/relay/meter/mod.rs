//! The meter: the ledger with a clock and a store.
//!
//! The ledger decides, in memory; the meter carries what it decided to the store and back. It holds
//! its lock for decisions only, never across a wait.

mod counts;
mod extend;
mod leases;
mod settle;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hashbrown::HashMap;
use keyway_core::budget::Windows;
use keyway_core::clock::Clock;
use keyway_core::id::{AccountId, Epoch, GenerationId};
use keyway_core::key::KeyRecord;
use keyway_core::ledger::{
    AccountState, Admission, Decision, Figures, Forecast, GaveUp, Journal, Ledger, Refusal,
    Settings,
};
use keyway_core::money::Nanos;
use keyway_core::store::{AccountRecord, Joined, Store, StoreError};
use tokio::sync::{Notify, oneshot};
use tokio_util::task::TaskTracker;

pub(crate) use self::counts::MeterCounts;
pub use self::settle::Late;
use crate::keyring::{AuthError, Keyring};

/// Accounts that stay in memory while nothing is in flight on them.
const ACCOUNTS_MAX: usize = 100_000;
/// How long a request waits for others' reservations before it is refused.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// How often a request asks anew because its account or its key changed while it asked.
const TRIES_MAX: usize = 64;
const RETRY_MIN: Duration = Duration::from_millis(25);
const RETRY_MAX: Duration = Duration::from_secs(1);

pub struct Meter {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    tasks: TaskTracker,
    state: Mutex<State>,
    /// Whether the last write failed: then a request is not sent to a provider before one succeeds.
    failing: AtomicBool,
    /// Told when the store takes this node for dead.
    fenced: Notify,
    pub(crate) counts: MeterCounts,
}

struct State {
    ledger: Ledger,
    /// What the installation's account is.
    installation: AccountState,
    /// Where the store may fail over.
    journal: Option<Journal>,
    waiting: HashMap<GenerationId, oneshot::Sender<Admission>>,
}

/// Why a request was not admitted.
#[derive(Debug)]
pub enum ReserveError {
    Refused(Refusal),
    /// The key changed since it was authenticated, and is not valid any more.
    Key(AuthError),
    Store(StoreError),
}

impl Meter {
    /// `joined` is the run of the node that its reservations belong to.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        tasks: TaskTracker,
        joined: Joined,
    ) -> Self {
        let settings = settings(store.as_ref(), joined);
        let state = State {
            ledger: Ledger::new(settings),
            installation: installation(&joined),
            journal: store.is_shared().then(Journal::default),
            waiting: HashMap::new(),
        };
        let failing = AtomicBool::new(false);
        let (state, fenced, counts) = (Mutex::new(state), Notify::new(), MeterCounts::default());
        Self { store, clock, tasks, state, failing, fenced, counts }
    }

    /// The run of the node that reservations are made in.
    pub fn epoch(&self) -> Epoch {
        self.lock().ledger.epoch()
    }

    /// Reserves `bound` on every account of the key's path; waits, bounded, where only others' reservations stand
    /// in the way.
    pub async fn reserve(
        self: &Arc<Self>,
        id: GenerationId,
        keyring: &Keyring,
        key: &Arc<KeyRecord>,
        bound: Nanos,
    ) -> Result<Windows, ReserveError> {
        self.check_store().await.map_err(ReserveError::Store)?;
        let mut key = Arc::clone(key);
        for _ in 0..TRIES_MAX {
            let (admission, decided) = self.ask(id, &path(&key), bound);
            match admission {
                Admission::Admitted(windows) => return Ok(windows),
                Admission::Refused(refusal) => return Err(ReserveError::Refused(refusal)),
                Admission::Waiting => match self.counts.wait(self.wait(id, decided)).await? {
                    Some(Admission::Admitted(windows)) => return Ok(windows),
                    Some(Admission::Refused(refusal)) => {
                        return Err(ReserveError::Refused(refusal));
                    }
                    Some(Admission::Waiting | Admission::Unopened(_)) | None => {}
                },
                Admission::Unopened(AccountId::INSTALLATION) => self.open_installation(),
                Admission::Unopened(_) => {
                    if !self.open(&key, keyring) {
                        let renewed = keyring.renew(&key, || self.clock.now()).await;
                        key = renewed.map_err(ReserveError::Key)?;
                    }
                }
            }
        }
        let detail = "accounts changed faster than one could be reserved on";
        Err(ReserveError::Store(StoreError::Unavailable(detail.to_owned())))
    }

    /// The accounts in memory.
    pub fn accounts(&self) -> Vec<AccountId> {
        self.lock().ledger.accounts()
    }

    /// What this node's requests in flight hold of an account now.
    pub fn held(&self, account: AccountId) -> Nanos {
        self.lock().ledger.held(account).0
    }

    /// What this node's requests hold of the installation's budget, and what it has leased of it.
    pub(crate) fn standing(&self) -> (Nanos, Nanos) {
        self.lock().ledger.held(AccountId::INSTALLATION)
    }

    /// Whether `bound` could be reserved at once on an account, as the store just said that it
    /// stands. Reserves nothing.
    pub fn would_admit(&self, id: AccountId, account: &AccountRecord, bound: Nanos) -> Forecast {
        let state = self.lock();
        let figures = Figures {
            state: account.state,
            spent: account.spend_against_limit(),
            leased: account.spend.leased,
            mine: state.ledger.held(id).1,
            now: self.clock.now(),
        };
        state.ledger.would_admit(id, &figures, bound)
    }

    /// Asks the store whether it can be written, but only after it could not.
    /// Fails where the last write failed, and the store cannot be written still.
    pub async fn check_store(&self) -> Result<(), StoreError> {
        if !self.lock().ledger.is_running() {
            return Err(StoreError::Unavailable("this node begins a new run".to_owned()));
        }
        if self.failing.load(Ordering::Relaxed) {
            self.store.probe().await?;
            self.failing.store(false, Ordering::Relaxed);
        }
        Ok(())
    }

    fn note<T>(&self, written: &Result<T, StoreError>) {
        if written.is_err() {
            self.failing.store(true, Ordering::Relaxed);
        }
    }

    fn ask(
        self: &Arc<Self>,
        id: GenerationId,
        path: &[AccountId],
        bound: Nanos,
    ) -> (Admission, oneshot::Receiver<Admission>) {
        let (decide, decided) = oneshot::channel();
        let mut state = self.lock();
        let admission = state.ledger.reserve(id, path, bound, self.clock.now());
        if admission == Admission::Waiting {
            state.waiting.insert(id, decide);
        }
        if matches!(admission, Admission::Waiting | Admission::Admitted(_)) {
            self.go_on(state);
        }
        (admission, decided)
    }

    /// `None` where it has to be asked anew.
    async fn wait(
        &self,
        id: GenerationId,
        mut decided: oneshot::Receiver<Admission>,
    ) -> Result<Option<Admission>, ReserveError> {
        if let Ok(decision) = tokio::time::timeout(WAIT_MAX, &mut decided).await {
            return Ok(decision.ok());
        }
        let mut state = self.lock();
        let gave_up = state.ledger.give_up(id, self.clock.now());
        state.waiting.remove(&id);
        match gave_up {
            Some(GaveUp::Refused(refusal)) => Ok(Some(Admission::Refused(refusal))),
            Some(GaveUp::Unknown) => {
                let detail = "how the budget stands could not be learnt in time";
                Err(ReserveError::Store(StoreError::Unavailable(detail.to_owned())))
            }
            // Where it was decided in this very moment, the decision is in the channel.
            None => Ok(decided.try_recv().ok()),
        }
    }

    /// Takes the key's account into memory. Answers `false` where the key is not what the keyring
    /// knows now: terms that are not in force any more must not be opened with. A change that comes
    /// after this look reaches the open account through `amend`.
    fn open(&self, key: &Arc<KeyRecord>, keyring: &Keyring) -> bool {
        let mut state = self.lock();
        if !keyring.is_current(key) {
            return false;
        }
        let terms = AccountState { terms: key.terms, open: !key.disabled };
        state.ledger.open(key.account, terms, self.clock.now());
        true
    }

    fn open_installation(&self) {
        let mut state = self.lock();
        let installation = state.installation;
        state.ledger.open(AccountId::INSTALLATION, installation, self.clock.now());
    }

    /// Whether the whole installation has a limit.
    pub fn is_budgeted(&self) -> bool {
        self.lock().installation.terms.limit.is_some()
    }

    /// Puts new terms in force at once.
    pub fn amend(self: &Arc<Self>, account: AccountId, terms: AccountState) {
        {
            let mut state = self.lock();
            if account == AccountId::INSTALLATION {
                state.installation = terms;
            }
            let decisions = state.ledger.amend(account, terms, self.clock.now());
            state.tell(decisions);
        }
        self.drive();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The accounts that a request of `key` is charged to, in the order in which they are reserved on.
pub(in crate::relay) const fn path(key: &KeyRecord) -> [AccountId; 2] {
    [AccountId::INSTALLATION, key.account]
}

/// The installation is never closed.
const fn installation(joined: &Joined) -> AccountState {
    AccountState { terms: joined.budget, open: true }
}

fn settings(store: &dyn Store, joined: Joined) -> Settings {
    Settings {
        epoch: joined.epoch,
        shared: store.is_shared(),
        nodes: 1,
        accounts_max: ACCOUNTS_MAX,
    }
}

impl State {
    fn tell(&mut self, decisions: Vec<Decision>) {
        for (id, admission) in decisions {
            // Whoever waits holds the other end until it has the decision.
            if let Some(waiter) = self.waiting.remove(&id) {
                let _ = waiter.send(admission);
            }
        }
    }
}

impl std::fmt::Debug for Meter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meter").finish_non_exhaustive()
    }
}
