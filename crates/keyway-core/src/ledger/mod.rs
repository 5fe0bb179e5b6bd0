//! The ledger: `reserve → settle | void`, each reservation resolved exactly once, by id.
//!
//! A reservation holds an upper bound on the cost of a request before it is sent. Nothing is given
//! back before what replaces it is durable: a settled request's hold turns into its charge when the
//! store has the charge, so that no moment exists at which a crash could charge more than was held.
//!
//! This is a state machine. Time comes in with each call; what has to be written, and who may go
//! on, goes out as values. [`Ledger`] decides, the caller does.

mod account;
mod record;
mod refusal;
mod reservation;

pub use account::AccountState;
pub use record::{AnswerMark, Ending, GenerationRecord, Metered, Settlement};
pub use refusal::{Refusal, RefusalReason};
pub use reservation::Outcome;

use std::collections::HashMap;
use std::sync::Arc;

use self::account::Account;
use self::reservation::{Outcomes, Reservation, Stage};
use crate::budget::Windows;
use crate::clock::Timestamp;
use crate::id::{AccountId, GenerationId};
use crate::key::WindowSpend;
use crate::money::Nanos;
use crate::store::Balance;

/// How many requests may wait at one account; the next is refused at once.
pub const WAITING_MAX: usize = 1_024;

/// Every budget that is in use, and every reservation that is not resolved.
#[derive(Debug)]
pub struct Ledger {
    accounts: HashMap<AccountId, Account>,
    reservations: HashMap<GenerationId, Reservation>,
    accounts_max: usize,
    /// Counts evictions, so that a balance read before one is not opened after it.
    evictions: u64,
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
    /// The account is not in memory: read its balance, [`Ledger::open`] it and ask again.
    Unopened(AccountId),
}

