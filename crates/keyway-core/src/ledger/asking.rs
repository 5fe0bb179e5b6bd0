//! What an account asks of the store: more, ahead of need or for who waits, and to take back what is idle.

use super::account::{Account, Lease};
use super::lease::{Figures, LeaseCall};
use super::{ASK_PAUSE_MICROS, IDLE_SECONDS, Settings};
use crate::clock::Timestamp;
use crate::money::Nanos;
use crate::planted::{Bug, planted};

impl Account {
    /// The next call to make to the store, if there is one.
    pub(super) fn next_call(
        &mut self,
        seq: i64,
        settings: &Settings,
        now: Timestamp,
    ) -> Option<LeaseCall> {
        if self.call.is_some() {
            return None;
        }
        self.roll(now);
        let call = self.give_back(seq, settings, now).or_else(|| self.ask(seq, settings, now));
        self.call = call;
        self.called_at = now;
        call
    }

    /// What is idle goes back: of windows that ended, under old terms, wanted elsewhere, or unused.
    fn give_back(&mut self, seq: i64, settings: &Settings, now: Timestamp) -> Option<LeaseCall> {
        let unused = settings.shared && self.is_unused_since(now);
        let limited = self.state.open && self.state.terms.limit.is_some();
        let all = self.recalled || unused || !limited || !self.is_confirmed();
        let current = self.current;
        let idle =
            |lease: &&mut Lease| lease.idle() > Nanos::ZERO && (all || lease.slice != current);
        let Some(lease) = self.leases.iter_mut().find(idle) else {
            self.recalled = false;
            return None;
        };
        let (slice, give_back) = (lease.slice, lease.idle());
        if !planted(Bug::KeepsWhatItGaveBack) {
            lease.granted = lease.held;
        }
        self.sole = false;
        self.drop_empty();
        let none = Nanos::ZERO;
        let epoch = settings.epoch;
        Some(LeaseCall {
            epoch,
            slice,
            seq,
            give_back,
            least: none,
            want: none,
            ahead: none,
            share: 1,
        })
    }

    fn ask(&mut self, seq: i64, settings: &Settings, now: Timestamp) -> Option<LeaseCall> {
        self.state.terms.limit?;
        if !self.state.open || self.sole || now < self.ask_from {
            return None;
        }
        let idle = self.idle();
        let bounds = self.waiting.iter().map(|waiting| waiting.more);
        let smallest = bounds.clone().min();
        let demand = bounds.fold(Nanos::ZERO, Nanos::saturating_add).saturating_sub(idle);
        let least = match smallest {
            Some(smallest) => smallest.saturating_sub(idle).max(Nanos::new(1)),
            None if self.is_running_out(settings) && !self.is_unused_since(now) => Nanos::new(1),
            None => return None,
        };
        let (ahead, share) = if settings.shared {
            (self.ahead.saturating_sub(idle).max(Nanos::ZERO), settings.share())
        } else {
            (Nanos::new(i64::MAX), 1)
        };
        let want = if smallest.is_some() { demand.max(least) } else { Nanos::ZERO };
        let (epoch, slice) = (settings.epoch, self.current);
        Some(LeaseCall { epoch, slice, seq, give_back: Nanos::ZERO, least, want, ahead, share })
    }

    fn is_unused_since(&self, now: Timestamp) -> bool {
        self.used_at.plus_seconds(IDLE_SECONDS) < now
    }

    /// Whether more is to be asked for before somebody has to wait: where there is plenty, and others
    /// to share it with.
    pub(super) fn is_running_out(&self, settings: &Settings) -> bool {
        if !settings.shared {
            return false;
        }
        let (Some(known), Some(limit)) = (self.known, self.state.terms.limit) else { return false };
        let free = limit.saturating_sub(known.spent).saturating_sub(known.leased);
        let plenty = free.get() / settings.share() >= self.ahead.get();
        self.idle().get() < self.ahead.get() / 2 && plenty
    }

