//! What is on its way between nodes and the store. A call goes out when the node is awake and reaches
//! the store; its answer is heard at once, later, or never, and then the call is made again.

use super::node::{Calling, Letter, Writing};
use super::trouble::Fault;
use super::world::{World, answer};
use crate::id::GenerationId;
use crate::ledger::{Leased, Settlement};
use crate::money::Nanos;
use crate::store::{Settled, Store, StoreError};

/// What becomes of an answer.
enum Answer {
    Heard,
    Late,
    Lost,
}

impl World {
    fn fate(&mut self) -> Answer {
        match self.below(100) {
            0..10 if self.trouble.has(Fault::LostAnswer) => Answer::Lost,
            10..35 if self.trouble.has(Fault::SlowStore) => Answer::Late,
            _ => Answer::Heard,
        }
    }

    /// One of the calls for leases.
    pub(super) fn call(&mut self, at: usize) {
        let now = self.time_at(at);
        let new = self.nodes[at].ledger.calls(now);
        let calling = new.into_iter().map(|call| Calling { call, executed: None, late: false });
        self.nodes[at].calling.extend(calling);
        if self.nodes[at].calling.is_empty() {
            return;
        }
        let which = self.below(self.nodes[at].calling.len() as u64) as usize;
        let Calling { call, executed, late } = self.nodes[at].calling[which];
        if let (Some(leased), true) = (executed, late) {
            return self.leased(at, which, &leased);
        }
        if self.nodes[at].partitioned {
            return;
        }
        if self.trouble.has(Fault::Repeat) && self.chance(5) {
            let _ = answer(self.store.lease(call, self.time()));
        }
        match answer(self.store.lease(call, self.time())) {
            Ok(leased) => {
                self.check_grant(&call, &leased);
                let fate = self.fate();
                if let Answer::Heard = fate {
                    return self.leased(at, which, &leased);
                }
                let calling = &mut self.nodes[at].calling[which];
                calling.executed = Some(leased);
                calling.late = matches!(fate, Answer::Late);
            }
            Err(StoreError::Fenced) => self.fenced(at),
            Err(StoreError::Unavailable(_)) => {
                self.nodes[at].ledger.call_failed(call.slice.account);
            }
            Err(error) => panic!("{call:?}: {error}"),
        }
    }

    fn leased(&mut self, at: usize, which: usize, leased: &Leased) {
        let call = self.nodes[at].calling.remove(which).call;
        let now = self.time_at(at);
        let decisions = self.nodes[at].ledger.leased(&call, leased, now);
        self.decide(at, decisions);
    }

    pub(super) fn write(&mut self, at: usize, writing: Writing) {
        self.nodes[at].letters.push(Letter { writing, answered: None });
    }

    /// One of the marks and charges: most often the one that was written last.
    pub(super) fn post(&mut self, at: usize) {
        let letters = self.nodes[at].letters.len();
        if letters == 0 {
            return;
        }
        let last = self.chance(70);
        let which = if last { letters - 1 } else { self.below(letters as u64) as usize };
        if let Some(settled) = self.nodes[at].letters[which].answered {
            return self.heard(at, which, settled);
        }
        if self.nodes[at].partitioned {
            return;
        }
        let writing = self.nodes[at].letters[which].writing.clone();
        let twice = self.trouble.has(Fault::Repeat) && self.chance(5);
        if twice && self.execute(&writing).is_err() {
            return self.fenced(at);
        }
        match self.execute(&writing) {
            Ok(settled) => self.executed(at, which, &writing, settled),
            Err(StoreError::Fenced) => self.fenced(at),
            Err(error) => panic!("{writing:?}: {error}"),
        }
    }

    fn execute(&self, writing: &Writing) -> Result<Settled, StoreError> {
        match writing {
            Writing::Mark(mark) => answer(self.store.mark(mark.clone())).map(|()| Settled::Applied),
            Writing::Settle(settlement) => answer(self.store.settle(settlement.clone())),
        }
    }

    fn executed(&mut self, at: usize, which: usize, writing: &Writing, settled: Settled) {
        if let Writing::Settle(settlement) = writing {
            let id = settlement.request.id;
            let request = self.nodes[at].requests.get_mut(&id).expect("it is settling");
            let differs = settled == Settled::Differs;
            assert!(!differs || request.given_up, "I6: {id} was settled with another charge");
            if !differs {
                request.settling = Some(settlement.clone());
            }
            request.written = true;
        }
        match self.fate() {
            Answer::Heard => self.heard(at, which, settled),
            Answer::Late => self.nodes[at].letters[which].answered = Some(settled),
            Answer::Lost => {}
        }
    }

    /// A charge of an answer that nobody saw is given up, though the store may have it: what is written
    /// in its place charges nothing.
    pub(super) fn give_up_charge(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let alone = |which: &usize| {
            let id = node.letters[*which].writing.request();
            let unseen = self.truths[&id].delivered == Nanos::ZERO;
            unseen && node.letters.iter().filter(|it| it.writing.request() == id).count() == 1
        };
        let Some(which) = (0..node.letters.len()).find(alone) else { return };
        let Writing::Settle(charge) = &node.letters[which].writing else { return };
        let waived = charge.waived();
        node.requests.get_mut(&waived.request.id).expect("it is settling").given_up = true;
        node.journal.settling(&waived);
        node.letters[which] = Letter { writing: Writing::Settle(waived), answered: None };
    }

    fn heard(&mut self, at: usize, which: usize, settled: Settled) {
        let writing = self.nodes[at].letters.remove(which).writing;
        let id = writing.request();
        match writing {
            Writing::Mark(mark) => {
                self.nodes[at].journal.marked(&mark);
                self.deliver(id, mark.authorised);
            }
            Writing::Settle(settlement) => self.settled(at, &settlement, settled),
        }
        self.note_heard(at, id);
    }

    fn deliver(&mut self, id: GenerationId, authorised: Nanos) {
        let truth = self.truths.get_mut(&id).expect("it was admitted");
        truth.delivered = truth.delivered.max(authorised.min(truth.cost));
    }

    fn settled(&mut self, at: usize, written: &Settlement, settled: Settled) {
        let id = written.request.id;
        let request = self.nodes[at].requests.remove(&id).expect("it was settling");
        let charge = request.settling.expect("it was settling");
        let stands = charge.standing(written, settled);
        if !request.given_up {
            let truth = self.truths.get_mut(&id).expect("it was admitted");
            (truth.delivered, truth.complete) = (truth.cost, true);
        }
        let now = self.time_at(at);
        self.nodes[at].journal.settled(stands, now);
        let decisions = self.nodes[at].ledger.settled(stands, now);
        self.decide(at, decisions);
    }
}
