//! How a reservation ends: settled, once, or given back.

use std::sync::Arc;

use super::record::{Metered, Settlement};
use super::reservation::{Outcome, Stage};
use super::{Decision, Ledger, Void};
use crate::clock::Timestamp;
use crate::id::GenerationId;
use crate::money::Nanos;
use crate::planted::{Bug, planted};

impl Ledger {
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
        self.stop_extending(request.id);
        let reservation = self.reservations.get_mut(&request.id)?;
        let again = planted(Bug::SettlesTwice) && reservation.stage == Stage::Settling;
        if !matches!(reservation.stage, Stage::Held | Stage::Marked) && !again {
            return None;
        }
        let chargeable = if outcome.free { Nanos::ZERO } else { outcome.cost };
        let capped = !planted(Bug::ChargesAboveTheBound);
        let charge = if capped { chargeable.min(reservation.bound) } else { chargeable };
        let mut byok = if outcome.free { Nanos::ZERO } else { outcome.byok };
        let mut overrun = chargeable.saturating_sub(charge);
        if reservation.holds.iter().any(|hold| hold.counts_byok) {
            // Where it counts it is held too, and what it comes to beyond that counts nowhere.
            let counted = byok.min(reservation.bound.saturating_sub(charge));
            overrun = overrun.saturating_add(byok.saturating_sub(counted));
            byok = counted;
        }
        for hold in &mut reservation.holds {
            let byok = if hold.counts_byok { byok } else { Nanos::ZERO };
            let leased = reservation.bound.saturating_sub(hold.unleased);
            hold.drawn = charge.saturating_add(byok).min(leased);
        }
        reservation.stage = Stage::Settling;
        let draws = reservation.draws();
        if planted(Bug::ReleasesEarly) {
            self.release(request.id, now);
        }
        Some(Settlement {
            request: Arc::clone(request),
            charge,
            draws,
            byok,
            overrun,
            absorbed: if outcome.free { outcome.cost } else { Nanos::ZERO },
            usage: outcome.usage,
            ending: outcome.ending,
            estimated: outcome.estimated,
            settled_at: now,
            course: Arc::clone(&outcome.course),
        })
    }

    /// The settlement is durable, as it was handed out or [waived](Settlement::waived): the hold becomes
    /// a charge, and what it leaves is free for others.
    pub fn settled(&mut self, settlement: &Settlement, now: Timestamp) -> Vec<Decision> {
        let id = settlement.request.id;
        let Some(reservation) = self.reservations.get_mut(&id) else { return Vec::new() };
        if reservation.stage != Stage::Settling {
            return Vec::new();
        }
        if settlement.draws.is_empty() {
            // The store took nothing out of the leases.
            reservation.holds.iter_mut().for_each(|hold| hold.drawn = Nanos::ZERO);
        }
        self.release(id, now)
    }

    /// Gives a reservation back. One that was marked is not forgotten by memory alone.
    pub fn void(&mut self, id: GenerationId, now: Timestamp) -> Void {
        self.stop_extending(id);
        match self.reservations.get(&id).map(|reservation| reservation.stage) {
            Some(Stage::Held) => Void::Released(self.release(id, now)),
            Some(Stage::Waiting) => {
                self.give_up(id, now);
                Void::Released(Vec::new())
            }
            Some(Stage::Marked) => Void::Marked,
            Some(Stage::Settling) | None => Void::Released(Vec::new()),
        }
    }
}
