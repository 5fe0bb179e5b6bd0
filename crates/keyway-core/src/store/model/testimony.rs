//! Histories, and what nodes put back of one that was lost.

use super::state::{Node, State};
use crate::clock::Timestamp;
use crate::id::Timeline;
use crate::planted::{Bug, planted};
use crate::store::{Change, RETURN_SECONDS, StoreError, Testified, Testimony};

/// Of one history, more than it ever gives out.
const NUMBERS: i64 = 1_000_000;

impl State {
    /// Whether the run joined in the history that the store is on.
    pub(super) fn is_current(&self, node: &Node) -> bool {
        let current = self.history == self.history_now && node.timeline == self.timeline;
        current || planted(Bug::KeepsOldRuns)
    }

    /// Notices a fail-over: numbers that were given out before it are not given out again.
    pub(super) fn timeline(&mut self, now: Timestamp) -> Timeline {
        if self.history != self.history_now {
            self.history = self.history_now;
            self.timeline = Timeline(self.history * NUMBERS);
            self.timeline_at = now;
            if !planted(Bug::NumbersAgain) {
                let Timeline(first) = self.timeline;
                self.numbers.keys = first;
                self.numbers.changes = first;
                self.numbers.epochs = first;
            }
        }
        self.timeline
    }

    /// Whether a run is waited for that has not put back what it knows.
    pub(super) fn is_returning(&self) -> bool {
        self.has_old_runs() && !planted(Bug::WaitsForNobody)
    }

    fn has_old_runs(&self) -> bool {
        self.nodes.values().any(|node| node.live && !self.is_current(node))
    }

    /// Whether nodes may have something to put back, and nothing is granted.
    pub(super) fn is_waiting(&self, now: Timestamp) -> bool {
        let lately = self.timeline != Timeline::default()
            && now < self.timeline_at.plus_seconds(RETURN_SECONDS);
        self.has_old_runs() || lately
    }

    pub(super) fn check_returned(&self, now: Timestamp) -> Result<(), StoreError> {
        if self.is_waiting(now) && !planted(Bug::WaitsForNobody) {
            return Err(StoreError::Unavailable("others come back after a fail-over".to_owned()));
        }
        Ok(())
    }

    pub(super) fn testify(&mut self, testimony: &Testimony, now: Timestamp) -> Testified {
        self.timeline(now);
        let mut testified = Testified::default();
        for change in &testimony.changes {
            match self.put_back(change, now) {
                None => testified.nobodys += 1,
                Some(changed) => testified.changes += u64::from(changed),
            }
        }
        for charge in &testimony.charges {
            let request = &charge.request;
            if self.check_key(request).and_then(|()| self.check_accounts(request)).is_err() {
                testified.nobodys += 1;
                continue;
            }
            let written = self.generations.get(&request.id);
            match written.and_then(|known| known.settlement.clone()) {
                Some(_) if planted(Bug::TestifiesTwice) => self.book(charge.clone()),
                Some(written) if !charge.corrects(written.charge, written.ending) => continue,
                Some(written) => self.correct(&written, charge.clone()),
                None => self.book(charge.clone()),
            }
            testified.charges += 1;
        }
        testified
    }

    /// Puts a change of a lost history in force, where no later one of it is: but what was closed
    /// since stays closed. `None` where there is no such account.
    fn put_back(&mut self, change: &Change, now: Timestamp) -> Option<bool> {
        let account = change.account;
        self.state_of(account)?;
        let Timeline(first) = self.timeline;
        let mut later = self.changes.range(change.seq..=first.max(change.seq));
        let known = later.any(|(_, (changed, _))| *changed == account);
        if change.seq > first || known || planted(Bug::RevivesKeys) {
            return Some(false);
        }
        self.changes.insert(change.seq, (account, now));
        let terms = change.state.terms;
        match self.keys.iter_mut().find(|key| key.record.account == account) {
            Some(key) => {
                key.record.disabled |= !change.state.open;
                key.record.terms = terms;
                key.record.updated_at = Some(now);
            }
            None => self.budget = terms,
        }
        self.changed(account, now);
        Some(true)
    }
}
