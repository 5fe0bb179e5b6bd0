//! What a store may lose when it fails over, kept by the node that wrote it.
//!
//! A store that fails over to an asynchronous standby goes on from a state of a moment ago. Charges and
//! marks of that moment were acknowledged and answers given on them, so the node that wrote them keeps
//! them for a while and writes them again. The run that made them is over: every node begins a new one,
//! because which leases the lost moment gave to whom nobody knows for certain.
//!
//! A request that was marked and has no durable charge is testified with what was authorised, as if its
//! node had crashed; or with the charge that was on its way, if that is less. Either is at least what was
//! delivered, and at most what the store counted before it failed over: the lease or the mark where the
//! charge had not arrived, the charge itself where it had. So all testimonies fit under the limits that
//! they were made under, whoever comes first.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashMap;

use super::packed::Packed;
use super::record::{AnswerMark, Ending, Metered, Settlement};
use crate::clock::Timestamp;
use crate::id::GenerationId;
use crate::money::Nanos;
use crate::planted::{Bug, planted};
use crate::pricing::Usage;
use crate::store::{Change, Testimony};

/// What was acknowledged longer before the last poll has reached the standby.
const KEPT_SECONDS: i64 = 120;
/// Charges that are kept, some 200 bytes each. More in two minutes push the oldest out.
const CHARGES_MAX: usize = 100_000;
const CHANGES_MAX: usize = 10_000;

/// A request whose mark is durable and whose charge is not.
#[derive(Debug)]
struct Open {
    request: Arc<Metered>,
    authorised: Nanos,
    /// On its way to the store.
    charge: Option<Nanos>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Journal {
    open: HashMap<GenerationId, Open>,
    charges: VecDeque<(Timestamp, Packed)>,
    changes: VecDeque<(Timestamp, Change)>,
}

impl Journal {
    /// The mark is durable.
    pub fn marked(&mut self, mark: &AnswerMark) {
        if planted(Bug::ForgetsMarks) {
            return;
        }
        let open = self.open.entry(mark.request.id).or_insert_with(|| Open {
            request: Arc::clone(&mark.request),
            authorised: Nanos::ZERO,
            charge: None,
        });
        open.authorised = open.authorised.max(mark.authorised);
        if mark.request.reserved > open.request.reserved {
            open.request = Arc::clone(&mark.request);
        }
    }

    /// The charge is on its way.
    pub fn settling(&mut self, settlement: &Settlement) {
        if let Some(open) = self.open.get_mut(&settlement.request.id) {
            open.charge = Some(settlement.charge);
        }
    }

    /// The charge is durable.
    pub fn settled(&mut self, settlement: &Settlement, now: Timestamp) {
        self.open.remove(&settlement.request.id);
        keep(&mut self.charges, CHARGES_MAX, (now, Packed::of(settlement)));
    }

    /// The store told of a change.
    pub fn changed(&mut self, change: Change, now: Timestamp) {
        keep(&mut self.changes, CHANGES_MAX, (now, change));
    }

    /// The store said at `then`, by its own clock, that the run goes on: it had not failed over.
    pub fn polled(&mut self, then: Timestamp) {
        let from = then.plus_seconds(-KEPT_SECONDS);
        forget(&mut self.charges, from);
        forget(&mut self.changes, from);
    }

    /// The run is over: what it had open is for the store to charge.
    pub fn end_run(&mut self, now: Timestamp) {
        for (_, open) in self.open.drain() {
            keep(&mut self.charges, CHARGES_MAX, (now, Packed::of(&open.crashed(now))));
        }
    }

    /// A run begins: what was testified has just been written.
    pub fn begin_run(&mut self, now: Timestamp) {
        self.charges.iter_mut().for_each(|(at, _)| *at = now);
        self.changes.iter_mut().for_each(|(at, _)| *at = now);
    }

    /// All that the store may have lost.
    pub fn testimony(&self) -> Testimony {
        if planted(Bug::TestifiesNothing) {
            return Testimony::default();
        }
        Testimony {
            charges: self.charges.iter().map(|(_, charge)| charge.unpack()).collect(),
            changes: self.changes.iter().map(|(_, change)| *change).collect(),
        }
    }
}

impl Open {
    fn crashed(self, now: Timestamp) -> Settlement {
        let authorised = self.authorised;
        Settlement {
            charge: self.charge.map_or(authorised, |charge| charge.min(authorised)),
            ..Settlement::crashed(self.request, authorised, now)
        }
    }
}

fn keep<T>(kept: &mut VecDeque<T>, most: usize, new: T) {
    if kept.len() >= most {
        kept.pop_front();
    }
    kept.push_back(new);
}

fn forget<T>(kept: &mut VecDeque<(Timestamp, T)>, from: Timestamp) {
    while kept.front().is_some_and(|(at, _)| *at < from) {
        kept.pop_front();
    }
}

impl Settlement {
    /// What a request is charged whose run ended in the middle of its answer.
    pub fn crashed(request: Arc<Metered>, charge: Nanos, now: Timestamp) -> Self {
        Self {
            request,
            charge,
            draws: Vec::new(),
            byok: Nanos::ZERO,
            overrun: Nanos::ZERO,
            absorbed: Nanos::ZERO,
            usage: Usage::default(),
            ending: Ending::Crashed,
            estimated: true,
            settled_at: now,
            course: Arc::default(),
        }
    }

    /// Whether this charge, which is testified, takes the place of one that the store has: what is
    /// known takes the place of what was assumed after a crash, and more of less.
    pub fn corrects(&self, written: Nanos, ending: Ending) -> bool {
        let known = self.ending != Ending::Crashed;
        ending == Ending::Crashed && (known || self.charge > written)
    }
}
