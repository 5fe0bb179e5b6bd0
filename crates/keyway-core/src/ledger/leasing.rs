//! The ledger's calls to the store, and what their answers decide.

use super::lease::{LeaseCall, Leased};
use super::{Decision, Ledger};
use crate::clock::Timestamp;
use crate::id::AccountId;

impl Ledger {
    /// Every lease with what is granted and held of it, for checks of invariants.
    #[cfg(test)]
    pub(super) fn leases(&self) -> Vec<(super::Slice, crate::money::Nanos, crate::money::Nanos)> {
        let all = self.accounts.values().flat_map(|account| &account.leases);
        all.map(|lease| (lease.slice, lease.granted, lease.held)).collect()
    }

    /// The calls to make to the store now. Each has to be answered by [`Ledger::leased`] in the end;
    /// until then it may be repeated, as it is.
    pub fn calls(&mut self, now: Timestamp) -> Vec<LeaseCall> {
        self.latest = self.latest.max(now);
        let mut calls = Vec::new();
        for id in std::mem::take(&mut self.restless) {
            let Some(account) = self.accounts.get_mut(&id) else { continue };
            if let Some(call) = account.next_call(self.seq + 1, &self.settings, self.latest) {
                self.seq += 1;
                calls.push(call);
            } else if !account.waiting.is_empty() {
                self.restless.insert(id);
            }
        }
        calls
    }

    /// Whether there is certainly no call to make, whatever the time is.
    pub fn is_at_rest(&self) -> bool {
        self.restless.is_empty()
    }

    /// Looks for leases that nobody uses and windows that ended; to be called every second or so.
    pub fn tidy(&mut self) {
        let leasing = self.accounts.iter().filter(|(_, account)| !account.leases.is_empty());
        self.restless.extend(leasing.map(|(id, _)| *id));
    }

    /// The store answered `call`. Requests that waited for it are decided.
    pub fn leased(&mut self, call: &LeaseCall, leased: &Leased, now: Timestamp) -> Vec<Decision> {
        let id = call.slice.account;
        let Some(account) = self.accounts.get_mut(&id) else { return Vec::new() };
        if account.call != Some(*call) {
            return Vec::new();
        }
        account.call = None;
        account.answered(call, leased.granted, &leased.figures);
        self.restless.insert(id);
        self.decide_waiting(id, now)
    }

    /// The store could not be asked; the call stays to be made.
    pub fn call_failed(&mut self, id: AccountId) {
        if let Some(account) = self.accounts.get_mut(&id) {
            account.failing = true;
        }
    }

    /// Another node wants what is idle here.
    pub fn recall(&mut self, id: AccountId) {
        if let Some(account) = self.accounts.get_mut(&id) {
            account.recall();
            self.restless.insert(id);
        }
    }
}
