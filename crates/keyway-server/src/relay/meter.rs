//! The meter: the ledger with a clock and a store.
//!
//! The ledger decides, in memory; the meter carries what it decided to the store and back. It holds
//! its lock for decisions only, never across a wait.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keyway_core::budget::Windows;
use keyway_core::clock::Clock;
use keyway_core::id::{AccountId, GenerationId};
use keyway_core::key::KeyRecord;
use keyway_core::ledger::{
    AccountState, Admission, AnswerMark, Decision, Ledger, Metered, Outcome, Refusal, Settlement,
    Void,
};
use keyway_core::money::Nanos;
use keyway_core::store::{Balance, Settled, Store, StoreError};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::keyring::{AuthError, Keyring};

/// Accounts that stay in memory while nothing is in flight on them.
const ACCOUNTS_MAX: usize = 100_000;
/// How long a request waits for others' reservations before it is refused.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// How often a request asks anew because its account or its key changed while it asked.
const TRIES_MAX: usize = 64;
/// How long an answer waits for its charge to become durable before the client is told.
const SETTLE_PATIENCE: Duration = Duration::from_secs(5);
const RETRY_MIN: Duration = Duration::from_millis(25);
const RETRY_MAX: Duration = Duration::from_secs(1);

pub struct Meter {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    tasks: TaskTracker,
    state: Mutex<State>,
    /// Whether the last write failed: then a request is not sent to a provider before one succeeds.
    failing: AtomicBool,
}

struct State {
    ledger: Ledger,
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

/// What becomes of a charge that could not be made durable while its client waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Late {
    /// The client saw the answer: it is charged as soon as the store takes it.
    Charge,
    /// The client saw nothing of the answer: it is not charged.
    Waive,
}

