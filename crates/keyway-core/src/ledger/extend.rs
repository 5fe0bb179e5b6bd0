//! A reservation that grows while its answer is delivered.

use super::refusal::{Refusal, RefusalReason};
use super::waiting::Waiting;
use super::{Admission, Ledger, WAITING_MAX};
use crate::clock::Timestamp;
use crate::id::GenerationId;
use crate::money::Nanos;
use crate::planted::{Bug, planted};

impl Ledger {
    /// Raises what an open reservation holds to `bound`, on every account or on none. It stays in the
    /// windows of its admission. Refused and waiting as [`Ledger::reserve`]; what it holds it holds,
    /// whatever is answered. `None` where it was resolved, or is of an earlier run.
    pub fn extend(&mut self, id: GenerationId, bound: Nanos, now: Timestamp) -> Option<Admission> {
        self.latest = self.latest.max(now);
        let reservation = self.reservations.get_mut(&id).filter(|it| it.is_open())?;
        debug_assert!(reservation.extending.is_none(), "one extension at a time");
        let more = bound.saturating_sub(reservation.bound);
        if more <= Nanos::ZERO {
            return Some(Admission::Admitted(reservation.windows));
        }
        for hold in &reservation.holds {
            let account = self.accounts.get_mut(&hold.account).expect("it has a reservation");
            account.roll(self.latest);
            if let Err(refusal) = account.check_more(hold.slice, bound, more) {
                let waiting = Waiting { id, bound, more, slice: hold.slice };
                return Some(self.wait_to_extend(waiting, refusal));
            }
        }
        reservation.bound = bound;
        let windows = reservation.windows;
        for hold in &mut reservation.holds {
            let account = self.accounts.get_mut(&hold.account).expect("it was just checked");
            account.hold_more(hold, more, self.latest);
            if account.is_running_out(&self.settings) {
                self.restless.insert(hold.account);
            }
            if planted(Bug::ExtendsOneAccount) {
                break;
            }
        }
        Some(Admission::Admitted(windows))
    }

    fn wait_to_extend(&mut self, waiting: Waiting, refusal: Refusal) -> Admission {
        let account = self.accounts.get_mut(&refusal.account).expect("it was just checked");
        if refusal.reason != RefusalReason::Held || account.waiting.len() >= WAITING_MAX {
            return Admission::Refused(refusal);
        }
        account.waiting.push_back(waiting);
        self.restless.insert(refusal.account);
        if let Some(reservation) = self.reservations.get_mut(&waiting.id) {
            reservation.extending = Some(refusal.account);
        }
        Admission::Waiting
    }

