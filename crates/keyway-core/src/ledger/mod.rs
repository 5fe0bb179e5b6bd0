//! The ledger: `reserve → settle | void`, each reservation resolved exactly once, by id.
//!
//! A reservation holds an upper bound on the cost of a request before it is sent. Nothing is given
//! back before what replaces it is durable: a settled request's hold turns into its charge when the
//! store has the charge, so that no moment exists at which a crash could charge more than was held.
//!
//! This is a state machine. Time comes in with each call; what has to be written, and who may go
//! on, goes out as values. [`Ledger`] decides, the caller does.

mod account;
mod asking;
mod bookings;
mod course;
mod extend;
mod forecast;
mod journal;
mod lease;
mod leasing;
mod packed;
mod record;
mod refusal;
mod reservation;
mod resolve;
mod waiting;

pub use account::AccountState;
pub use bookings::{Bookings, Day, DaySum, WindowSum, tokens_kept};
pub use course::{ApiType, Course, Origin, TRIED_MAX, Tried};
pub use forecast::{Forecast, Standing};
pub use journal::Journal;
pub use lease::{Draw, Figures, LeaseCall, Leased, Slice};
pub use record::{AnswerMark, Ending, GenerationRecord, Metered, Settlement};
pub use refusal::{Refusal, RefusalReason};
pub use reservation::Outcome;

use std::collections::BTreeSet;

use hashbrown::HashMap;

use self::account::Account;
use self::reservation::{Hold, Reservation, Stage};
use self::waiting::Waiting;
use crate::budget::Windows;
use crate::clock::Timestamp;
use crate::id::{AccountId, Epoch, GenerationId};
use crate::money::Nanos;
use crate::planted::{Bug, planted};

/// How many requests may wait at one account; the next is refused at once.
pub const WAITING_MAX: usize = 4_096;
/// A lease that was not used for so long goes back, where others may want it.
const IDLE_SECONDS: i64 = 2;
/// After the store had nothing to grant, it is asked again so much later.
const ASK_PAUSE_MICROS: i64 = 50_000;
/// A call that is out for longer is not going to be answered in time.
const CALL_SECONDS: i64 = 1;

/// What a ledger is told when it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    pub epoch: Epoch,
    /// Whether other nodes share the budgets.
    pub shared: bool,
    /// Live nodes, this one among them.
    pub nodes: u32,
    /// How many accounts stay in memory while nothing is in flight on them.
    pub accounts_max: usize,
}

impl Settings {
    /// Of what is free, this divisor's part may be leased ahead of need.
    fn share(&self) -> i64 {
        2 * i64::from(self.nodes.max(1))
    }
}

/// Every budget that is in use, and every reservation that is not resolved.
#[derive(Debug)]
pub struct Ledger {
    settings: Settings,
    accounts: HashMap<AccountId, Account>,
    reservations: HashMap<GenerationId, Reservation>,
    /// Accounts that may have a call to make.
    restless: BTreeSet<AccountId>,
    /// Of the last call that was handed out.
    seq: i64,
    /// The latest moment seen. Windows open by it, so that one that ended never opens again
    /// when a clock steps back, and all accounts are in the same ones.
    latest: Timestamp,
}

/// The answer to a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It holds its bound and is charged to these windows.
    Admitted(Windows),
    /// Only others' reservations stand in the way. A later call will decide it.
    Waiting,
    Refused(Refusal),
    /// The account is not in memory: [`Ledger::open`] it and ask again.
    Unopened(AccountId),
}

/// A decision on a request that waited.
pub type Decision = (GenerationId, Admission);

/// The answer to a wait that was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GaveUp {
    Refused(Refusal),
    /// Nobody knows how the budget stands: the store did not say.
    Unknown,
}

/// The answer to a void.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Void {
    /// Nothing of it was in the store; the hold is given back.
    Released(Vec<Decision>),
    /// A mark of it may be in the store: it has to be settled with an outcome that is free.
    Marked,
}