impl Meter {
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, tasks: TaskTracker) -> Self {
        let state = State { ledger: Ledger::new(ACCOUNTS_MAX), waiting: HashMap::new() };
        Self { store, clock, tasks, state: Mutex::new(state), failing: AtomicBool::new(false) }
    }

    /// Reserves `bound` on the key's account; waits, bounded, where only others' reservations stand
    /// in the way.
    pub async fn reserve(
        &self,
        id: GenerationId,
        keyring: &Keyring,
        key: &Arc<KeyRecord>,
        bound: Nanos,
    ) -> Result<Windows, ReserveError> {
        self.check_store().await.map_err(ReserveError::Store)?;
        let mut key = Arc::clone(key);
        for _ in 0..TRIES_MAX {
            let (admission, decided, evictions) = self.ask(id, key.account, bound);
            match admission {
                Admission::Admitted(windows) => return Ok(windows),
                Admission::Refused(refusal) => return Err(ReserveError::Refused(refusal)),
                Admission::Waiting => match self.wait(id, decided).await {
                    Some(Admission::Admitted(windows)) => return Ok(windows),
                    Some(Admission::Refused(refusal)) => {
                        return Err(ReserveError::Refused(refusal));
                    }
                    Some(Admission::Waiting | Admission::Unopened(_)) | None => {}
                },
                Admission::Unopened(account) => {
                    let balance = self.store.balance(account).await.map_err(ReserveError::Store)?;
                    if !self.open(&key, keyring, &balance, evictions) {
                        let renewed = keyring.renew(&key, self.clock.now()).await;
                        key = renewed.map_err(ReserveError::Key)?;
                    }
                }
            }
        }
        let detail = "accounts changed faster than one could be reserved on";
        Err(ReserveError::Store(StoreError::Unavailable(detail.to_owned())))
    }

    /// Asks the store whether it can be written, but only after it could not.
    async fn check_store(&self) -> Result<(), StoreError> {
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
        &self,
        id: GenerationId,
        account: AccountId,
        bound: Nanos,
    ) -> (Admission, oneshot::Receiver<Admission>, u64) {
        let (decide, decided) = oneshot::channel();
        let mut state = self.lock();
        let admission = state.ledger.reserve(id, &[account], bound, self.clock.now());
        if admission == Admission::Waiting {
            state.waiting.insert(id, decide);
        }
        (admission, decided, state.ledger.evictions())
    }

    async fn wait(
        &self,
        id: GenerationId,
        mut decided: oneshot::Receiver<Admission>,
    ) -> Option<Admission> {
        if let Ok(decision) = tokio::time::timeout(WAIT_MAX, &mut decided).await {
            return decision.ok();
        }
        let mut state = self.lock();
        let given_up = state.ledger.give_up(id, self.clock.now());
        state.waiting.remove(&id);
        // Where it was decided in this very moment, the decision is in the channel.
        given_up.map(Admission::Refused).or_else(|| decided.try_recv().ok())
    }

    /// Takes the key's account into memory. Answers `false` where the key is not what the keyring
    /// knows now: terms that are not in force any more must not be opened with. A change that comes
    /// after this look reaches the open account through `amend`.
    fn open(
        &self,
        key: &Arc<KeyRecord>,
        keyring: &Keyring,
        balance: &Balance,
        evictions: u64,
    ) -> bool {
        let mut state = self.lock();
        if !keyring.is_current(key) {
            return false;
        }
        let terms = AccountState { terms: key.terms, open: !key.disabled };
        // Where the balance may be stale it is not opened, and the next turn reads it anew.
        state.ledger.open(key.account, terms, balance, evictions);
        true
    }

    /// Puts new terms in force at once.
    pub fn amend(&self, account: AccountId, terms: AccountState) {
        let mut state = self.lock();
        let decisions = state.ledger.amend(account, terms, self.clock.now());
        state.tell(decisions);
    }

    /// Authorises delivery up to a cost of `amount`; durable when it returns.
    pub async fn authorise(&self, request: &Arc<Metered>, amount: Nanos) -> Result<(), StoreError> {
        let authorised = self.lock().ledger.authorise(request.id, amount);
        let Some(authorised) = authorised else {
            return Err(StoreError::Broken(format!("{} is not open to be answered", request.id)));
        };
        let mark = AnswerMark { request: Arc::clone(request), authorised };
        let written = self.store.mark(mark).await;
        self.note(&written);
        written
    }

    /// Gives a reservation back that nothing was marked of.
    pub fn void(&self, id: GenerationId) {
        let mut state = self.lock();
        match state.ledger.void(id, self.clock.now()) {
            Void::Released(decisions) => state.tell(decisions),
            Void::Marked => {
                tracing::error!(%id, "a request that was being answered is left to the next start");
            }
        }
    }

    /// Charges a request, once; durable when it returns.
    ///
    /// Where the store cannot take it in time the caller gets the error, and the settlement goes on
    /// in the background: as it is, or as one that charges nothing.
    pub async fn settle(
        self: &Arc<Self>,
        request: &Arc<Metered>,
        outcome: &Outcome,
        late: Late,
    ) -> Result<Settlement, StoreError> {
        let settlement = self.lock().ledger.settle(request, outcome, self.clock.now());
        let Some(settlement) = settlement else {
            return Err(StoreError::Broken(format!("{} was resolved before", request.id)));
        };
        let patience = Instant::now() + SETTLE_PATIENCE;
        match self.write(&settlement, Some(patience)).await {
            Ok(()) => Ok(settlement),
            Err(error) => {
                self.settle_later(settlement, late);
                Err(error)
            }
        }
    }

    fn settle_later(self: &Arc<Self>, mut settlement: Settlement, late: Late) {
        if late == Late::Waive {
            // The store said of every try that it changed nothing, so another amount may be written.
            self.lock().ledger.waive(settlement.request.id);
            settlement.absorbed = settlement.absorbed.saturating_add(settlement.charge);
            settlement.charge = Nanos::ZERO;
            settlement.byok = Nanos::ZERO;
        }
        let meter = Arc::clone(self);
        self.tasks.spawn(async move {
            if let Err(error) = meter.write(&settlement, None).await {
                let id = settlement.request.id;
                tracing::error!(%id, %error, "a settlement is left to the next start");
            }
        });
    }

    /// Writes until it is written, `until` has passed, or there is no store any more.
    async fn write(
        &self,
        settlement: &Settlement,
        until: Option<Instant>,
    ) -> Result<(), StoreError> {
        let mut pause = RETRY_MIN;
        loop {
            let settled = self.store.settle(settlement.clone()).await;
            self.note(&settled);
            match settled {
                Ok(written) => {
                    if written == Settled::Differs {
                        let id = settlement.request.id;
                        tracing::error!(%id, "it was settled with another charge, which stands");
                    }
                    let mut state = self.lock();
                    let decisions = state.ledger.settled(settlement.request.id, self.clock.now());
                    state.tell(decisions);
                    return Ok(());
                }
                Err(error @ StoreError::Broken(_)) => return Err(error),
                Err(error) if until.is_some_and(|until| Instant::now() + pause > until) => {
                    return Err(error);
                }
                Err(_) => tokio::time::sleep(pause).await,
            }
            pause = (pause * 2).min(RETRY_MAX);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