    /// The store answered `call`.
    pub(super) fn answered(&mut self, call: &LeaseCall, granted: Nanos, figures: &Figures) {
        self.failing = false;
        if granted > Nanos::ZERO && !planted(Bug::ForgetsGrants) {
            match self.leases.iter_mut().find(|lease| lease.slice == call.slice) {
                Some(lease) => lease.granted = lease.granted.saturating_add(granted),
                None => self.leases.push(Lease { slice: call.slice, granted, held: Nanos::ZERO }),
            }
        }
        let outdated = self.outdated == Some(call.seq) || figures.state != self.state;
        if outdated || call.slice != self.current {
            return;
        }
        self.known = Some(*figures);
        let limit = self.state.terms.limit.unwrap_or(Nanos::ZERO);
        let free = limit.saturating_sub(figures.spent).saturating_sub(figures.leased);
        let in_one = self.leases.iter().all(|lease| lease.slice == self.current);
        self.sole = free == Nanos::ZERO && figures.leased == figures.mine && in_one;
        if call.least > Nanos::ZERO && granted == Nanos::ZERO {
            self.ask_from = Timestamp::from_micros(figures.now.as_micros() + ASK_PAUSE_MICROS);
        } else if granted > Nanos::ZERO {
            // What was asked for ahead of need did not last, or this is the first request.
            let largest = call.want.max(self.ahead);
            self.ahead = largest.saturating_add(largest).min(free.max(Nanos::ZERO));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{AccountId, Epoch, GenerationId};
    use crate::key::Terms;
    use crate::ledger::{AccountState, Admission, Decision, GaveUp, Leased, Ledger, Void};

    const ACCOUNT: AccountId = AccountId(1);

    #[test]
    fn a_store_that_keeps_silent_is_no_refusal() {
        let now = Timestamp::from_micros(1_000_000);
        let mut ledger =
            Ledger::new(Settings { epoch: Epoch(1), shared: true, nodes: 2, accounts_max: 10 });
        let terms = Terms { limit: Some(Nanos::new(1_000)), ..Terms::default() };
        let state = AccountState { terms, open: true };
        ledger.open(ACCOUNT, state, now);
        let first = GenerationId::new(now, [1; 10]);
        let second = GenerationId::new(now, [2; 10]);
        let bound = Nanos::new(100);
        assert_eq!(ledger.reserve(first, &[ACCOUNT], bound, now), Admission::Waiting);
        let call = ledger.calls(now).pop().expect("it asks");
        let figures = Figures { state, spent: Nanos::ZERO, leased: bound, mine: bound, now };
        let leased = Leased { granted: bound, figures };
        assert_eq!(ledger.leased(&call, &leased, now).len(), 1, "the first goes on");

        // The budget is known, and what the second needs is asked for: nobody answers.
        assert_eq!(ledger.reserve(second, &[ACCOUNT], bound, now), Admission::Waiting);
        assert_eq!(ledger.calls(now).len(), 1);
        let gave_up = ledger.give_up(second, now.plus_seconds(2));
        assert_eq!(gave_up, Some(GaveUp::Unknown));
    }

    /// A lease of 500 and a hold of 100 on it; then the limit is `lowered`, and a second request comes.
    fn lowered(lowered: i64) -> (Ledger, AccountState, Timestamp) {
        let now = Timestamp::from_micros(1_000_000);
        let mut ledger =
            Ledger::new(Settings { epoch: Epoch(1), shared: true, nodes: 2, accounts_max: 10 });
        let state = |limit| {
            let terms = Terms { limit: Some(Nanos::new(limit)), ..Terms::default() };
            AccountState { terms, open: true }
        };
        ledger.open(ACCOUNT, state(1_000), now);
        let [first, second] = [1, 2].map(|number| GenerationId::new(now, [number; 10]));
        let bound = Nanos::new(100);
        assert_eq!(ledger.reserve(first, &[ACCOUNT], bound, now), Admission::Waiting);
        let call = ledger.calls(now).pop().expect("it asks");
        let granted = Nanos::new(500);
        let figures = Figures {
            state: state(1_000),
            spent: Nanos::ZERO,
            leased: granted,
            mine: granted,
            now,
        };
        assert_eq!(ledger.leased(&call, &Leased { granted, figures }, now).len(), 1);
        assert!(ledger.amend(ACCOUNT, state(lowered), now).is_empty());
        assert_eq!(ledger.reserve(second, &[ACCOUNT], bound, now), Admission::Waiting);
        (ledger, state(lowered), now)
    }

    /// Answers the call that the ledger makes now, with what is leased to it after that.
    fn answer(
        ledger: &mut Ledger,
        state: AccountState,
        granted: i64,
        leased: i64,
        now: Timestamp,
    ) -> (LeaseCall, Vec<Decision>) {
        let call = ledger.calls(now).pop().expect("there is a call");
        let leased = Nanos::new(leased);
        let figures = Figures { state, spent: Nanos::ZERO, leased, mine: leased, now };
        let granted = Nanos::new(granted);
        (call, ledger.leased(&call, &Leased { granted, figures }, now))
    }

    #[test]
    fn what_was_granted_under_a_higher_limit_is_not_spent() {
        let (mut ledger, state, now) = lowered(0);
        let (call, decisions) = answer(&mut ledger, state, 0, 100, now);
        assert_eq!(call.give_back, Nanos::new(400));
        assert!(matches!(decisions[..], [(_, Admission::Refused(_))]), "{decisions:?}");
        // Nor is what an admitted request leaves of it.
        let third = GenerationId::new(now, [3; 10]);
        let refused = ledger.reserve(third, &[ACCOUNT], Nanos::new(1), now);
        assert!(matches!(refused, Admission::Refused(_)), "{refused:?}");
        assert!(matches!(ledger.void(GenerationId::new(now, [1; 10]), now), Void::Released(_)));
        let refused = ledger.reserve(third, &[ACCOUNT], Nanos::new(1), now);
        assert!(matches!(refused, Admission::Refused(_)), "{refused:?}");
        assert_eq!(ledger.calls(now).pop().map(|call| call.give_back), Some(Nanos::new(100)));
    }

    #[test]
    fn a_limit_that_came_back_is_confirmed_anew() {
        let (mut ledger, state, now) = lowered(300);
        let (_, decisions) = answer(&mut ledger, state, 0, 100, now);
        assert!(decisions.is_empty());
        let (_, decisions) = answer(&mut ledger, state, 150, 250, now);
        assert_eq!(decisions.len(), 1);
        // Raised, leased to another node, lowered again: heard of as one change to what it was.
        assert!(ledger.amend(ACCOUNT, state, now).is_empty());
        let third = GenerationId::new(now, [3; 10]);
        assert_eq!(ledger.reserve(third, &[ACCOUNT], Nanos::new(50), now), Admission::Waiting);
        let call = ledger.calls(now).pop().expect("it asks");
        // So it is once more while the call is out, whose answer may be from before.
        assert!(ledger.amend(ACCOUNT, state, now).is_empty());
        let (granted, leased) = (Nanos::ZERO, Nanos::new(200));
        let figures = Figures { state, spent: Nanos::ZERO, leased, mine: leased, now };
        assert!(ledger.leased(&call, &Leased { granted, figures }, now).is_empty());
        let fourth = GenerationId::new(now, [4; 10]);
        assert_eq!(ledger.reserve(fourth, &[ACCOUNT], Nanos::new(1), now), Admission::Waiting);
    }

    #[test]
    fn what_the_new_limit_leaves_is_granted_anew() {
        let (mut ledger, state, now) = lowered(300);
        let (call, decisions) = answer(&mut ledger, state, 0, 100, now);
        assert_eq!((call.give_back, decisions.len()), (Nanos::new(400), 0));
        let (call, decisions) = answer(&mut ledger, state, 100, 200, now);
        assert_eq!(call.want, Nanos::new(100));
        assert!(matches!(decisions[..], [(_, Admission::Admitted(_))]), "{decisions:?}");
    }
}