/// A decision on a request that waited.
pub type Decision = (GenerationId, Admission);

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
    /// `accounts_max` bounds how many accounts stay in memory while nothing is in flight on them.
    pub fn new(accounts_max: usize) -> Self {
        Self {
            accounts: HashMap::new(),
            reservations: HashMap::new(),
            accounts_max: accounts_max.max(1),
            evictions: 0,
            latest: Timestamp::default(),
        }
    }

    /// To be read before a balance is, and handed to [`Ledger::open`] with it.
    pub const fn evictions(&self) -> u64 {
        self.evictions
    }

    /// Takes an account into memory. Answers `false` where the balance may be stale because an
    /// account was evicted since `evictions` was read: read it again. An open account stays as it is.
    pub fn open(
        &mut self,
        id: AccountId,
        state: AccountState,
        balance: &Balance,
        evictions: u64,
    ) -> bool {
        if self.accounts.contains_key(&id) {
            return true;
        }
        if evictions != self.evictions {
            return false;
        }
        self.make_room();
        for window in balance {
            self.latest = self.latest.max(window.starts_at);
        }
        self.accounts.insert(id, Account::new(id, state, balance));
        true
    }

    /// Puts new terms in force, at once, for every reservation that is still to be made. Requests
    /// that wait are decided anew.
    pub fn amend(&mut self, id: AccountId, state: AccountState, now: Timestamp) -> Vec<Decision> {
        let Some(account) = self.accounts.get_mut(&id) else { return Vec::new() };
        account.state = state;
        self.decide_waiting(&[id], now)
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
        let admission = self.admit(accounts, bound, now);
        let reservation = |stage, windows| Reservation {
            accounts: accounts.to_vec(),
            windows,
            bound,
            authorised: Nanos::ZERO,
            stage,
        };
        match admission {
            Admission::Admitted(windows) => {
                self.reservations.insert(id, reservation(Stage::Held, windows));
                admission
            }
            Admission::Refused(refusal) if refusal.reason == RefusalReason::Held => {
                let Some(account) = self.accounts.get_mut(&refusal.account) else {
                    return Admission::Unopened(refusal.account);
                };
                if account.waiting.len() >= WAITING_MAX {
                    return admission;
                }
                account.waiting.push_back(id);
                self.reservations.insert(id, reservation(Stage::Waiting, Windows::default()));
                Admission::Waiting
            }
            _ => admission,
        }
    }

    /// Ends a wait: the request is refused with the figures of this moment. `None` where it does
    /// not wait any more, because it was decided meanwhile.
    pub fn give_up(&mut self, id: GenerationId, now: Timestamp) -> Option<Refusal> {
        let waits = |reservation: &Reservation| reservation.stage == Stage::Waiting;
        if !self.reservations.get(&id).is_some_and(waits) {
            return None;
        }
        let reservation = self.reservations.remove(&id)?;
        let mut refused = None;
        for account_id in &reservation.accounts {
            let Some(account) = self.accounts.get_mut(account_id) else { continue };
            account.roll(self.latest.max(now));
            if let Some(place) = account.waiting.iter().position(|waiting| *waiting == id) {
                account.waiting.remove(place);
                refused = Some(match account.check(reservation.bound) {
                    Err(refusal) => refusal,
                    Ok(()) => account.refusal(RefusalReason::Held, reservation.bound),
                });
            }
        }
        refused
    }

    /// Authorises delivery up to a cost of `amount`, at most the bound, and answers what to mark in
    /// the store before anything up to there is delivered. Never lowers what was authorised.
    pub fn authorise(&mut self, id: GenerationId, amount: Nanos) -> Option<Nanos> {
        let reservation = self.reservations.get_mut(&id)?;
        if !matches!(reservation.stage, Stage::Held | Stage::Marked) {
            return None;
        }
        reservation.stage = Stage::Marked;
        reservation.authorised = amount.min(reservation.bound).max(reservation.authorised);
        Some(reservation.authorised)
    }

    /// Turns a reservation into a charge of at most its bound, and answers what to write. The hold
    /// stays until [`Ledger::settled`] says that the charge is durable.
    ///
    /// `None` where there is no such reservation or it was resolved before: it happens once.
    pub fn settle(
        &mut self,
        request: &Arc<Metered>,
        outcome: &Outcome,
        now: Timestamp,
    ) -> Option<Settlement> {
        let reservation = self.reservations.get_mut(&request.id)?;
        if !matches!(reservation.stage, Stage::Held | Stage::Marked) {
            return None;
        }
        let chargeable = if outcome.free { Nanos::ZERO } else { outcome.cost };
        let charge = chargeable.min(reservation.bound);
        let byok = if outcome.free { Nanos::ZERO } else { outcome.byok };
        reservation.stage = Stage::Settling(Outcomes { charge, byok });
        Some(Settlement {
            request: Arc::clone(request),
            charge,
            byok,
            overrun: chargeable.saturating_sub(charge),
            absorbed: if outcome.free { outcome.cost } else { Nanos::ZERO },
            usage: outcome.usage,
            ending: outcome.ending,
            estimated: outcome.estimated,
            settled_at: now,
        })
    }

    /// The settlement is durable: the hold becomes a charge, and what it leaves is free for others.
    pub fn settled(&mut self, id: GenerationId, now: Timestamp) -> Vec<Decision> {
        let Some(Stage::Settling(booked)) = self.reservations.get(&id).map(|r| r.stage) else {
            return Vec::new();
        };
        self.release(id, WindowSpend { spent: booked.charge, byok: booked.byok }, now)
    }

    /// Turns a settlement that is not durable into one that charges nothing. Only for one of which
    /// it is certain that the store has nothing.
    pub fn waive(&mut self, id: GenerationId) {
        if let Some(reservation) = self.reservations.get_mut(&id)
            && let Stage::Settling(booked) = &mut reservation.stage
        {
            *booked = Outcomes { charge: Nanos::ZERO, byok: Nanos::ZERO };
        }
    }

    /// Gives a reservation back. One that was marked is not forgotten by memory alone.
    pub fn void(&mut self, id: GenerationId, now: Timestamp) -> Void {
        match self.reservations.get(&id).map(|reservation| reservation.stage) {
            Some(Stage::Held) => Void::Released(self.release(id, WindowSpend::default(), now)),
            Some(Stage::Waiting) => {
                self.give_up(id, now);
                Void::Released(Vec::new())
            }
            Some(Stage::Marked) => Void::Marked,
            Some(Stage::Settling(_)) | None => Void::Released(Vec::new()),
        }
    }

    /// Requests that are admitted and not yet durable in their end, or that wait.
    pub fn in_flight(&self) -> usize {
        self.reservations.len()
    }

    fn admit(&mut self, accounts: &[AccountId], bound: Nanos, now: Timestamp) -> Admission {
        self.latest = self.latest.max(now);
        for id in accounts {
            let Some(account) = self.accounts.get_mut(id) else { return Admission::Unopened(*id) };
            account.roll(self.latest);
            if let Err(refusal) = account.check(bound) {
                return Admission::Refused(refusal);
            }
        }
        for id in accounts {
            self.accounts.get_mut(id).expect("it was just checked").hold(bound);
        }
        Admission::Admitted(Windows::at(self.latest))
    }

    fn release(&mut self, id: GenerationId, spent: WindowSpend, now: Timestamp) -> Vec<Decision> {
        let Some(reservation) = self.reservations.remove(&id) else { return Vec::new() };
        for account_id in &reservation.accounts {
            let account = self.accounts.get_mut(account_id).expect("it has a reservation");
            account.release(&reservation.windows, reservation.bound, spent);
        }
        self.decide_waiting(&reservation.accounts, now)
    }

    /// Decides anew on everything that waits at `accounts`, in the order in which it came.
    fn decide_waiting(&mut self, accounts: &[AccountId], now: Timestamp) -> Vec<Decision> {
        let mut decisions = Vec::new();
        for account_id in accounts {
            let Some(account) = self.accounts.get_mut(account_id) else { continue };
            for id in std::mem::take(&mut account.waiting) {
                let Some(reservation) = self.reservations.remove(&id) else { continue };
                let admission = self.reserve(id, &reservation.accounts, reservation.bound, now);
                if admission != Admission::Waiting {
                    decisions.push((id, admission));
                }
            }
        }
        decisions
    }

    fn make_room(&mut self) {
        if self.accounts.len() < self.accounts_max {
            return;
        }
        let idle = self.accounts.iter().find(|(_, account)| account.is_idle()).map(|(id, _)| *id);
        if let Some(id) = idle {
            self.accounts.remove(&id);
            self.evictions += 1;
        }
    }
}

#[cfg(test)]
mod tests;