impl Ledger {
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            accounts: HashMap::new(),
            reservations: HashMap::new(),
            restless: BTreeSet::new(),
            seq: 0,
            latest: Timestamp::default(),
        }
    }

    pub const fn epoch(&self) -> Epoch {
        self.settings.epoch
    }

    /// Forgets everything: the run is over, and nothing is admitted before the next.
    pub fn end_run(&mut self) {
        *self = Self::new(Settings { epoch: Epoch::default(), ..self.settings });
    }

    /// Whether a run goes on.
    pub fn is_running(&self) -> bool {
        self.settings.epoch != Epoch::default()
    }

    /// How many nodes share the budgets now.
    pub fn set_nodes(&mut self, nodes: u32) {
        self.settings.nodes = nodes;
    }

    /// Takes an account into memory. An open one stays as it is.
    pub fn open(&mut self, id: AccountId, state: AccountState, now: Timestamp) {
        if !self.accounts.contains_key(&id) {
            self.make_room();
            self.latest = self.latest.max(now);
            self.accounts.insert(id, Account::new(id, state, self.latest));
        }
    }

    /// Puts new terms in force, at once, for every reservation that is still to be made. Requests
    /// that wait are decided anew.
    pub fn amend(&mut self, id: AccountId, state: AccountState, now: Timestamp) -> Vec<Decision> {
        self.latest = self.latest.max(now);
        let Some(account) = self.accounts.get_mut(&id) else { return Vec::new() };
        account.amend(state, self.latest);
        self.restless.insert(id);
        self.decide_waiting(id, now)
    }

    /// The accounts in memory.
    pub fn accounts(&self) -> Vec<AccountId> {
        self.accounts.keys().copied().collect()
    }

    /// What this node's requests hold of an account, and what of its budget is in this node's hands.
    pub fn held(&self, id: AccountId) -> (Nanos, Nanos) {
        let account = self.accounts.get(&id);
        account.map_or((Nanos::ZERO, Nanos::ZERO), |account| (account.held(), account.leased()))
    }

    /// Holds `bound` on every account, or on none.
    ///
    /// A request is refused only when a budget less its charges is smaller than `bound`; one that
    /// only others' reservations stand in the way of waits, until they are resolved or
    /// [`Ledger::give_up`] ends it.
    pub fn reserve(
        &mut self,
        id: GenerationId,
        accounts: &[AccountId],
        bound: Nanos,
        now: Timestamp,
    ) -> Admission {
        debug_assert!(!self.reservations.contains_key(&id), "a reservation is made once");
        debug_assert!(bound >= Nanos::ZERO, "a bound is not negative");
        let reservation = |stage, windows, holds| Reservation {
            holds,
            bound,
            authorised: Nanos::ZERO,
            stage,
            windows,
            extending: None,
        };
        match self.admit(accounts, bound, now) {
            Ok((windows, holds)) => {
                self.reservations.insert(id, reservation(Stage::Held, windows, holds));
                Admission::Admitted(windows)
            }
            Err(Admission::Refused(refusal)) if refusal.reason == RefusalReason::Held => {
                let Some(account) = self.accounts.get_mut(&refusal.account) else {
                    return Admission::Unopened(refusal.account);
                };
                if account.waiting.len() >= WAITING_MAX {
                    return Admission::Refused(refusal);
                }
                account.waiting.push_back(Waiting { id, bound, more: bound, slice: None });
                self.restless.insert(refusal.account);
                let holds = accounts.iter().map(|id| Hold::waiting(*id)).collect();
                let windows = Windows::at(self.latest);
                self.reservations.insert(id, reservation(Stage::Waiting, windows, holds));
                Admission::Waiting
            }
            Err(admission) => admission,
        }
    }

    /// Ends a wait: the request is refused with the figures of this moment. `None` where it does
    /// not wait any more, because it was decided meanwhile. One that waited to hold more still holds
    /// what it held.
    pub fn give_up(&mut self, id: GenerationId, now: Timestamp) -> Option<GaveUp> {
        let reservation = self.reservations.get_mut(&id)?;
        let accounts = match reservation.extending.take() {
            Some(account) => vec![account],
            None if reservation.stage == Stage::Waiting => {
                let reservation = self.reservations.remove(&id)?;
                reservation.holds.iter().map(|hold| hold.account).collect()
            }
            None => return None,
        };
        accounts.into_iter().filter_map(|account| self.leave(account, id, now)).last()
    }

    /// Takes a request out of those that wait at an account, and says why it is not admitted.
    fn leave(&mut self, account: AccountId, id: GenerationId, now: Timestamp) -> Option<GaveUp> {
        let now = self.latest.max(now);
        let account = self.accounts.get_mut(&account)?;
        account.roll(now);
        let bound = account.waiting.iter().find(|waiting| waiting.id == id)?.bound;
        account.leave(id);
        Some(match account.check(bound) {
            _ if account.is_unknown(now) => GaveUp::Unknown,
            Err(refusal) => GaveUp::Refused(refusal),
            Ok(()) => GaveUp::Refused(account.refusal(RefusalReason::Held, bound)),
        })
    }

    /// Requests that are admitted and not yet durable in their end, or that wait.
    pub fn in_flight(&self) -> usize {
        self.reservations.len()
    }

    fn admit(
        &mut self,
        accounts: &[AccountId],
        bound: Nanos,
        now: Timestamp,
    ) -> Result<(Windows, Vec<Hold>), Admission> {
        self.latest = self.latest.max(now);
        for id in accounts {
            let Some(account) = self.accounts.get_mut(id) else {
                return Err(Admission::Unopened(*id));
            };
            account.roll(self.latest);
            account.check(bound).map_err(Admission::Refused)?;
            if planted(Bug::LeaksPartialHolds) && accounts.len() > 1 {
                account.hold(bound, self.latest);
            }
        }
        let mut holds = Vec::with_capacity(accounts.len());
        for id in accounts {
            let account = self.accounts.get_mut(id).expect("it was just checked");
            holds.push(Hold {
                account: *id,
                slice: account.hold(bound, self.latest),
                unleased: Nanos::ZERO,
                counts_byok: account.state.terms.include_byok_in_limit,
                drawn: Nanos::ZERO,
            });
            if account.is_running_out(&self.settings) {
                self.restless.insert(*id);
            }
        }
        Ok((Windows::at(self.latest), holds))
    }

    fn release(&mut self, id: GenerationId, now: Timestamp) -> Vec<Decision> {
        let Some(reservation) = self.reservations.remove(&id) else { return Vec::new() };
        let mut decisions = Vec::new();
        for hold in &reservation.holds {
            let account = self.accounts.get_mut(&hold.account).expect("it has a reservation");
            if account.release(hold, reservation.bound) {
                self.restless.insert(hold.account);
            }
        }
        for hold in &reservation.holds {
            decisions.extend(self.decide_waiting(hold.account, now));
        }
        decisions
    }

    /// Decides anew on what waits at an account, in the order in which it came, for as long as
    /// somebody may go on or has to be refused.
    fn decide_waiting(&mut self, account_id: AccountId, now: Timestamp) -> Vec<Decision> {
        let mut decisions = Vec::new();
        let Some(account) = self.accounts.get_mut(&account_id) else { return decisions };
        account.roll(self.latest);
        if account.waiting.is_empty() {
            return decisions;
        }
        for Waiting { id, bound, .. } in account.take_decidable() {
            let admission = self.ask_again(id, bound, now);
            decisions.extend(admission.filter(|it| *it != Admission::Waiting).map(|it| (id, it)));
        }
        decisions
    }

    fn ask_again(&mut self, id: GenerationId, bound: Nanos, now: Timestamp) -> Option<Admission> {
        if self.reservations.get_mut(&id)?.extending.take().is_some() {
            return self.extend(id, bound, now);
        }
        let waited = self.reservations.remove(&id)?;
        let accounts: Vec<_> = waited.holds.iter().map(|hold| hold.account).collect();
        Some(self.reserve(id, &accounts, bound, now))
    }

    fn make_room(&mut self) {
        if self.accounts.len() < self.settings.accounts_max {
            return;
        }
        let unused = self.accounts.iter_mut().find(|(_, account)| account.is_unused());
        let Some((&id, account)) = unused else { return };
        if account.is_idle() {
            self.accounts.remove(&id);
        } else {
            // It goes when its lease is back.
            account.recall();
            self.restless.insert(id);
        }
    }
}

#[cfg(test)]
mod simulation;