    /// It is about to be resolved: it wants no more.
    pub(super) fn stop_extending(&mut self, id: GenerationId) {
        let account = self.reservations.get_mut(&id).and_then(|it| it.extending.take());
        if let Some(account) = account.and_then(|account| self.accounts.get_mut(&account)) {
            account.leave(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::id::{AccountId, Epoch, KeyId};
    use crate::key::Terms;
    use crate::ledger::{
        AccountState, Ending, Figures, GaveUp, Leased, Metered, Outcome, Settings, Settlement,
    };
    use crate::pricing::Usage;

    const ACCOUNT: AccountId = AccountId(1);
    const NOW: Timestamp = Timestamp::from_micros(1_000_000);

    fn id(number: u8) -> GenerationId {
        GenerationId::new(NOW, [number; 10])
    }

    fn state(limit: Option<i64>) -> AccountState {
        let terms = Terms { limit: limit.map(Nanos::new), ..Terms::default() };
        AccountState { terms, open: true }
    }

    /// A ledger that alone has all of a budget of 100, of which the first request holds 30.
    fn ledger() -> Ledger {
        let settings = Settings { epoch: Epoch(1), shared: false, nodes: 1, accounts_max: 10 };
        let mut ledger = Ledger::new(settings);
        ledger.open(ACCOUNT, state(Some(100)), NOW);
        let bound = Nanos::new(30);
        assert_eq!(ledger.reserve(id(1), &[ACCOUNT], bound, NOW), Admission::Waiting);
        let call = ledger.calls(NOW).pop().expect("it asks");
        let all = Nanos::new(100);
        let figures = Figures {
            state: state(Some(100)),
            spent: Nanos::ZERO,
            leased: all,
            mine: all,
            now: NOW,
        };
        let admitted = ledger.leased(&call, &Leased { granted: all, figures }, NOW);
        assert!(matches!(admitted[..], [(_, Admission::Admitted(_))]), "{admitted:?}");
        ledger
    }

    fn reason(admission: Option<Admission>) -> Option<RefusalReason> {
        match admission {
            Some(Admission::Refused(refusal)) => Some(refusal.reason),
            _ => None,
        }
    }

    fn settle(ledger: &mut Ledger, number: u8, cost: i64) -> Settlement {
        let request = Metered {
            id: id(number),
            epoch: Epoch(1),
            key: KeyId(1),
            accounts: vec![ACCOUNT],
            windows: crate::budget::Windows::at(NOW),
            reserved: Nanos::ZERO,
            model: String::new(),
            provider: String::new(),
            is_byok: false,
            streamed: true,
            admitted_at: NOW,
            origin: Arc::default(),
        };
        let outcome = Outcome {
            usage: Usage::default(),
            cost: Nanos::new(cost),
            byok: Nanos::ZERO,
            free: false,
            ending: Ending::LimitReached,
            estimated: true,
            course: Arc::default(),
        };
        ledger.settle(&Arc::new(request), &outcome, NOW).expect("it is open")
    }

    fn drawn(settlement: &Settlement) -> Nanos {
        settlement.draws.iter().map(|draw| draw.amount).fold(Nanos::ZERO, Nanos::saturating_add)
    }

    #[test]
    fn it_grows_to_the_limit_and_is_charged_no_more_than_it_holds() {
        let mut ledger = ledger();
        let admitted = ledger.extend(id(1), Nanos::new(100), NOW);
        assert!(matches!(admitted, Some(Admission::Admitted(_))), "{admitted:?}");
        assert_eq!(ledger.held(ACCOUNT).0, Nanos::new(100));
        let more = ledger.extend(id(1), Nanos::new(101), NOW);
        assert_eq!(reason(more), Some(RefusalReason::TooLittle));
        let settled = settle(&mut ledger, 1, 500);
        assert_eq!((settled.charge, settled.draws.len()), (Nanos::new(100), 1));
        assert_eq!(drawn(&settled), Nanos::new(100));
        assert_eq!(ledger.extend(id(1), Nanos::new(1), NOW), None, "it is resolved");
    }

    #[test]
    fn it_waits_for_what_others_hold_and_keeps_what_it_has() {
        let mut ledger = ledger();
        let other = ledger.reserve(id(2), &[ACCOUNT], Nanos::new(60), NOW);
        assert!(matches!(other, Admission::Admitted(_)), "{other:?}");
        assert_eq!(ledger.extend(id(1), Nanos::new(50), NOW), Some(Admission::Waiting));
        let Some(GaveUp::Refused(refusal)) = ledger.give_up(id(1), NOW) else {
            panic!("it is known how the budget stands");
        };
        assert_eq!((refusal.reason, refusal.bound), (RefusalReason::Held, Nanos::new(50)));
        assert_eq!((ledger.held(ACCOUNT).0, ledger.in_flight()), (Nanos::new(90), 2));

        assert_eq!(ledger.extend(id(1), Nanos::new(50), NOW), Some(Admission::Waiting));
        let crate::ledger::Void::Released(decisions) = ledger.void(id(2), NOW) else {
            panic!("it was not marked");
        };
        assert!(matches!(decisions[..], [(it, Admission::Admitted(_))] if it == id(1)));
        assert_eq!(ledger.held(ACCOUNT).0, Nanos::new(50));
    }

    #[test]
    fn one_that_is_settled_while_it_waits_is_decided_no_more() {
        let mut ledger = ledger();
        let other = ledger.reserve(id(2), &[ACCOUNT], Nanos::new(60), NOW);
        assert!(matches!(other, Admission::Admitted(_)), "{other:?}");
        assert_eq!(ledger.extend(id(1), Nanos::new(50), NOW), Some(Admission::Waiting));
        let settled = settle(&mut ledger, 1, 20);
        assert_eq!(settled.charge, Nanos::new(20));
        assert!(ledger.settled(&settled, NOW).is_empty());
        assert_eq!(ledger.held(ACCOUNT).0, Nanos::new(60));
    }

    #[test]
    fn a_limit_that_is_taken_away_holds_nothing_back() {
        let mut ledger = ledger();
        assert!(ledger.amend(ACCOUNT, state(None), NOW).is_empty());
        let admitted = ledger.extend(id(1), Nanos::new(1_000), NOW);
        assert!(matches!(admitted, Some(Admission::Admitted(_))), "{admitted:?}");
        assert_eq!(ledger.held(ACCOUNT).0, Nanos::new(1_000));
        // Out of its lease comes no more than it held of it.
        let settled = settle(&mut ledger, 1, 700);
        assert_eq!((settled.charge, drawn(&settled)), (Nanos::new(700), Nanos::new(30)));
        assert!(ledger.settled(&settled, NOW).is_empty());
        assert_eq!(ledger.held(ACCOUNT).0, Nanos::ZERO);
    }
}
